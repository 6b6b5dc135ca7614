"""Estimated cycles of a trace that knows no addresses: a mean number for each class of instructions.

Much coarser than the model by address, and priced from it: see benchmarks/coarse_cycles.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict

from harness.errors import InputError
from harness.platform import Platform
from harness.trace.trace import Trace

_TABLE = Path(__file__).with_name("coarse.yaml")


class CoarseModel(BaseModel):
    """Cycles of each class on one board, waits of its memories included: least, mean, most.

    `error_share` is how far the mean was off the model by address in runs that it was not made from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    error_share: float
    cycles: dict[str, tuple[float, float, float]]


@cache
def _models() -> dict[str, CoarseModel]:
    return {name: CoarseModel.model_validate(values) for name, values in yaml.safe_load(_TABLE.read_text()).items()}


@dataclass(frozen=True)
class CoarseEstimate:
    """Cycles of each class and context, float64 (classes, contexts), with `low <= value <= high`."""

    model: str
    error: str
    low: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def price_classes(trace: Trace, platform: Platform) -> CoarseEstimate:
    """Estimate the cycles of a trace of classes on a board.

    Raises InputError for a board that no mean is known of, or when a class was executed that none is known of.
    """
    model = _models().get(platform.name)
    executed = [name for name, counts in zip(trace.classes, trace.executions, strict=True) if counts.any()]
    if model is None or not set(executed) <= set(model.cycles):
        raise InputError(
            f"platform: no mean cycles of {'each class' if model else platform.name}; expected engine.fidelity: profile"
        )
    each = np.array([model.cycles.get(name, (0.0, 0.0, 0.0)) for name in trace.classes])
    low, value, high = (trace.executions.astype(np.float64) * bound[:, None] for bound in each.T)
    return CoarseEstimate(
        model=model.model,
        error=(
            f"+-{100 * model.error_share:.0f} % of the estimate by address, in runs the means were not made from; that "
            "has an error of its own. Not modelled: the order of instructions; code is taken to run from flash"
        ),
        low=low,
        value=value,
        high=high,
    )
