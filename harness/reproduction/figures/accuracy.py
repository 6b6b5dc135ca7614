"""Accuracy of transfer learning by data type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.reproduction.criterion import ORDER, close, ordered
from harness.reproduction.figure import Figure
from harness.reproduction.measurement import Measurements, accuracy_percent
from harness.reproduction.outcome import Bar, BarPanel, Case, Chart, Outcome, Row, Spread, Trend
from harness.reproduction.published import Table, published
from harness.reproduction.stand_in import OF_TRANSFER, TRANSFER, StandIn

ORDER_TOLERANCE = 1.0
MIXED_TOLERANCE = 1.5
GAP = 1.0


def accuracies(measured: Measurements, scenario: str) -> dict[str, Spread]:
    """Return the accuracy in per cent by data type, of those that were run."""
    found = {dtype: measured.spread(accuracy_percent, scenario, training__dtype=dtype) for dtype in ORDER}
    return {dtype: value for dtype, value in found.items() if value is not None}


def accuracy_rows(table: Table, one: StandIn, ours: Mapping[str, Spread]) -> list[Row]:
    """Return a row for each data type."""
    return [
        Row("accuracy", "%", one.paper, one.text, dtype, table.value(dtype, one.paper), ours.get(dtype))
        for dtype in ORDER
    ]


def _in_words(values: Mapping[str, float]) -> str:
    return " / ".join(f"{values[dtype]:.1f}" for dtype in ORDER if dtype in values)


def accuracy_trends(table: Table, pairs: Sequence[tuple[StandIn, Mapping[str, Spread]]]) -> tuple[Trend, ...]:
    """Return what the paper shows about data types in transfer learning, with verdicts; see `order_and_loss`."""
    order, loss = order_and_loss(table, pairs)
    near = []
    for one, spreads in pairs:
        paper = table.column(one.paper)
        ours = {dtype: value.mean for dtype, value in spreads.items()}
        complete = len(ours) == len(ORDER)
        near.append(
            Case(
                one.paper,
                f"{paper['mixed'] - paper['float32']:+.1f}",
                f"{ours['mixed'] - ours['float32']:+.1f}" if complete else "",
                close(paper["mixed"], paper["float32"], MIXED_TOLERANCE),
                close(ours["mixed"], ours["float32"], MIXED_TOLERANCE) if complete else None,
            )
        )
    criterion = f"mixed less float32: at most {MIXED_TOLERANCE} points either way"
    return order, Trend("Mixed is close to float32", criterion, tuple(near)), loss


def order_and_loss(table: Table, pairs: Sequence[tuple[StandIn, Mapping[str, Spread]]]) -> tuple[Trend, Trend]:
    """Return what the paper shows about data types in every training, for each data set and what stands for it."""
    order, loss = [], []
    for one, spreads in pairs:
        paper = {dtype: value for dtype, value in table.column(one.paper).items() if dtype in ORDER}
        ours = {dtype: value.mean for dtype, value in spreads.items()}
        complete = len(ours) == len(ORDER)
        said = _in_words(ours) if complete else ""
        order.append(
            Case(
                one.paper,
                _in_words(paper),
                said,
                ordered(paper, ORDER_TOLERANCE),
                ordered(ours, ORDER_TOLERANCE) if complete else None,
            )
        )
        paper_gap = paper["float32"] - paper["uint8"]
        if paper_gap > GAP:
            gap = ours["float32"] - ours["uint8"] if complete else None
            loss.append(
                Case(
                    one.paper,
                    f"{-paper_gap:+.1f}",
                    "" if gap is None else f"{0 - gap:+.1f}",
                    True,
                    None if gap is None else gap > GAP,
                )
            )
    return (
        Trend(
            "Accuracy rises from uint8 over mixed to float32",
            f"uint8 / mixed / float32 in %: none is above a more precise one by more than {ORDER_TOLERANCE} points",
            tuple(order),
        ),
        Trend(
            "uint8 loses accuracy",
            f"uint8 less float32: a loss of more than {GAP} point, where the paper has one",
            tuple(loss),
        ),
    )


def accuracy_chart(
    name: str, title: str, table: Table, pairs: Sequence[tuple[StandIn, Mapping[str, Spread]]], columns: Sequence[str]
) -> Chart:
    """Return bars by data type for the paper's `columns`, and for ours."""
    paper = {
        column: {dtype: Bar(value) for dtype, value in table.column(column).items() if dtype in ORDER}
        for column in columns
    }
    ours = {
        f"{one.dataset}": {dtype: Bar(value.mean, value.deviation) for dtype, value in spreads.items()}
        for one, spreads in pairs
        if spreads
    }
    caption = "Test accuracy; whiskers are the deviation over seeds."
    return Chart(name, title, caption, "%", (BarPanel("paper", paper), BarPanel("ours", ours)))


def _evaluate(measured: Measurements) -> Outcome:
    table = published()["transfer.accuracy"]
    pairs = [(one, accuracies(measured, f"transfer-{one.key}")) for one in TRANSFER]
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        table.place,
        OF_TRANSFER,
        tuple(row for one, ours in pairs for row in accuracy_rows(table, one, ours)),
        accuracy_trends(table, pairs),
        (accuracy_chart("accuracy", FIGURE.title, table, pairs, table.columns),),
    )


FIGURE = Figure(
    "accuracy",
    "Accuracy of transfer learning by data type",
    tuple(f"transfer-{one.key}" for one in TRANSFER),
    _evaluate,
)
