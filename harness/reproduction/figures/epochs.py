"""Accuracy and loss over the epochs."""

from __future__ import annotations

from collections.abc import Callable

from harness.reproduction.criterion import ORDER, saturates
from harness.reproduction.figure import Figure
from harness.reproduction.figures.scratch import OF_SCRATCH
from harness.reproduction.measurement import Measurements, spread
from harness.reproduction.outcome import Case, Chart, Line, LinePanel, Outcome, Row, Trend
from harness.reproduction.stand_in import SCRATCH
from harness.result.document import Epoch

SHARE, TOLERANCE = 0.1, 1.0


def _curve(measured: Measurements, scenario: str, dtype: str, value: Callable[[Epoch], float]) -> Line | None:
    runs = measured.runs(scenario, training__dtype=dtype)
    by_epoch = zip(*(run.accuracy.by_epoch for run in runs if run.accuracy), strict=True)
    points = [(epochs[0].epoch, spread([value(epoch) for epoch in epochs])) for epochs in by_epoch]
    found = [(number, point) for number, point in points if point is not None]
    if not found:
        return None
    return Line(
        dtype,
        tuple(number for number, _ in found),
        tuple(point.mean for _, point in found),
        tuple(point.deviation for _, point in found),
    )


def _accuracy(epoch: Epoch) -> float:
    return (epoch.test_accuracy or 0.0) * 100


def _loss(epoch: Epoch) -> float:
    return epoch.train_loss


def _evaluate(measured: Measurements) -> Outcome:
    rows: list[Row] = []
    flat, falling = [], []
    charts: list[Chart] = []
    for one in SCRATCH:
        scenario = f"scratch-{one.key}"
        for quantity, unit, value in (("test accuracy", "%", _accuracy), ("training loss", "", _loss)):
            lines = [line for dtype in ORDER if (line := _curve(measured, scenario, dtype, value))]
            label = f"{quantity}, {unit}" if unit else quantity
            panels = (LinePanel("paper", (), "epoch", label), LinePanel("ours", tuple(lines), "epoch", label))
            name = f"epochs-{one.key}-{'accuracy' if unit else 'loss'}"
            title = f"{quantity.capitalize()} over the epochs, {one.dataset}"
            charts.append(
                Chart(name, title, f"{title}; bands are the deviation over seeds.", unit, panels, shared=False)
            )
            for line in lines:
                last = spread([line.y[-1]])
                rows.append(Row(f"{quantity}, last epoch", unit, "-", one.text, line.kind, None, last))
        for dtype in ORDER:
            accuracy = _curve(measured, scenario, dtype, _accuracy)
            loss = _curve(measured, scenario, dtype, _loss)
            case = f"{one.dataset} {dtype}"
            flat.append(
                Case(
                    case,
                    "",
                    f"{accuracy.y[0]:.1f} to {accuracy.y[-1]:.1f}" if accuracy else "",
                    None,
                    saturates(accuracy.y, SHARE, TOLERANCE) if accuracy else None,
                )
            )
            falling.append(
                Case(
                    case,
                    "",
                    f"{loss.y[0]:.3f} to {loss.y[-1]:.3f}" if loss else "",
                    None,
                    loss.y[-1] < loss.y[0] / 2 if loss else None,
                )
            )
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        "training over the epochs: accuracy and loss as curves",
        (
            *OF_SCRATCH,
            "The numbers of the paper's curves are not at hand, so only ours are drawn.",
        ),
        tuple(rows),
        (
            Trend(
                "Accuracy saturates",
                f"the mean of the last quarter of the epochs is above the quarter before by at most {SHARE:.0%} of the "
                f"whole rise, or by {TOLERANCE} point",
                tuple(flat),
            ),
            Trend("The loss falls", "training loss of the last epoch: below half of the first", tuple(falling)),
        ),
        tuple(charts),
    )


FIGURE = Figure(
    "epochs", "Accuracy and loss over the epochs", tuple(f"scratch-{one.key}" for one in SCRATCH), _evaluate
)
