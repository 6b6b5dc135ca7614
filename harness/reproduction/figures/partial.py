"""Accuracy and speed-up of the backward pass by the smallest update ratio."""

from __future__ import annotations

from itertools import pairwise

from harness.reproduction.criterion import interpolated
from harness.reproduction.figure import Figure
from harness.reproduction.measurement import Measurements, accuracy_percent, phases_ms, spread, updated_share
from harness.reproduction.outcome import Bar, BarPanel, Case, Chart, Line, LinePanel, Outcome, Row, Spread, Trend
from harness.reproduction.published import published
from harness.reproduction.stand_in import OF_COST, OF_TRANSFER, TRANSFER, StandIn
from harness.result import Document

RATIOS = (1.0, 0.5, 0.1)
FIXED = (1.0, 0.5, 0.25, 0.1)
LEAST = {0.5: 1.43, 0.1: 4.01}
LOSS = 1.5


def _backward_ms(document: Document) -> float:
    return phases_ms(document, ("select", "backward"))


def _curve_ms(measured: Measurements, one: StandIn) -> dict[float, float]:
    """Return the time of selection and backward pass by fixed ratio."""
    found = {
        ratio: measured.spread(_backward_ms, f"speed-{one.key}", training__update__min_ratio=ratio) for ratio in FIXED
    }
    return {ratio: value.mean for ratio, value in found.items() if value is not None}


def _accuracy(measured: Measurements, one: StandIn, ratio: float) -> Spread | None:
    if ratio == 1.0:
        return measured.spread(accuracy_percent, f"transfer-{one.key}", training__dtype="mixed")
    return measured.spread(accuracy_percent, f"partial-{one.key}", training__update__min_ratio=ratio)


def _dynamic(measured: Measurements, one: StandIn, ratio: float, curve_ms: dict[float, float]) -> Spread | None:
    """Return the speed-up over whole trainings: the time at the mean share of structures that the twin updated."""
    if len(curve_ms) < len(FIXED):
        return None
    runs = measured.runs(f"partial-{one.key}", training__update__min_ratio=ratio)
    return spread([curve_ms[1.0] / interpolated(curve_ms, updated_share(run)) for run in runs])


def _evaluate(measured: Measurements) -> Outcome:
    accuracy, speedup = published()["partial.accuracy"], published()["partial.speedup"]
    rows: list[Row] = []
    faster: dict[float, list[Case]] = {0.5: [], 0.1: []}
    curves, keeps = [], []
    bars: dict[str, dict[str, Bar]] = {}
    lines: list[Line] = []
    for one in TRANSFER:
        reached = {ratio: _accuracy(measured, one, ratio) for ratio in RATIOS}
        for ratio, ours in reached.items():
            paper = accuracy.value(str(ratio), one.paper)
            rows.append(Row("accuracy", "%", one.paper, one.text, f"smallest ratio {ratio}", paper, ours))
            if ours:
                bars.setdefault(one.dataset, {})[str(ratio)] = Bar(ours.mean, ours.deviation)
        curve_ms = _curve_ms(measured, one)
        fixed = {ratio: curve_ms[1.0] / curve_ms[ratio] for ratio in curve_ms} if 1.0 in curve_ms else {}
        found = {1.0: Spread(1.0, 0.0, 1)} if fixed else {}
        for ratio, least in LEAST.items():
            ours = _dynamic(measured, one, ratio, curve_ms)
            paper = speedup.value(str(ratio), one.paper)
            assert paper is not None
            rows.append(
                Row("speed-up", "times", one.paper, one.text, f"smallest ratio {ratio}", paper, ours, estimated=True)
            )
            if ours:
                found[ratio] = ours
            faster[ratio].append(
                Case(
                    one.paper,
                    f"{paper:.2f}",
                    f"{ours.mean:.2f}" if ours else "",
                    paper >= least,
                    ours.mean >= least if ours else None,
                )
            )
        for ratio, value in fixed.items():
            shown = Spread(value, 0.0, 1)
            rows.append(Row("speed-up", "times", "-", one.text, f"fixed ratio {ratio}", None, shown, estimated=True))
        if len(found) == len(RATIOS):
            ordered = sorted(found)
            y, deviation = (tuple(getattr(found[at], name) for at in ordered) for name in ("mean", "deviation"))
            lines.append(Line(one.paper, tuple(ordered), y, deviation))
        curves.append(_curve_case(one, {at: speedup.value(str(at), one.paper) or 1.0 for at in RATIOS}, fixed))
        keeps.append(_loss_case(one, accuracy.column(one.paper), reached))
    paper_bars = {
        column: {row: Bar(value) for row, value in accuracy.column(column).items()} for column in accuracy.columns
    }
    paper_lines = tuple(
        Line(column, (0.1, 0.5, 1.0), (speedup.column(column)["0.1"], speedup.column(column)["0.5"], 1.0), (0, 0, 0))
        for column in speedup.columns
    )
    axes = ("smallest update ratio", "times as fast")
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        speedup.place,
        (
            *OF_TRANSFER,
            *OF_COST,
            "Speed-up: time of selection and backward pass, without the update of the weights. It was emulated at four "
            "fixed ratios; that of a dynamic training is read off between them at the mean share of structures that "
            "the twin updated over all epochs of that training.",
            "Epochs: 10, the paper's 20.",
        ),
        tuple(rows),
        (
            *(
                Trend(
                    f"A smallest ratio of {ratio} speeds the backward pass up",
                    f"speed-up over the training: at least {LEAST[ratio]}, the smallest one published",
                    tuple(cases),
                )
                for ratio, cases in faster.items()
            ),
            Trend(
                "The speed-up grows as the ratio falls",
                "speed-up at fixed ratios 1, 0.5, 0.25 and 0.1 (paper: smallest ratios 1, 0.5 and 0.1): each above "
                "the one before",
                tuple(curves),
            ),
            Trend(
                "Partial updates hardly cost accuracy",
                f"accuracy at 0.1 less that at 1.0: a loss of at most {LOSS} points",
                tuple(keeps),
            ),
        ),
        (
            Chart(
                "speedup",
                "Speed-up of the backward pass",
                "Speed-up by smallest update ratio; ours is estimated, and named after the paper's data sets.",
                "times",
                (LinePanel("paper, measured", paper_lines, *axes), LinePanel("ours, estimated", tuple(lines), *axes)),
            ),
            Chart(
                "partial-accuracy",
                "Accuracy by smallest update ratio",
                "Test accuracy of mixed training; whiskers are the deviation over seeds.",
                "%",
                (BarPanel("paper", paper_bars), BarPanel("ours", bars)),
            ),
        ),
    )


def _curve_case(one: StandIn, paper: dict[float, float], fixed: dict[float, float]) -> Case:
    def rising(points: dict[float, float]) -> bool:
        values = [points[at] for at in sorted(points, reverse=True)]
        return all(after > before for before, after in pairwise(values))

    def words(points: dict[float, float]) -> str:
        return " / ".join(f"{points[at]:.2f}" for at in sorted(points, reverse=True))

    complete = len(fixed) == len(FIXED)
    return Case(
        one.paper, words(paper), words(fixed) if complete else "", rising(paper), rising(fixed) if complete else None
    )


def _loss_case(one: StandIn, paper: dict[str, float], reached: dict[float, Spread | None]) -> Case:
    change = paper["0.1"] - paper["1.0"]
    full, tenth = reached[1.0], reached[0.1]
    ours = tenth.mean - full.mean if full and tenth else None
    return Case(
        one.paper,
        f"{change:+.1f}",
        "" if ours is None else f"{ours:+.1f}",
        change >= -LOSS,
        None if ours is None else ours >= -LOSS,
    )


FIGURE = Figure(
    "partial",
    "Accuracy and speed-up by update ratio",
    tuple(f"{kind}-{one.key}" for kind in ("transfer", "partial", "speed") for one in TRANSFER),
    _evaluate,
)
