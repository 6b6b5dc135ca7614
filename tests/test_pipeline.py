"""`harness run` end to end, as a user starts it: a small scenario that is emulated completely."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_scenarios import documents, run, scenario, write_scenario

MATRIX = {"platform": ["nrf52840", "rp2040"], "training.dtype": ["uint8", "float32"]}
LABELS = [f"small[{platform},{dtype}]" for platform in MATRIX["platform"] for dtype in MATRIX["training.dtype"]]
STEPS = 48


@dataclass(frozen=True)
class Finished:
    folder: Path
    stdout: str
    stderr: str
    documents: list[dict[str, Any]]


def run_matrix(folder: Path, jobs: int) -> Finished:
    write_scenario(folder / "small.yaml", matrix=MATRIX)
    result = run("small.yaml", "-o", "out", "-j", str(jobs), "--fresh", cwd=folder)
    assert result.returncode == 0, result.stderr
    return Finished(folder / "out", result.stdout, result.stderr, documents(folder / "out"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run_matrix(tmp_path_factory.mktemp("one"), jobs=1)


def test_every_run_is_a_row_of_the_printed_table_and_the_report_is_named(finished: Finished) -> None:
    assert finished.stdout.startswith("small: 4 runs, data set digits")
    for platform in MATRIX["platform"]:
        for dtype in MATRIX["training.dtype"]:
            assert re.search(rf"^{dtype} +{platform} +[\d.]+ %", finished.stdout, re.MULTILINE)
    assert finished.stdout.splitlines()[-1] == "report: out/report.html"


def test_the_files_are_there_and_nothing_half_written(finished: Finished) -> None:
    names = {path.relative_to(finished.folder).as_posix() for path in finished.folder.rglob("*") if path.is_file()}
    assert {"results.csv", "results.json", "layers.csv", "report.html"} <= names
    ids = {document["run"]["id"] for document in finished.documents}
    assert len(ids) == 4
    for identity in ids:
        assert {f"firmware/{identity}/{name}" for name in ("firmware.elf", "firmware.map", "plan.c")} <= names
        assert f"weights/{identity}.npz" in names
    for plot in ("accuracy-time-per-step", "accuracy-energy-per-step", "accuracy-ram", "cycles-by-layer"):
        assert {f"plots/{plot}.png", f"plots/{plot}.svg"} <= names
    assert not [name for name in names if name.endswith(".tmp")]


def test_the_table_file_holds_what_the_documents_say(finished: Finished) -> None:
    with (finished.folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [document["run"]["label"] for document in finished.documents] == LABELS
    assert [row["label"] for row in rows] == LABELS
    assert [float(row["accuracy_test"]) for row in rows] == [doc["accuracy"]["test"] for doc in finished.documents]


def test_plain_lines_tell_stages_emulated_steps_and_the_time_left(finished: Finished) -> None:
    lines = finished.stderr.splitlines()
    assert all(re.match(r"\[ *\d+\.\d s\] small\[", line) for line in lines)
    stages = ["calibrating", "building", "training on the twin", "emulating", "pricing"]
    for number, label in enumerate(LABELS):
        told = [line.partition(f"{label}: ")[2] for line in lines if label in line]
        shared = [] if number < 2 else stages[:1] + stages[2:3]  # the second board deploys and trains the same
        assert [text for text in told[:-1] if "steps" not in text] == [name for name in stages if name not in shared]
        assert re.match(rf"ok, accuracy [\d.]+%, {STEPS} steps emulated \(\d of 4 runs", told[-1])
    ends = [line for line in lines if ": ok" in line]
    assert all(re.search(r"\(\d of 4 runs, [^)]+ left\)$", line) for line in ends[:-1])
    assert ends[-1].endswith("(4 of 4 runs)")


def test_all_steps_are_emulated_and_equal_the_twin(finished: Finished) -> None:
    for document in finished.documents:
        assert document["agreement"] == {
            "steps_emulated": STEPS,
            "steps_total": STEPS,
            "records_equal": True,
            "weights_equal": True,
        }
        assert "taken to cost" not in document["estimates"]["training_time_s"]["error"]


def test_phases_and_layers_add_up_to_the_counts_of_a_step(finished: Finished) -> None:
    for document in finished.documents:
        counts = document["counts"]
        phases: dict[str, float] = counts["by_phase"]
        assert set(phases) == {"load", "forward", "loss", "select", "backward", "update"}
        assert sum(phases.values()) == pytest.approx(counts["instructions_per_step"], rel=1e-12)
        for phase, instructions in phases.items():
            layers = [row for row in counts["by_layer"] if row["phase"] == phase]
            assert sum(row["instructions_per_step"] for row in layers) == pytest.approx(instructions, rel=1e-12)
        cycles = sum(row["cycles_per_step"] for row in counts["by_layer"])
        assert cycles == pytest.approx(document["estimates"]["cycles_per_step"]["value"], rel=1e-9)
        # Start-up, evaluation and records come on top of the steps, and there are all of them.
        assert counts["instructions_total"] > counts["instructions_per_step"] * STEPS
        assert isinstance(counts["instructions_total"], int)


def test_memory_adds_up_and_stays_within_its_bounds(finished: Finished) -> None:
    for document in finished.documents:
        memory = document["memory"]
        assert sum(memory["arena_by_category"].values()) == memory["arena_bytes"]
        assert memory["arena_lower_bound_bytes"] <= memory["arena_bytes"] <= 1.05 * memory["arena_lower_bound_bytes"]
        parts = ("arena_bytes", "data_bytes", "bss_bytes", "stack_reserved_bytes")
        assert sum(memory[part] for part in parts) == memory["ram_bytes"] <= memory["ram_budget_bytes"]
        assert sum(memory["flash_by_section"].values()) == memory["flash_bytes"] <= memory["flash_budget_bytes"]
        assert 0 < memory["stack_peak_bytes"] <= memory["stack_reserved_bytes"]


def test_accuracy_does_not_depend_on_the_board(finished: Finished) -> None:
    by_dtype: dict[str, list[Any]] = {}
    for document in finished.documents:
        by_dtype.setdefault(document["settings"]["training"]["dtype"], []).append(document["accuracy"])
    for accuracies in by_dtype.values():
        assert accuracies[0] == accuracies[1]


def without_times(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for document in found:
        for key in ("created", "wall_s", "cached"):
            del document["provenance"][key]
    return found


def test_the_same_scenario_gives_the_same_results_whatever_runs_at_a_time(finished: Finished, tmp_path: Path) -> None:
    again = run_matrix(tmp_path, jobs=2)
    assert without_times(again.documents) == without_times(documents(finished.folder))
    for path in (finished.folder / "weights").iterdir():
        with np.load(path) as before, np.load(again.folder / "weights" / path.name) as after:
            assert before.files == after.files
            for name in before.files:
                np.testing.assert_array_equal(before[name], after[name])


def weights_file(finished: Finished, label: str) -> Path:
    identity = next(doc["run"]["id"] for doc in finished.documents if doc["run"]["label"] == label)
    return finished.folder / "weights" / f"{identity}.npz"


def test_runs_continue_from_the_weights_of_an_earlier_one(finished: Finished, tmp_path: Path) -> None:
    earlier = {document["settings"]["training"]["dtype"]: document for document in finished.documents}
    (tmp_path / "w.npz").write_bytes(weights_file(finished, "small[rp2040,float32]").read_bytes())
    write_scenario(
        tmp_path / "more.yaml",
        model={**scenario()["model"], "weights": "w.npz"},
        engine={"steps": 8, "evaluate": 0},
        matrix={"training.dtype": ["uint8", "float32"]},
    )
    result = run(tmp_path / "more.yaml", "-o", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for continued in documents(tmp_path / "out"):
        first = continued["accuracy"]["by_epoch"][0]["train_loss"]
        before = earlier[continued["settings"]["training"]["dtype"]]["accuracy"]["by_epoch"]
        assert first < before[0]["train_loss"]
        assert first < 1.1 * before[-1]["train_loss"]
