"""The committed baseline of a training step: instructions and estimated cycles by compiler, platform and data type.

Instruction counts depend on the compiler, so each compiler version has rows of its own; a new one adds its rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.assets import write_atomically
from harness.errors import InputError
from harness.result import Document

COMPILER = "arm-none-eabi-gcc"
_HEADER = "# Written by: robot --variable REBASELINE:yes renode/robot/cycles.robot\n"


@dataclass(frozen=True)
class Row:
    """A mean training step of one run. `scenario` is the hash of what was run beside platform and data type."""

    scenario: str
    cycle_model: str
    instructions_per_step: float
    cycles_per_step: float


class NoBaselineError(Exception):
    """There is nothing to compare with: the message says why, and how to make it."""


def compiler_of(document: Document) -> str:
    """Return the compiler that built the firmware of a run, with its version."""
    return document.provenance.tools[COMPILER]


def measured(document: Document, scenario: str) -> Row:
    """Return the row of a run that is ok."""
    assert document.counts is not None
    assert document.estimates is not None
    cycles = document.estimates.cycles_per_step
    return Row(scenario, cycles.model, document.counts.instructions_per_step, round(cycles.value, 1))


class Baseline:
    """The rows in one YAML file."""

    def __init__(self, path: Path) -> None:
        """Read `path`; a file that is not there has no rows. Raises InputError when it holds something else."""
        self._path = path
        self._rows: dict[str, Any] = {}
        if path.exists():
            try:
                self._rows = yaml.safe_load(path.read_text("utf-8")) or {}
            except (OSError, ValueError, yaml.YAMLError) as error:
                raise InputError(f"{path}: cannot read the baseline: {error}") from error
            if not isinstance(self._rows, dict):
                raise InputError(f"{path}: no baseline; expected rows by compiler, platform and data type")

    def row(self, compiler: str, platform: str, dtype: str, expected: Row) -> Row:
        """Return what `expected` is to be compared with.

        Raises NoBaselineError when the file has no row of this compiler, or one of another scenario or cycle model.
        """
        make = "make one with --variable REBASELINE:yes"
        if compiler not in self._rows:
            known = "; ".join(self._rows) or "no compiler"
            raise NoBaselineError(f"the baseline was made by {known}; this is {compiler}: {make}")
        try:
            row = Row(**self._rows[compiler][platform][dtype])
        except KeyError:
            raise NoBaselineError(f"the baseline has no row of {platform}, {dtype} by {compiler}: {make}") from None
        except TypeError:
            raise InputError(
                f"{self._path}: {compiler}: {platform}: {dtype}: expected the keys {', '.join(asdict(expected))}"
            ) from None
        if row.scenario != expected.scenario:
            raise NoBaselineError(f"the baseline of {platform}, {dtype} was made with other settings: {make}")
        if row.cycle_model != expected.cycle_model:
            raise NoBaselineError(
                f"the baseline of {platform}, {dtype} was priced by {row.cycle_model}; this is {expected.cycle_model}: "
                f"{make}"
            )
        return row

    def put(self, compiler: str, platform: str, dtype: str, row: Row) -> None:
        """Store a row; those of other compilers, platforms and data types stay."""
        self._rows.setdefault(compiler, {}).setdefault(platform, {})[dtype] = asdict(row)
        text = _HEADER + yaml.safe_dump(self._rows, sort_keys=False, width=120, allow_unicode=True)
        write_atomically(self._path, text.encode())
