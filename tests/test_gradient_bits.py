"""`training.gradients.bits` from the scenario to the plan: a matrix over it, and what `auto` makes of the memory."""

from __future__ import annotations

from pathlib import Path

from small_scenarios import scenario, write_scenario

from harness.pipeline import prepare
from harness.scenario import read_scenarios

BITS = [32, 16, 8]


def test_a_matrix_over_the_bits_gives_smaller_and_smaller_arenas(tmp_path: Path) -> None:
    training = {**scenario()["training"], "dtype": "uint8"}
    path = write_scenario(tmp_path / "s.yaml", training=training, matrix={"training.gradients.bits": BITS})
    runs = prepare(read_scenarios(path))
    assert [run.scenario.label for run in runs] == [f"small[{bits}]" for bits in BITS]
    assert [run.plan.gradient_bits for run in runs] == BITS
    arenas = [run.plan.arena_bytes for run in runs]
    assert arenas == sorted(set(arenas), reverse=True)


def test_in_fewer_bits_more_layers_fit_the_budget(tmp_path: Path) -> None:
    path = write_scenario(
        tmp_path / "s.yaml",
        model={"name": "digits-cnn"},
        training={"epochs": 2, "trainable_layers": "auto"},
        memory={"ram_budget": "12 KiB"},
        matrix={"training.gradients.bits": BITS},
    )
    layers = [run.plan.trained_layers for run in prepare(read_scenarios(path))]
    assert layers == sorted(layers)
    assert layers[0] < layers[-1]
