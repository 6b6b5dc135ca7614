"""The verdicts of every figure on made-up runs: each trend once fulfilled and once contradicted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import synthetic_results

from harness.reproduction.catalogue import FIGURES
from harness.reproduction.figure import Figure
from harness.reproduction.figures import boards, epochs, growth, latency, mcunet, memory, partial
from harness.reproduction.measurement import Measurements
from harness.reproduction.outcome import BarPanel, Verdict
from harness.result import Counts, Document, Epoch, LayerCost

YES, NO = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED


def run(scenario: str, *, dtype: str = "uint8", **numbers: Any) -> Document:
    """A run of `scenario`; `numbers` replace its accuracy, its cycles by phase, its RAM and flash, and so on."""
    one = synthetic_results.document(platform=numbers.get("platform", "imxrt1062"))
    settings = {**one.settings, "training": {**one.settings["training"], "dtype": dtype}}  # type: ignore[dict-item]
    settings["training"]["update"] = {"policy": "static", "min_ratio": numbers.get("ratio", 1.0)}  # type: ignore[index, call-overload]
    settings["training"]["optimizer"] = {"name": numbers.get("optimizer", "standardized")}  # type: ignore[index, call-overload]
    settings["dataset"] = {"name": "digits", "train": numbers.get("train", 100)}
    settings["clock_hz"] = 1000
    cycles = numbers.get("cycles", {"forward": 70.0, "backward": 30.0})
    parts = tuple(
        LayerCost(phase=phase, layer=0, layer_name="a", instructions_per_step=value, cycles_per_step=value)
        for phase, value in cycles.items()
    )
    total = sum(cycles.values())
    assert one.accuracy
    assert one.estimates
    assert one.memory
    stack_bytes = one.memory.stack_reserved_bytes - one.memory.stack_peak_bytes
    curve = numbers.get("curve", [(50.0, 1.0), (90.0, 0.1)])
    accuracy = one.accuracy.model_copy(
        update={
            "test": numbers.get("accuracy", 90.0) / 100,
            "by_epoch": tuple(
                Epoch(epoch=at, train_loss=loss, train_accuracy=0.5, test_accuracy=reached / 100)
                for at, (reached, loss) in enumerate(curve, 1)
            ),
        }
    )
    time = one.estimates.time_ms_per_step.model_copy(update={"value": total, "low": total, "high": total})
    energy_mj = numbers.get("energy", total * 0.03)
    energy = time.model_copy(update={"value": energy_mj, "low": energy_mj, "high": energy_mj})
    return one.model_copy(
        update={
            "run": one.run.model_copy(update={"scenario": scenario}),
            "settings": settings,
            "accuracy": accuracy,
            "counts": Counts(instructions_per_step=total, instructions_total=1, by_phase=dict(cycles), by_layer=parts),
            "estimates": one.estimates.model_copy(update={"time_ms_per_step": time, "energy_mj_per_step": energy}),
            "memory": one.memory.model_copy(
                update={
                    "ram_bytes": numbers.get("ram", 1000) + stack_bytes,
                    "flash_bytes": numbers.get("flash", 1000),
                }
            ),
            "updated_share": numbers.get("share", 1.0),
        }
    )


def verdicts(figure: Figure, documents: Iterable[Document]) -> list[Verdict]:
    return [trend.verdict for trend in figure.evaluate(Measurements(documents)).trends]


def of_dtypes(scenario: str, name: str, uint8: Any, mixed: Any, float32: Any) -> list[Document]:
    values = {"uint8": uint8, "mixed": mixed, "float32": float32}
    return [run(scenario, dtype=dtype, **{name: value}) for dtype, value in values.items()]


def steps(forward: float, backward: float) -> dict[str, float]:
    return {"forward": forward, "backward": backward}


def test_latency_tells_alike_slower_and_the_smaller_part() -> None:
    good = of_dtypes("transfer-speech", "cycles", steps(80, 20), steps(82, 22), steps(300, 80))
    assert verdicts(latency.FIGURE, good) == [YES, YES, YES]
    bad = of_dtypes("transfer-speech", "cycles", steps(50, 50), steps(80, 50), steps(60, 50))
    assert verdicts(latency.FIGURE, bad) == [NO, NO, NO]


def test_ratios_of_ram_and_flash_decide_memory() -> None:
    def documents(ram: tuple[int, int, int], flash: tuple[int, int, int]) -> list[Document]:
        sizes = zip(("uint8", "mixed", "float32"), ram, flash, strict=True)
        return [run("transfer-activity", dtype=dtype, ram=r, flash=f) for dtype, r, f in sizes]

    assert verdicts(memory.FIGURE, documents((500, 550, 1000), (270, 300, 1000))) == [YES, YES, YES]
    assert verdicts(memory.FIGURE, documents((900, 1100, 1000), (500, 600, 1000))) == [NO, NO, NO]


def of_ratios(cost: dict[float, float], accuracy: dict[float, float]) -> list[Document]:
    fixed = [run("speed-activity", dtype="mixed", ratio=at, cycles=steps(10, value)) for at, value in cost.items()]
    dynamic = [run("partial-activity", dtype="mixed", ratio=at, share=at, accuracy=accuracy[at]) for at in (0.5, 0.1)]
    return [*fixed, *dynamic, run("transfer-activity", dtype="mixed", accuracy=accuracy[1.0])]


def test_speed_ups_come_from_the_cost_at_the_share_that_was_updated() -> None:
    good = of_ratios({1.0: 100.0, 0.5: 50.0, 0.25: 25.0, 0.1: 10.0}, {1.0: 90.0, 0.5: 90.0, 0.1: 89.0})
    assert verdicts(partial.FIGURE, good) == [YES, YES, YES, YES]
    rows = partial.FIGURE.evaluate(Measurements(good)).rows
    found = {row.kind: row.ours for row in rows if row.quantity == "speed-up" and row.ours}
    assert found["smallest ratio 0.1"].mean == pytest.approx(10.0)
    assert found["smallest ratio 0.5"].mean == pytest.approx(2.0)
    bad = of_ratios({1.0: 100.0, 0.5: 90.0, 0.25: 95.0, 0.1: 80.0}, {1.0: 90.0, 0.5: 90.0, 0.1: 80.0})
    assert verdicts(partial.FIGURE, bad) == [NO, NO, NO, NO]


def test_curves_over_epochs_saturate_and_fall_or_not() -> None:
    flat = [(at, loss) for at, loss in zip((50, 70, 80, 85, 87, 88, 88, 88), range(8, 0, -1), strict=True)]
    rising = [(10.0 * at, 1.0) for at in range(1, 9)]
    for curve, expected in ((flat, [YES, YES]), (rising, [NO, NO])):
        assert verdicts(epochs.FIGURE, of_dtypes("scratch-mnist", "curve", curve, curve, curve)) == expected


def test_accuracy_grows_with_samples_or_not() -> None:
    def documents(*accuracies: float) -> list[Document]:
        sizes = zip((100, 200, 400), accuracies, strict=True)
        return [run("growth", train=train, accuracy=value) for train, value in sizes]

    assert verdicts(growth.FIGURE, documents(60, 70, 80)) == [YES]
    assert verdicts(growth.FIGURE, documents(60, 80, 70)) == [NO]


def of_boards(
    fast: dict[str, float], slow: dict[str, float], float32: dict[str, float], power: float
) -> list[Document]:
    def board(platform: str, dtype: str, cycles: dict[str, float]) -> Document:
        return run("boards", platform=platform, dtype=dtype, cycles=cycles, energy=power * sum(cycles.values()))

    cycles = {"imxrt1062": fast, "nrf52840": slow, "rp2040": slow}
    return [
        *(board(name, "uint8", value) for name, value in cycles.items()),
        board("imxrt1062", "float32", float32),
    ]


def test_boards_differ_in_speed_and_share_or_not() -> None:
    good = of_boards(steps(2, 20), steps(50, 800), steps(5, 20), 0.027)
    assert verdicts(boards.FIGURE, good) == [YES, YES, YES, YES]
    bad = of_boards(steps(20, 2), steps(30, 8), steps(20, 20), 0.2)
    assert verdicts(boards.FIGURE, bad) == [NO, NO, NO, NO]


def of_optimizers(accuracies: tuple[float, float, float, float], ram: int, cycles: float) -> list[Document]:
    kinds = (("float32", "momentum"), ("uint8", "momentum"), ("uint8", "momentum-qas"), ("uint8", "standardized"))
    documents = []
    for (dtype, optimizer), accuracy in zip(kinds, accuracies, strict=True):
        ours = optimizer == "standardized"
        size, cost = (ram, cycles) if ours else (1000, 100.0)
        documents.append(
            run("optimizers", dtype=dtype, optimizer=optimizer, accuracy=accuracy, ram=size, cycles=steps(0, cost))
        )
    return documents


def test_optimizers_are_told_apart_by_accuracy_memory_and_time() -> None:
    good = of_optimizers((73.3, 64.9, 73.5, 73.7), 600, 51.0)
    assert verdicts(mcunet.FIGURE, good) == [YES] * 5
    bad = of_optimizers((73.3, 73.0, 65.0, 60.0), 990, 99.0)
    assert verdicts(mcunet.FIGURE, bad) == [NO] * 5


def test_the_tail_of_mcunet_needs_no_velocities_in_the_standardized_update() -> None:
    assert mcunet.tail_kb("momentum-qas") - mcunet.tail_kb("standardized") == pytest.approx(4 * 238.0, rel=0.05)


def test_figures_without_runs_still_show_the_paper() -> None:
    for figure in FIGURES:
        outcome = figure.evaluate(Measurements([]))
        assert outcome.charts
        assert outcome.differs
        papers = [panel for chart in outcome.charts for panel in chart.panels[:1] if isinstance(panel, BarPanel)]
        assert all(panel.bars for panel in papers)
