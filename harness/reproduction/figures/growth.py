"""Accuracy by the number of training samples."""

from __future__ import annotations

from harness.reproduction.criterion import grows
from harness.reproduction.figure import Figure
from harness.reproduction.measurement import Measurements, accuracy_percent, setting
from harness.reproduction.outcome import Case, Chart, Line, LinePanel, Outcome, Row, Trend

TOLERANCE = 0.5
_DTYPES = ("uint8", "float32")


def _evaluate(measured: Measurements) -> Outcome:
    sizes = sorted({int(str(setting(run, "dataset.train"))) for run in measured.runs("growth")})
    rows: list[Row] = []
    lines: list[Line] = []
    cases: list[Case] = []
    for dtype in _DTYPES:
        found = [
            (size, value)
            for size in sizes
            if (value := measured.spread(accuracy_percent, "growth", training__dtype=dtype, dataset__train=size))
        ]
        ours = "fashion-mnist, small CNN"
        rows += [Row("accuracy", "%", "-", ours, f"{dtype}, {size} samples", None, value) for size, value in found]
        means = [value.mean for _, value in found]
        if found:
            deviations = tuple(value.deviation for _, value in found)
            lines.append(Line(dtype, tuple(size for size, _ in found), tuple(means), deviations))
        words = " / ".join(f"{mean:.1f}" for mean in means)
        cases.append(Case(dtype, "", words, None, grows(means, TOLERANCE) if len(means) > 1 else None))
    axes = ("training samples", "test accuracy, %")
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        "the growth of accuracy with the size of the data set; numbers are not at hand",
        (
            "Data: growing parts of the training images of Fashion-MNIST, each containing the smaller ones; a fixed "
            "number of epochs, so that more samples also mean more updates.",
        ),
        tuple(rows),
        (
            Trend(
                "Accuracy grows with the data set",
                f"accuracy by number of samples: the last above the first, no fall of more than {TOLERANCE} points",
                tuple(cases),
            ),
        ),
        (
            Chart(
                "growth",
                FIGURE.title,
                "Test accuracy by number of training samples; bands are the deviation over seeds.",
                "%",
                (LinePanel("paper", (), *axes), LinePanel("ours", tuple(lines), *axes, log_x=True)),
                shared=False,
            ),
        ),
    )


FIGURE = Figure("growth", "Accuracy by size of the data set", ("growth",), _evaluate)
