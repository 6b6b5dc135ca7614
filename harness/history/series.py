"""One metric of one run over time, and the places where it changed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from harness.verdict.metric import Metric


@dataclass(frozen=True)
class Point:
    """The value of one result set; `model` names the model of an estimate."""

    result_set: int
    commit: str | None
    dirty: bool
    date: str
    value: float
    model: str | None = None

    def __str__(self) -> str:
        """Return the commit, short, with a plus when files differed from it; the number where none is known."""
        return (self.commit[:10] if self.commit else f"#{self.result_set}") + ("+" if self.dirty else "")


@dataclass(frozen=True)
class Series:
    """One metric of one run (scenario and label), the oldest point first."""

    scenario: str
    label: str
    metric: Metric
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Step:
    """A change from one point to the next."""

    before: Point
    after: Point

    @property
    def growth(self) -> float | None:
        """Return the change as a share; None when there was nothing before."""
        return (self.after.value - self.before.value) / self.before.value if self.before.value else None

    @property
    def model_changed(self) -> bool:
        """Say whether the estimates come from two models."""
        return self.before.model != self.after.model


def step_changes(points: Sequence[Point], smallest: float = 0.0) -> list[Step]:
    """Return where the value is not the one before it by more than the share `smallest`.

    All metrics are the same at every repetition, so that a change needs no statistics to be real.
    """
    pairs = itertools.pairwise(points)
    steps = [Step(before, after) for before, after in pairs if before.value != after.value]
    return [step for step in steps if step.growth is None or abs(step.growth) > smallest]
