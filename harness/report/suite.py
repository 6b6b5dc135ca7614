"""A suite as reports see it: its runs, what the matrix varies, the trade-offs and who is on which Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from harness.report import notation
from harness.report.pareto import pareto_front
from harness.result import SEED, Document, Estimate, result_frame, seed_frame, seed_groups
from harness.result.frame import setting_columns

_MAIN = (
    "dataset",
    "model",
    "method",
    "dtype",
    "update_policy",
    "update_min_ratio",
    "update_max_ratio",
    "trainable_layers",
    "platform",
)
_DERIVED = ("core", "clock_hz")
_TITLES = {
    "dataset": "data set",
    "dtype": "data type",
    "update_policy": "policy",
    "update_min_ratio": "min ratio",
    "update_max_ratio": "max ratio",
    "trainable_layers": "trained",
    "asked_ram_budget_bytes": "RAM budget",
    "asked_flash_budget_bytes": "flash budget",
    "asked_stack_bytes": "stack",
}


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed; `finished` are those that came to their end."""

    indices: tuple[int, ...]
    finished: tuple[int, ...]


@dataclass(frozen=True)
class Tradeoff:
    """One cost that accuracy is weighed against: its column, the letter that marks its front, its title and unit."""

    column: str
    letter: str
    title: str
    unit: str
    scale: float
    estimated: bool


TRADEOFFS = (
    Tradeoff("time_ms_per_step", "t", "time per step", "ms", 1.0, True),
    Tradeoff("energy_mj_per_step", "e", "energy per step", "mJ", 1.0, True),
    Tradeoff("ram_bytes", "r", "RAM", "KiB", 1 / 1024, False),
)


def column_title(column: str) -> str:
    """Return what a setting's column is called in reports."""
    return _TITLES.get(column, column.replace("_", " "))


class Suite:
    """The runs of a suite and what reports derive from all of them together."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = tuple(documents)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Return the table of results, one row a run."""
        return result_frame(self.documents)

    @cached_property
    def ok(self) -> tuple[Document, ...]:
        """Return the runs that came to their end."""
        return tuple(document for document in self.documents if document.status == "ok")

    @cached_property
    def failed_indices(self) -> tuple[int, ...]:
        """Return the indices of the runs that failed."""
        return tuple(index for index, document in enumerate(self.documents) if document.status == "failed")

    @cached_property
    def failed(self) -> tuple[Document, ...]:
        """Return the runs that failed."""
        return tuple(self.documents[index] for index in self.failed_indices)

    @cached_property
    def settings(self) -> tuple[dict[str, str], ...]:
        """Return the settings of each run as text by column; `scenario` stands among them."""
        return tuple(
            {name: notation.setting(name, value) for name, value in setting_columns(document.settings).items()}
            | {"scenario": notation.plain(document.run.scenario, 60)}
            for document in self.documents
        )

    def setting(self, index: int, column: str) -> str:
        """Return one setting of run `index` as text; a dash when it has none."""
        return self.settings[index].get(column, "-")

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Return the setting columns that tell the runs apart.

        A column beside the main ones is left out when one that is already there implies it, as the name of a data set
        implies its size.
        """
        names = [name for name in dict.fromkeys(key for row in self.settings for key in row) if name not in _DERIVED]
        varying = [name for name in names if len(self._values(name)) > 1]
        kept = [name for name in _MAIN if name in varying]
        for name in (name for name in varying if name not in _MAIN):
            if not any(self._implies(other, name) for other in kept):
                kept.append(name)
        return tuple(kept)

    @cached_property
    def common(self) -> dict[str, str]:
        """Return the main settings that all runs share, by column."""
        names = (*_MAIN, "epochs", "batch_size", "learning_rate")
        shared = {name: self._values(name) for name in names}
        return {name: next(iter(values)) for name, values in shared.items() if len(values) == 1 and values != {"-"}}

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Return the runs put together that differ only in their seed, in order of appearance."""
        return tuple(
            Group(indices, tuple(index for index in indices if self.documents[index].status == "ok"))
            for indices in seed_groups(self.documents)
        )

    @cached_property
    def has_seeds(self) -> bool:
        """Say whether some runs differ only in their seed."""
        return any(len(group.indices) > 1 for group in self.groups)

    @cached_property
    def adapts(self) -> bool:
        """Say whether every finished run trained a network that was trained before."""
        return bool(self.ok) and all(one.accuracy and one.accuracy.deployed is not None for one in self.ok)

    @cached_property
    def telling(self) -> tuple[str, ...]:
        """Return the setting columns that tell the groups apart."""
        return tuple(name for name in self.varying if name != SEED) if self.has_seeds else self.varying

    @cached_property
    def _means(self) -> pd.DataFrame:
        return seed_frame(self.documents)

    def mean(self, group: int, column: str) -> float:
        """Return the mean of a result over the finished runs of a group; NaN when there are none."""
        return float(self._means[column].to_numpy(dtype=float, na_value=np.nan)[group])

    def deviation(self, group: int, column: str) -> float:
        """Return the sample deviation of a result over the finished runs of a group; 0 when it does not vary."""
        name = f"{column}_deviation"
        deviation = self.mean(group, name) if name in self._means else np.nan
        return 0.0 if np.isnan(deviation) else deviation

    @cached_property
    def examples(self) -> tuple[int, ...]:
        """Return the index of the first finished run of each group: one for what hardly varies with the seed."""
        return tuple(group.finished[0] for group in self.groups if group.finished)

    def group_of(self, index: int) -> int:
        """Return the number of the group that run `index` belongs to."""
        return next(number for number, group in enumerate(self.groups) if index in group.indices)

    def group_label(self, group: int) -> str:
        """Return what tells a group from the others, or what its scenario or its only run is called."""
        first = self.groups[group].indices[0]
        words = ", ".join(self.setting(first, name) for name in self.telling)
        return words or (self.setting(first, "scenario") if self.has_seeds else self.label(first))

    def _values(self, column: str) -> set[str]:
        return {self.setting(index, column) for index in range(len(self.documents))}

    def _implies(self, column: str, other: str) -> bool:
        pairs = {(self.setting(index, column), self.setting(index, other)) for index in range(len(self.documents))}
        return len(pairs) == len(self._values(column))

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Return the data sets in order of appearance; accuracies compare only within one."""
        return tuple(dict.fromkeys(self.setting(index, "dataset") for index in range(len(self.documents))))

    @cached_property
    def fronts(self) -> dict[str, frozenset[int]]:
        """Return the indices of the runs on the Pareto front of each trade-off, found for each data set by itself.

        Runs that differ only in their seed are one point, their mean, and stand on a front together.
        """
        if not self.ok:
            return {tradeoff.column: frozenset() for tradeoff in TRADEOFFS}
        numbers = range(len(self.groups))
        dataset = np.array([self.setting(group.indices[0], "dataset") for group in self.groups])
        gains = np.array([self.mean(number, "accuracy_test") for number in numbers])
        fronts = {}
        for tradeoff in TRADEOFFS:
            costs = np.array([self.mean(number, tradeoff.column) for number in numbers])
            members: set[int] = set()
            for name in self.datasets:
                here = np.flatnonzero(dataset == name)
                for number in here[pareto_front(costs[here], gains[here])]:
                    members.update(self.groups[number].finished)
            fronts[tradeoff.column] = frozenset(members)
        return fronts

    def marks(self, index: int) -> str:
        """Return the letters of the fronts that run `index` is on: `t e`."""
        return " ".join(tradeoff.letter for tradeoff in TRADEOFFS if index in self.fronts[tradeoff.column])

    def label(self, index: int) -> str:
        """Return what tells run `index` from the others: its settings that vary, or the label it came with."""
        words = [self.setting(index, name) for name in self.varying]
        return ", ".join(words) or notation.plain(self.documents[index].run.label or self.documents[index].run.id, 80)

    def models(self, column: str, platform: str | None = None) -> list[tuple[str, str]]:
        """Return the models behind the estimates in `column` with their errors in full, of one platform or of all."""
        found: dict[tuple[str, str], None] = {}
        for index, document in enumerate(self.documents):
            if document.status != "ok" or platform not in (None, self.setting(index, "platform")):
                continue
            estimate: Estimate = getattr(document.estimates, column)
            found[(notation.plain(estimate.model, 400), notation.plain(estimate.error, 800).replace("+-", "±"))] = None
        return list(found)

    def model_line(self, column: str, platform: str | None = None) -> str:
        """Return the models behind the estimates in `column` in short: `pipeline-m4f-1 (±10 %)`."""
        short = [
            (notation.model_name(model), notation.error_figures(error))
            for model, error in self.models(column, platform)
        ]
        return ", ".join(dict.fromkeys(f"{model} ({error})" for model, error in short))

    @cached_property
    def names(self) -> str:
        """Return the names of the scenarios, in order of appearance."""
        return ", ".join(dict.fromkeys(notation.plain(document.run.scenario, 60) for document in self.documents))
