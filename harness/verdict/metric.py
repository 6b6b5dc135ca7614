"""The numbers of a run that are held against an earlier one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.result import Document

Unit = Literal["instructions", "cycles", "mJ", "bytes", "share"]


@dataclass(frozen=True)
class Metric:
    """One number of a result document.

    `path` leads to it, in the document and in its JSON, whatever the version that wrote it. `exact` numbers are the
    same on every machine; the others come from a model. `better` says which way is good.
    """

    name: str
    title: str
    unit: Unit
    path: tuple[str, ...]
    exact: bool
    better: Literal["lower", "higher"] = "lower"

    def of(self, document: Document) -> float | None:
        """Return the number of a run, or None when it did not get to it."""
        value: Any = document
        for name in self.path:
            value = getattr(value, name, None)
        return None if value is None else float(value)

    def of_json(self, entry: Mapping[str, Any]) -> float | None:
        """Return the number from the JSON of a document of any version; None when it has none."""
        value: Any = entry
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if good else None

    def worsening(self, before: float, after: float) -> float:
        """Return by how much `after` is worse than `before`, in the unit of the metric; below 0 when it is better."""
        return after - before if self.better == "lower" else before - after


ACCURACY = "accuracy_test"
INSTRUCTIONS = "instructions_per_step"
CYCLES = "cycles_per_step"
ENERGY = "energy_mj_per_step"
RAM = "ram_bytes"
FLASH = "flash_bytes"
STACK = "stack_peak_bytes"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(INSTRUCTIONS, "instructions a step", "instructions", ("counts", INSTRUCTIONS), exact=True),
        Metric(CYCLES, "cycles a step", "cycles", ("estimates", CYCLES, "value"), exact=False),
        Metric(ENERGY, "energy a step", "mJ", ("estimates", ENERGY, "value"), exact=False),
        Metric(RAM, "RAM", "bytes", ("memory", RAM), exact=True),
        Metric(FLASH, "flash", "bytes", ("memory", FLASH), exact=True),
        Metric(STACK, "deepest stack", "bytes", ("memory", STACK), exact=True),
        Metric(ACCURACY, "test accuracy", "share", ("accuracy", "test"), exact=True, better="higher"),
    )
}
"""All metrics by name, in the order of reports."""
