"""Latency of a training sample in transfer learning, forward and backward, by data type."""

from __future__ import annotations

from harness.reproduction.criterion import ORDER, close
from harness.reproduction.figure import Figure
from harness.reproduction.measurement import Measurements, backward_ms, step_ms
from harness.reproduction.outcome import Bar, BarPanel, Case, Chart, Outcome, Row, Spread, Trend
from harness.reproduction.published import published
from harness.reproduction.ratio import ratio_case
from harness.reproduction.stand_in import OF_COST, OF_TRANSFER, TRANSFER

ALIKE = 0.1
SLOWER = 2.0
BACKWARD_SHARE = 0.3


def _evaluate(measured: Measurements) -> Outcome:
    total, backward = published()["transfer.latency"], published()["transfer.backward"]
    rows: list[Row] = []
    alike, slower, smaller = [], [], []
    bars: dict[str, dict[str, Bar]] = {}
    for one in TRANSFER:
        scenario = f"transfer-{one.key}"
        whole: dict[str, Spread] = {}
        for dtype in ORDER:
            step = measured.spread(step_ms, scenario, training__dtype=dtype)
            part = measured.spread(backward_ms, scenario, training__dtype=dtype)
            paper = total.value(dtype, one.paper)
            rows.append(Row("latency", "ms", one.paper, one.text, dtype, paper, step, estimated=True))
            derived = backward.value(dtype, one.paper)
            rows.append(Row("its backward part", "ms", one.paper, one.text, dtype, derived, part, True, True))
            if step and part:
                whole[dtype] = step
                bars.setdefault(one.dataset, {})[dtype] = Bar(step.mean, upper=part.mean)
        published_ms = total.column(one.paper)
        alike.append(ratio_case(one.paper, published_ms, whole, "uint8", "mixed", lambda r: close(r, 1, ALIKE)))
        slower.append(ratio_case(one.paper, published_ms, whole, "float32", "uint8", lambda r: r >= SLOWER))
        share = (backward.value("uint8", one.paper) or 0) / published_ms["uint8"]
        part = measured.spread(backward_ms, scenario, training__dtype="uint8")
        ours = part.mean / whole["uint8"].mean if part and "uint8" in whole else None
        smaller.append(
            Case(
                one.paper,
                f"{share:.2f}",
                "" if ours is None else f"{ours:.2f}",
                share < BACKWARD_SHARE,
                None if ours is None else ours < BACKWARD_SHARE,
            )
        )
    paper_bars = {
        column: {
            dtype: Bar(value, upper=backward.value(dtype, column) or 0) for dtype, value in total.column(column).items()
        }
        for column in total.columns
    }
    chart = Chart(
        "latency",
        FIGURE.title,
        "Time of a training sample, each side on a scale of its own; ours is estimated. The paper tells the backward "
        "part for uint8 only.",
        "ms a sample",
        (BarPanel("paper, measured", paper_bars), BarPanel("ours, estimated", bars)),
        upper="backward part",
        lower="the rest",
        shared=False,
    )
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        total.place,
        (*OF_TRANSFER, *OF_COST, "Backward: selection, error, gradient, and the share of an update every 16 samples."),
        tuple(rows),
        (
            Trend("uint8 is as fast as mixed", f"uint8 / mixed: 1 within {ALIKE:.0%}", tuple(alike)),
            Trend("float32 is several times slower", f"float32 / uint8: at least {SLOWER:g}", tuple(slower)),
            Trend(
                "The backward pass is the smaller part",
                f"backward part of uint8 as a share of a sample: below {BACKWARD_SHARE}",
                tuple(smaller),
            ),
        ),
        (chart,),
    )


FIGURE = Figure(
    "latency",
    "Latency of a training sample by data type",
    tuple(f"transfer-{one.key}" for one in TRANSFER),
    _evaluate,
)
