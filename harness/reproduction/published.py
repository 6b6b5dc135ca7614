"""The numbers of the paper, as data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

_FILE = Path(__file__).with_name("published.yaml")


class Table(BaseModel):
    """One table: rows and columns of numbers in `unit`. `place` says which figure of the paper it is.

    Not `printed`: derived from the heights of bars or by arithmetic. None: nothing published.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str
    unit: str
    printed: bool
    columns: tuple[str, ...]
    rows: dict[str, tuple[float | None, ...]]

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        for name, row in self.rows.items():
            if len(row) != len(self.columns):
                raise ValueError(f"row {name} has {len(row)} numbers, not one for each of {len(self.columns)} columns")
        return self

    def value(self, row: str, column: str) -> float | None:
        """Return a number, or None when there is none."""
        if row not in self.rows or column not in self.columns:
            return None
        return self.rows[row][self.columns.index(column)]

    def column(self, name: str) -> dict[str, float]:
        """Return the numbers of a column by row, without those that were not published."""
        found = {row: self.value(row, name) for row in self.rows}
        return {row: value for row, value in found.items() if value is not None}


class _Tables(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tables: dict[str, Table]


@cache
def published() -> dict[str, Table]:
    """Return all tables of the paper by name."""
    return _Tables.model_validate(yaml.safe_load(_FILE.read_text("utf-8"))).tables
