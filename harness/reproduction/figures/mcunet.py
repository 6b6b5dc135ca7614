"""The comparison with the training of MCUNet-5FPS: optimizers by accuracy, memory and latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.model import load_network
from harness.plan import make_plan
from harness.reproduction.figure import Figure
from harness.reproduction.measurement import Measurements, accuracy_percent, ram_kb, step_ms
from harness.reproduction.outcome import Bar, BarPanel, Case, Chart, Outcome, Row, Spread, Trend
from harness.reproduction.published import published
from harness.reproduction.stand_in import OF_COST
from harness.result import Document

CLOSE = 1.5
LOSS = 1.0
LESS = 0.75
_SCENARIO = "optimizers"
_CASE = "animals, half MbedNet"
_TAIL_LAYERS = 7
_SCALED, _THEIRS = "uint8 momentum-qas", "uint8 standardized"


def _of(measured: Measurements, kind: str, value: Callable[[Document], float]) -> Spread | None:
    dtype, optimizer = kind.split()
    return measured.spread(value, _SCENARIO, training__dtype=dtype, training__optimizer__name=optimizer)


def tail_kb(optimizer: str) -> float:
    """Return the planned arena of the last two blocks of MCUNet-5FPS, all trained in uint8, in units of 1000 bytes."""
    network = load_network("mcunet-tail")
    return make_plan(network, "uint8", _TAIL_LAYERS, velocities=optimizer != "standardized").arena_bytes / 1000


def _evaluate(measured: Measurements) -> Outcome:
    accuracy, cost = published()["mcunet.accuracy"], published()["mcunet.cost"]
    rows: list[Row] = []
    reached: dict[str, float] = {}
    bars: dict[str, dict[str, Bar]] = {}
    for kind in accuracy.columns:
        ours = _of(measured, kind, accuracy_percent)
        paper = accuracy.value("accuracy", kind)
        rows.append(Row("accuracy", "%", "mean of 8 sets", _CASE, kind, paper, ours))
        if ours:
            reached[kind] = ours.mean
            bars.setdefault("animals", {})[kind] = Bar(ours.mean, ours.deviation)
    ram: dict[str, float] = {}
    latency: dict[str, float] = {}
    for kind in cost.columns:
        memory, time = _of(measured, kind, ram_kb), _of(measured, kind, step_ms)
        rows.append(Row("RAM", "KB", "MCUNet-5FPS", _CASE, kind, cost.value("memory KB", kind), memory))
        tail = Spread(tail_kb(kind.split()[1]), 0.0, 1)
        rows.append(
            Row("arena, planned", "KB", "MCUNet-5FPS", "mcunet-tail", kind, cost.value("memory KB", kind), tail)
        )
        rows.append(
            Row("latency", "ms", "MCUNet-5FPS", _CASE, kind, cost.value("latency ms", kind), time, estimated=True)
        )
        if memory and time:
            ram[kind], latency[kind] = memory.mean, time.mean
    paper_accuracy = {kind: value for kind in accuracy.columns if (value := accuracy.value("accuracy", kind))}
    paper_ram, paper_ms = (
        {kind: value for kind in cost.columns if (value := cost.value(row, kind))}
        for row in ("memory KB", "latency ms")
    )
    planned = {kind: tail_kb(kind.split()[1]) for kind in cost.columns} if ram else {}
    return Outcome(
        FIGURE.name,
        FIGURE.title,
        f"{accuracy.place}; {cost.place}",
        (
            "Net and data: no data set here has the feature maps that the last two blocks of MCUNet-5FPS take, so "
            "accuracy and latency are those of half MbedNet on the animals; the memory of the net mcunet-tail is "
            "planned, not run. Its frozen part is not modelled.",
            "Related work is our implementation of momentum and of quantization-aware scaling, with a float32 velocity "
            "for each weight, on the same kernels; the paper compares with another project's program, whose kernels "
            "differ.",
            *OF_COST,
        ),
        tuple(rows),
        (
            _difference(
                "Scaling brings uint8 momentum up to float32",
                f"uint8 momentum-qas less float32 momentum: at most {CLOSE} points either way",
                (_SCALED, "float32 momentum"),
                (paper_accuracy, reached),
                (-CLOSE, CLOSE),
            ),
            _difference(
                "Without scaling, uint8 momentum loses accuracy",
                f"uint8 momentum less float32 momentum: a loss of more than {LOSS:g} point",
                ("uint8 momentum", "float32 momentum"),
                (paper_accuracy, reached),
                (-100.0, -LOSS),
            ),
            _difference(
                "The standardized update is as accurate as scaling",
                f"uint8 standardized less uint8 momentum-qas: a loss of at most {CLOSE} points",
                (_THEIRS, _SCALED),
                (paper_accuracy, reached),
                (-CLOSE, 100.0),
            ),
            Trend(
                "The standardized update needs less memory",
                f"standardized / momentum-qas: at most {LESS}",
                (_less(_CASE, paper_ram, ram), _less("mcunet-tail, planned", paper_ram, planned)),
            ),
            Trend(
                "The standardized update is faster",
                f"standardized / momentum-qas: at most {LESS}",
                (_less(_CASE, paper_ms, latency),),
            ),
        ),
        (
            Chart(
                "mcunet",
                "Accuracy by optimizer",
                "Test accuracy by data type and optimizer; whiskers are the deviation over seeds.",
                "%",
                (
                    BarPanel("paper", {"mean of 8 sets": {kind: Bar(value) for kind, value in paper_accuracy.items()}}),
                    BarPanel("ours", bars),
                ),
            ),
        ),
    )


def _difference(
    statement: str,
    criterion: str,
    kinds: tuple[str, str],
    numbers: tuple[Mapping[str, float], Mapping[str, float]],
    bounds: tuple[float, float],
) -> Trend:
    texts, holds = [], []
    for values in numbers:
        known = all(kind in values for kind in kinds)
        difference = values[kinds[0]] - values[kinds[1]] if known else 0.0
        texts.append(f"{difference:+.1f}" if known else "")
        holds.append(bounds[0] <= difference <= bounds[1] if known else None)
    return Trend(statement, criterion, (Case("accuracy", texts[0], texts[1], holds[0], holds[1]),))


def _less(name: str, paper: Mapping[str, float], ours: Mapping[str, float]) -> Case:
    published_ratio = paper[_THEIRS] / paper[_SCALED]
    ratio = ours[_THEIRS] / ours[_SCALED] if ours else None
    return Case(
        name,
        f"{published_ratio:.2f}",
        "" if ratio is None else f"{ratio:.2f}",
        published_ratio <= LESS,
        None if ratio is None else ratio <= LESS,
    )


FIGURE = Figure("mcunet", "Comparison with MCUNet-5FPS", (_SCENARIO,), _evaluate)
