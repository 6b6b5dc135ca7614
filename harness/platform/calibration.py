"""What was fitted to a real board: a file of its own, read on top of the board that ships with the harness."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.assets import write_atomically
from harness.errors import InputError
from harness.platform.board import Platform, load_platform, platform_names
from harness.platform.memory_system import Spread

PARAMETERS = ("wait_cycles", "taken_branch_cycles")
"""What can be fitted of a path of the memory system."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fitted(_Strict):
    """A fitted number of cycles and its standard error."""

    value: float = Field(ge=0)
    standard_error: float = Field(ge=0)

    @property
    def spread(self) -> Spread:
        """Return the value, two standard errors down and up."""
        reach = 2 * self.standard_error
        return Spread(low=max(0.0, self.value - reach), value=self.value, high=self.value + reach)


class Residual(_Strict):
    """Relative errors of the model against the measured rows, in percent.

    `mean_percent` and `worst_percent` are absolute errors after the fit, `before_percent` is the mean with the values
    of the board's file, `held_out_percent` the mean of rows that took no part in the fit that predicts them.
    """

    mean_percent: float
    worst_percent: float
    worst_row: str
    before_percent: float
    held_out_percent: float


class Calibration(_Strict):
    """Parameters of one board, by `path.parameter`, fitted to measured cycles."""

    board: str
    date: datetime.date
    measured: str
    rows: int = Field(gt=0)
    core_model: str
    memory_model: str
    parameters: dict[str, Fitted]
    residual: Residual

    @model_validator(mode="after")
    def _fits_its_board(self) -> Self:
        if self.board not in platform_names():
            raise ValueError(f"board: unknown board '{self.board}'; expected one of {', '.join(platform_names())}")
        paths = {path.name for path in load_platform(self.board).memory_system.paths}
        known = {f"{path}.{parameter}" for path in paths for parameter in PARAMETERS}
        for name in self.parameters:
            if name not in known:
                raise ValueError(
                    f"parameters: {self.board} has no '{name}'; expected one of {', '.join(sorted(known))}"
                )
        return self

    def applied_to(self, platform: Platform) -> Platform:
        """Return `platform` with the fitted parameters in place of its own; another board comes back unchanged."""
        if platform.name != self.board:
            return platform
        hierarchy = platform.memory_system
        paths = []
        for path in hierarchy.paths:
            fitted = {key: self.parameters.get(f"{path.name}.{key}") for key in PARAMETERS}
            paths.append(path.model_copy(update={key: one.spread for key, one in fitted.items() if one is not None}))
        note = f"calibrated {self.date} on {self.rows} rows, mean residual {self.residual.mean_percent:.1f} %"
        changed = hierarchy.model_copy(
            update={
                "paths": paths,
                "model": f"{hierarchy.model}, calibrated {self.date}",
                "error": f"{note}; {hierarchy.error}",
            }
        )
        return platform.model_copy(update={"memory_system": changed})

    def save(self, path: Path) -> None:
        """Write the calibration to `path` (YAML)."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=100)
        write_atomically(path, f"# Written by harness calibrate; see docs/calibrate.md.\n{text}".encode())


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in the file `path`.

    Raises InputError with a line for everything that is wrong with it.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a file that harness calibrate wrote") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    try:
        return Calibration.model_validate(content)
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in error.errors()]
        raise InputError(*(": ".join(filter(None, (str(path), *one))) for one in found)) from None
