"""Accuracy of training from scratch by data type."""

from __future__ import annotations

from harness.reproduction.figure import Figure
from harness.reproduction.figures.accuracy import accuracies, accuracy_chart, accuracy_rows, order_and_loss
from harness.reproduction.measurement import Measurements
from harness.reproduction.outcome import Outcome
from harness.reproduction.published import published
from harness.reproduction.stand_in import SCRATCH

OF_SCRATCH = (
    "Data: 3,000 training images of Fashion-MNIST, and of MNIST in place of emnist_digits; the letters of EMNIST "
    "and KMNIST have no stand-in, because no package ships them.",
    "Net: four trainable layers as in the paper, whose sizes are not published.",
)


def _evaluate(measured: Measurements) -> Outcome:
    table = published()["scratch.accuracy"]
    pairs = [(one, accuracies(measured, f"scratch-{one.key}")) for one in SCRATCH]
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        table.place,
        (*OF_SCRATCH, "Training: the paper's method with the hyperparameters of the follow-up, 20 epochs, five seeds."),
        tuple(row for one, ours in pairs for row in accuracy_rows(table, one, ours)),
        order_and_loss(table, pairs),
        (accuracy_chart("scratch", FIGURE.title, table, pairs, table.columns),),
    )


FIGURE = Figure(
    "scratch",
    "Accuracy of training from scratch by data type",
    tuple(f"scratch-{one.key}" for one in SCRATCH),
    _evaluate,
)
