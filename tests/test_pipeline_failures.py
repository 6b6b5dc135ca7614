"""A suite of runs of which some, or all, go wrong in ways no one planned for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_scenarios import ROOT, documents, run, write_scenario

from harness.pipeline import PreparedRun, Stage, prepare, run_suite
from harness.result import Document
from harness.scenario import read_scenarios


class Witness:
    def __init__(self) -> None:
        self.finished_labels: list[str] = []

    def stage(self, label: str, stage: Stage) -> None:
        return

    def steps(self, label: str, done: int, total: int) -> None:
        return

    def finished(self, document: Document) -> None:
        self.finished_labels.append(document.run.label)


def prepared_runs(folder: Path, count: int) -> list[PreparedRun]:
    return prepare(read_scenarios(write_scenario(folder / "s.yaml", matrix={"dataset.seed": list(range(count))})))


BROKEN = """
import harness.pipeline.training_data

def broken(origin, train, test, seed, treatment):
    raise ZeroDivisionError(f"seed {seed}")

harness.pipeline.training_data.load_dataset = broken
"""


@pytest.fixture
def broken_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every worker process fail to load samples."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("broken_workers")
def test_an_unexpected_error_is_the_reason_of_its_run_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_DEBUG", raising=False)
    witness = Witness()
    found = run_suite(prepared_runs(tmp_path, 3), witness, 2, tmp_path)
    assert [(document.status, document.reason) for document in found] == [
        ("failed", f"internal error: ZeroDivisionError: seed {seed} (HARNESS_DEBUG=1 shows where)") for seed in range(3)
    ]
    assert sorted(witness.finished_labels) == [document.run.label for document in found]


@pytest.mark.usefixtures("broken_workers")
def test_a_suite_that_is_ended_does_not_wait_for_runs_that_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError, match="seed 0"):
        run_suite(prepared_runs(tmp_path, 8), Witness(), 1, tmp_path)


def test_without_a_toolchain_each_run_says_how_to_install_it(tmp_path: Path) -> None:
    write_scenario(tmp_path / "s.yaml")
    (tmp_path / "bin").mkdir()
    result = run("s.yaml", "-o", "out", cwd=tmp_path, PATH=str(tmp_path / "bin"))
    assert result.returncode == 3
    (document,) = documents(tmp_path / "out")
    assert document["reason"].startswith("cmake is not installed; install it with: apt-get install ")
    assert "Traceback" not in result.stderr
