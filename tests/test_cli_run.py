"""`harness run` when something goes wrong: runs that fail, bad input, folders that cannot be written, Ctrl-C."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from small_scenarios import COMMAND, LAYERS, documents, environment, run, scenario, write_scenario

from harness.plan import make_plan
from harness.scenario import read_scenarios

STACK_BYTES = 2048


def planned_bytes(folder: Path) -> int:
    """Return what the plan of the small scenario needs: arena and stack."""
    (small,) = read_scenarios(write_scenario(folder / "planned.yaml"))
    return make_plan(small.network(), "float32", "all").arena_bytes + STACK_BYTES


def test_runs_that_fail_are_rows_with_their_reason_and_the_others_go_on(tmp_path: Path) -> None:
    tight = planned_bytes(tmp_path) + 8  # the plan fits, but not with the data that the linker adds
    cases = [
        {"memory.ram_budget": tight},
        {"memory.ram_budget": "64 KiB", "engine.timeout_s": 1e-4},
        {"memory.ram_budget": "65 KiB"},
    ]
    write_scenario(tmp_path / "s.yaml", matrix={"include": cases}, platform="imxrt1062")
    result = run("s.yaml", "-o", "out", cwd=tmp_path)
    assert result.returncode == 3
    no_room, late, good = documents(tmp_path / "out")
    assert [document["status"] for document in (no_room, late, good)] == ["failed", "failed", "ok"]
    excess = re.match(r"the linked firmware is (\d+) bytes larger than memory.ram_budget allows; ", no_room["reason"])
    assert excess, no_room["reason"]
    assert 0 < int(excess[1]) == good["memory"]["ram_bytes"] - tight
    assert "timeout" in late["reason"]
    for document in (no_room, late):
        assert f"{document['run']['label']}: failed: {document['reason']}" in result.stderr
        assert f"{document['run']['label']}: {document['reason']}" in " ".join(result.stdout.split())
    assert "Traceback" not in result.stderr
    assert result.stdout.splitlines()[-1] == "report: out/report.html"


def test_a_run_that_faults_leaves_its_firmware_and_what_its_uart_carried_until_then(tmp_path: Path) -> None:
    write_scenario(tmp_path / "s.yaml", memory={"stack": 512}, training={**scenario()["training"], "dtype": "uint8"})
    assert run("s.yaml", "-o", "out", cwd=tmp_path).returncode == 3
    (document,) = documents(tmp_path / "out")
    assert document["reason"].startswith("stack overflow: ")
    identity = document["run"]["id"]
    (line,) = (tmp_path / "out" / "uart" / f"{identity}.txt").read_text().splitlines()
    assert line.startswith('{"r":"start",')
    assert (tmp_path / "out" / "firmware" / identity / "firmware.elf").is_file()


def complaint(result: subprocess.CompletedProcess[str], folder: Path) -> str:
    """Return the one line of a run that was refused, and check that it wrote nothing."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert not (folder / "out").exists()
    (line,) = result.stderr.splitlines()
    return line


def test_a_budget_that_cannot_be_met_says_by_how_much_and_what_fits_does_fit(tmp_path: Path) -> None:
    needed = planned_bytes(tmp_path)
    budget = needed - 1000
    write_scenario(tmp_path / "s.yaml", memory={"ram_budget": budget})
    line = complaint(run("s.yaml", cwd=tmp_path), tmp_path)
    assert re.match(rf"s\.yaml:\d+:\d+: memory\.ram_budget: the plan needs {needed} bytes ", line)
    assert f", 1000 more than the budget of {budget}; largest tensors: " in line
    assert line.endswith("(run small)")
    sizes = [int(size) for size in re.findall(r" (\d+)(?=[,;])", line.partition("largest tensors:")[2])]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) > 1
    offers = re.findall(r"(?:dtype (\w+) with )?trainable_layers: (\d+) \((\d+) bytes\)", line)
    assert offers
    for dtype, layers, size in offers:
        training = {**scenario()["training"], "dtype": dtype or "float32", "trainable_layers": int(layers)}
        file = write_scenario(tmp_path / "fits.yaml", memory={"ram_budget": budget}, training=training)
        (smaller,) = read_scenarios(file)
        assert make_plan(smaller.network(), dtype or "float32", int(layers)).arena_bytes == int(size)
        result = subprocess.run(
            [*COMMAND[:-1], "validate", str(file)], env=environment(), capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"garbage"), "not a readable .npz file"),
        (lambda path: path.write_bytes(pickle.dumps({"weights0": [1.0]})), "not a readable .npz file"),
        (lambda path: np.savez(path, weights0=np.zeros((4, 9))), "no array 'bias0'; expected one of shape (4,)"),
        (lambda path: np.savez(path, weights0=np.zeros((5, 9))), "expected float32 of shape (4, 9)"),
    ],
    ids=["missing", "garbage", "pickle", "missing array", "wrong shape"],
)
def test_weights_that_do_not_fit_are_one_line_at_their_key(tmp_path: Path, write: Any, message: str) -> None:
    write(tmp_path / "w.npz")
    file = write_scenario(tmp_path / "s.yaml", model={"layers": LAYERS, "weights": "w.npz"})
    place = next(n for n, text in enumerate(file.read_text().splitlines(), start=1) if "weights: w.npz" in text)
    line = complaint(run("s.yaml", cwd=tmp_path), tmp_path)
    assert re.match(rf"s\.yaml:{place}:\d+: model\.weights: w\.npz: ", line)
    assert message in line


def test_one_bad_file_among_good_ones_starts_nothing(tmp_path: Path) -> None:
    write_scenario(tmp_path / "good.yaml")
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({**scenario(), "platfrom": "rp2040"}))
    line = complaint(run("good.yaml", "bad.yaml", cwd=tmp_path), tmp_path)
    assert re.match(r"bad\.yaml:\d+:1: platfrom: unknown key", line)


@pytest.mark.parametrize("output", ["file", "file/below", "/proc", "/proc/below"])
def test_an_output_that_cannot_be_written_is_one_line_before_anything_runs(tmp_path: Path, output: str) -> None:
    (tmp_path / "file").write_text("kept")
    write_scenario(tmp_path / "s.yaml")
    line = complaint(run("s.yaml", "-o", output, cwd=tmp_path), tmp_path)
    assert line.startswith(f"--output {output}: ")
    assert line.endswith("; expected a folder that can be written")
    assert (tmp_path / "file").read_text() == "kept"


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


LONG = {
    # What each stage takes at least a minute for, or more builds than there are threads.
    "building": {"matrix": {"training.seed": list(range(1, 9))}},
    "training on the twin": {
        "dataset": {"name": "digits", "train": 1000, "test": 20},
        "training": {"epochs": 5000, "dtype": "float32"},
        "engine": {"steps": 16},
        "matrix": {"training.learning_rate": [0.001, 0.002, 0.003, 0.004]},
    },
    "emulating": {
        "dataset": {"name": "digits", "train": 1000, "test": 20},
        "training": {"epochs": 50, "dtype": "float32"},
        "engine": {"steps": "all"},
        "matrix": {"training.learning_rate": [0.001, 0.002, 0.003, 0.004]},
    },
}


@pytest.mark.parametrize(
    ("stage", "number", "status"),
    [*((stage, signal.SIGINT, 130) for stage in LONG), ("training on the twin", signal.SIGTERM, 143)],
    ids=[*(f"Ctrl-C while {stage}" for stage in LONG), "SIGTERM"],
)
def test_an_interrupt_ends_everything_within_seconds(
    tmp_path: Path, stage: str, number: signal.Signals, status: int
) -> None:
    write_scenario(tmp_path / "s.yaml", **LONG[stage])
    (tmp_path / "tmp").mkdir()
    changes = {"TMPDIR": str(tmp_path / "tmp")}
    if stage == "building":
        changes["HARNESS_CACHE"] = str(tmp_path / "cache")
    process = subprocess.Popen(
        [*COMMAND, "s.yaml", "-o", "out", "-j", "2"],
        cwd=tmp_path,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith(f": {stage}\n"):
                break
        else:
            pytest.fail(f"never came to {stage}")
        while not (started := descendants(process)):
            time.sleep(0.02)
        if number == signal.SIGINT:  # a terminal sends it to the whole group, kill(1) sends SIGTERM to one process
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, rest = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == status
    assert "Traceback" not in rest
    assert "failed" not in rest
    assert not [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    left = {path.name for path in (tmp_path / "tmp").iterdir()}
    assert not [name for name in left if name.startswith("harness-")]
    assert not list(tmp_path.glob("cache/builds/.done-*"))
    assert not (tmp_path / "out" / "results.json").exists()
