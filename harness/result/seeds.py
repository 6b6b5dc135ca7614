"""Runs that differ in nothing but `training.seed`, as one row: mean and deviation of what they came to."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.result.document import Document
from harness.result.frame import Row, result_values, setting_columns, tidy

SEED = "seed"
"""The column of `training.seed`."""

_DEVIATION = "_deviation"
_NEVER_WITHOUT = ("accuracy_test", "loss_test")


def seed_groups(documents: Sequence[Document]) -> list[tuple[int, ...]]:
    """Return the indices of runs that differ only in their seed, group by group in order of appearance."""
    groups: dict[str, list[int]] = {}
    for index, document in enumerate(documents):
        settings = setting_columns(document.settings)
        settings.pop(SEED, None)
        key = json.dumps([document.run.scenario, settings], sort_keys=True)
        groups.setdefault(key, []).append(index)
    return [tuple(group) for group in groups.values()]


def has_seeds(documents: Sequence[Document]) -> bool:
    """Say whether some runs differ only in their seed."""
    return any(len(group) > 1 for group in seed_groups(documents))


def seed_rows(documents: Sequence[Document]) -> list[Row]:
    """Return one row a group: its settings, its `seeds`, how many `runs` were finished and `runs_failed`, its results.

    A number is the mean over the finished runs. Beside each that differs within some group stands `<column>_deviation`,
    the sample deviation (of n - 1 degrees of freedom), absent when fewer than two runs were finished. Truths hold when
    they hold in every run; texts, such as the model of an estimate, are those of the first run.
    """
    rows = [_row([documents[index] for index in group]) for group in seed_groups(documents)]
    kept = {f"{name}{_DEVIATION}" for name in _NEVER_WITHOUT}
    kept |= {name for row in rows for name, value in row.items() if name.endswith(_DEVIATION) and value}
    return [
        {name: value for name, value in row.items() if name in kept or not name.endswith(_DEVIATION)} for row in rows
    ]


def _row(documents: Sequence[Document]) -> Row:
    settings = [setting_columns(document.settings) for document in documents]
    finished = [result_values(document) for document in documents if document.status == "ok"]
    row: Row = {"scenario": documents[0].run.scenario}
    row |= {name: value for name, value in settings[0].items() if name != SEED}
    row["seeds"] = ",".join(str(one[SEED]) for one in settings if SEED in one)
    row["runs"], row["runs_failed"] = len(finished), len(documents) - len(finished)
    for name in finished[0] if finished else ():
        row |= _together(name, [values.get(name) for values in finished])
    return row


def _together(name: str, values: Sequence[Any]) -> Row:
    first = values[0]
    if isinstance(first, bool):
        return {name: all(values)}
    if not isinstance(first, int | float):
        return {name: first}
    # A phase that does not occur in some run has no number there.
    numbers = [0 if value is None else value for value in values]
    if all(number == first for number in numbers):
        return {name: first, f"{name}{_DEVIATION}": 0.0 if len(numbers) > 1 else None}
    if not all(math.isfinite(number) for number in numbers):
        return {name: math.nan, f"{name}{_DEVIATION}": math.nan}
    return {name: statistics.fmean(numbers), f"{name}{_DEVIATION}": statistics.stdev(numbers)}


def seed_frame(documents: Sequence[Document]) -> pd.DataFrame:
    """Return the rows of `seed_rows` as a table."""
    return tidy(seed_rows(documents))
