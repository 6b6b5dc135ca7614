"""What a figure came to: rows of paper and ours, trends with verdicts, charts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a published trend was found here."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Spread:
    """Mean and sample deviation (0 for one) of `count` runs."""

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True)
class Row:
    """One number of the paper beside ours; either may be missing. `estimated`: ours comes from a cost model."""

    quantity: str
    unit: str
    paper_case: str
    our_case: str
    kind: str
    paper: float | None
    ours: Spread | None
    derived: bool = False
    estimated: bool = False


@dataclass(frozen=True)
class Case:
    """One test of a criterion: what it looked at, in words, in the paper and here; None where there are no numbers."""

    name: str
    paper: str
    ours: str
    paper_holds: bool | None
    ours_holds: bool | None


@dataclass(frozen=True)
class Trend:
    """A published trend with the criterion that decides it."""

    statement: str
    criterion: str
    cases: tuple[Case, ...]

    @property
    def tested(self) -> tuple[Case, ...]:
        """Return the cases for which there are numbers of ours."""
        return tuple(case for case in self.cases if case.ours_holds is not None)

    @property
    def verdict(self) -> Verdict:
        """Return whether the criterion holds in every case that was run."""
        if not self.tested:
            return Verdict.NOT_RUN
        return Verdict.REPRODUCED if all(case.ours_holds for case in self.tested) else Verdict.NOT_REPRODUCED

    @property
    def tally(self) -> str:
        """Return in how many cases the criterion holds: `2 of 3 cases`."""
        cases = len(self.tested)
        return f"{sum(bool(case.ours_holds) for case in self.tested)} of {cases} case{'' if cases == 1 else 's'}"


@dataclass(frozen=True)
class Bar:
    """A bar of one kind: its height, the deviation, and how much of it, from the top, is `upper` (a second part)."""

    height: float
    deviation: float = 0.0
    upper: float = 0.0


@dataclass(frozen=True)
class BarPanel:
    """Bars by group and kind; a missing one is a gap."""

    title: str
    bars: dict[str, dict[str, Bar]]


@dataclass(frozen=True)
class Line:
    """Points of one kind with deviations of the same length."""

    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class LinePanel:
    """Lines over one axis."""

    title: str
    lines: tuple[Line, ...]
    x_label: str
    y_label: str
    log_x: bool = False


@dataclass(frozen=True)
class Chart:
    """Panels beside each other, the paper's first; `upper` names the second part of the bars, `lower` the first.

    Panels with `shared` have one vertical scale.
    """

    name: str
    title: str
    caption: str
    unit: str
    panels: tuple[BarPanel, ...] | tuple[LinePanel, ...]
    upper: str = ""
    lower: str = ""
    logarithmic: bool = False
    shared: bool = True


@dataclass(frozen=True)
class Outcome:
    """One figure: `differs` states in full sentences what is not as in the paper."""

    name: str
    title: str
    place: str
    differs: tuple[str, ...]
    rows: tuple[Row, ...]
    trends: tuple[Trend, ...]
    charts: tuple[Chart, ...]
    notes: tuple[str, ...] = field(default=())
