"""Training from scratch on three boards: latency and energy of a sample."""

from __future__ import annotations

from harness.reproduction.criterion import close
from harness.reproduction.figure import Figure
from harness.reproduction.measurement import Measurements, forward_ms, step_mj, step_ms
from harness.reproduction.outcome import Bar, BarPanel, Case, Chart, Outcome, Row, Spread, Trend
from harness.reproduction.published import published
from harness.reproduction.stand_in import OF_COST

BACKWARD_SHARE = 0.5
FASTER = 10.0
FORWARD_RATIO = 0.6
POWER = 0.5
_PLAUSIBLE = "nrf52840 uint8"
_NET = "mnist, small CNN"


def _evaluate(measured: Measurements) -> Outcome:
    tables = published()
    latency, forward, energy = (tables[f"scratch.{name}"] for name in ("latency", "forward", "energy"))
    rows: list[Row] = []
    paper_ms, paper_forward, paper_mj = (dict[str, float]() for _ in range(3))
    ours_ms, ours_forward, ours_mj = (dict[str, Spread]() for _ in range(3))
    for column in latency.columns:
        board, dtype = column.split()
        where = {"platform": board, "training__dtype": dtype}
        for quantity, unit, table, row, value, paper, ours in (
            ("latency", "ms", latency, "latency", step_ms, paper_ms, ours_ms),
            ("its forward part", "ms", forward, "forward", forward_ms, paper_forward, ours_forward),
            ("energy", "mJ", energy, "energy", step_mj, paper_mj, ours_mj),
        ):
            published_value = table.value(row, column)
            assert published_value is not None
            paper[column] = published_value
            found = measured.spread(value, "boards", **where)
            if found:
                ours[column] = found
            marked = unit == "mJ" and column != _PLAUSIBLE
            name = f"{quantity} (as printed, implausible)" if marked else quantity
            rows.append(
                Row(
                    name, unit, "emnist_digits", _NET, column, published_value, found, not table.printed, estimated=True
                )
            )
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        f"{latency.place}; {energy.place}",
        (
            "Data: MNIST in place of emnist_digits. Net: four trainable layers; the paper's sizes are not published.",
            *OF_COST,
            "Energy is estimated from the time and the power of a board by state; the paper's way of measuring it on "
            "these boards is not known.",
        ),
        tuple(rows),
        (
            _backward_dominates(paper_ms, paper_forward, ours_ms, ours_forward),
            _fastest(paper_ms, ours_ms),
            _forward_gains(paper_forward, ours_forward),
            _power(paper_mj[_PLAUSIBLE] / paper_ms[_PLAUSIBLE], ours_mj.get(_PLAUSIBLE), ours_ms.get(_PLAUSIBLE)),
        ),
        (
            _chart("boards-latency", "Latency by board", "ms a sample", paper_ms, ours_ms),
            _chart("boards-energy", "Energy by board", "mJ a sample", paper_mj, ours_mj),
        ),
        (
            "The paper's energies are shown as printed. Divided by its latencies they are 4.8 mW (i.MX RT1062, uint8), "
            "26.7 mW (nRF52840) and 0.8 mW (RP2040). Only that of the nRF52840 is physically plausible: no verdict "
            "uses the others, and nothing here was fitted to them.",
        ),
    )


def _backward_dominates(
    paper_ms: dict[str, float], paper_forward: dict[str, float], ms: dict[str, Spread], forward: dict[str, Spread]
) -> Trend:
    cases = []
    for column, total in paper_ms.items():
        share = 1 - paper_forward[column] / total
        ours = 1 - forward[column].mean / ms[column].mean if column in ms else None
        cases.append(
            Case(
                column,
                f"{share:.2f}",
                "" if ours is None else f"{ours:.2f}",
                share > BACKWARD_SHARE,
                None if ours is None else ours > BACKWARD_SHARE,
            )
        )
    criterion = f"share of a sample that is not forward pass: above {BACKWARD_SHARE}"
    return Trend("When every layer is trained, the backward pass dominates", criterion, tuple(cases))


def _fastest(paper: dict[str, float], ours: dict[str, Spread]) -> Trend:
    fast, cases = "imxrt1062 uint8", []
    for slow in ("nrf52840 uint8", "rp2040 uint8"):
        published_ratio = paper[slow] / paper[fast]
        ratio = ours[slow].mean / ours[fast].mean if slow in ours and fast in ours else None
        cases.append(
            Case(
                slow,
                f"{published_ratio:.1f}",
                "" if ratio is None else f"{ratio:.1f}",
                published_ratio >= FASTER,
                None if ratio is None else ratio >= FASTER,
            )
        )
    criterion = f"latency / that of the i.MX RT1062, uint8: at least {FASTER:g}"
    return Trend("The i.MX RT1062 is faster by an order of magnitude", criterion, tuple(cases))


def _forward_gains(paper: dict[str, float], ours: dict[str, Spread]) -> Trend:
    above, below = "imxrt1062 uint8", "imxrt1062 float32"
    published_ratio = paper[above] / paper[below]
    ratio = ours[above].mean / ours[below].mean if above in ours and below in ours else None
    case = Case(
        "imxrt1062",
        f"{published_ratio:.2f}",
        "" if ratio is None else f"{ratio:.2f}",
        published_ratio <= FORWARD_RATIO,
        None if ratio is None else ratio <= FORWARD_RATIO,
    )
    return Trend("The forward pass gains from uint8", f"uint8 / float32: at most {FORWARD_RATIO}", (case,))


def _power(paper_w: float, mj: Spread | None, ms: Spread | None) -> Trend:
    ours_w = mj.mean / ms.mean if mj and ms else None
    case = Case(
        "nrf52840",
        f"{paper_w * 1e3:.1f} mW",
        "" if ours_w is None else f"{ours_w * 1e3:.1f} mW",
        True,
        None if ours_w is None else close(ours_w / paper_w, 1, POWER),
    )
    criterion = f"energy / latency beside the paper's: within {POWER:.0%}"
    return Trend("The nRF52840 draws some tens of milliwatts", criterion, (case,))


def _chart(
    name: str,
    title: str,
    unit: str,
    paper: dict[str, float],
    ours: dict[str, Spread],
) -> Chart:
    drawn: tuple[dict[str, dict[str, Bar]], ...] = ({}, {})
    for column, value in paper.items():
        board, dtype = column.split()
        drawn[0].setdefault(board, {})[dtype] = Bar(value)
    for column, spread in ours.items():
        board, dtype = column.split()
        drawn[1].setdefault(board, {})[dtype] = Bar(spread.mean)
    caption = f"{title} and data type, on a logarithmic scale; ours is estimated."
    if unit.startswith("mJ"):
        caption += " The paper's energies of i.MX RT1062 and RP2040 are as printed and not plausible."
    panels = (BarPanel("paper", drawn[0]), BarPanel("ours, estimated", drawn[1]))
    return Chart(name, title, caption, unit, panels, logarithmic=True)


FIGURE = Figure("boards", "Training from scratch on three boards, with energy", ("boards",), _evaluate)
