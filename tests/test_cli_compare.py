"""`harness compare` as a user starts it, on a firmware with a deliberate regression in one kernel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from changed_firmware import FUNCTION, KERNEL, LOOP, repository, slow_down
from small_runs import TRAINING, small_run
from small_scenarios import COMMAND, environment, write_scenario

from harness.report.verdict_text import verdict_text
from harness.verdict import compare, default_thresholds, read_result_set, read_thresholds


def harness(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Return the results of the small run with a slower kernel, and the line of the loop that was added."""
    place = tmp_path_factory.mktemp("slower")
    checkout = repository()
    number = slow_down(checkout)
    write_scenario(place / "small.yaml", training=TRAINING)
    done = subprocess.run(
        [*COMMAND, "small.yaml", "-o", "out"],
        cwd=place,
        env=environment(PYTHONPATH=str(checkout)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return place / "out", number


def test_a_deliberate_regression_is_named_to_its_source_line(slower: tuple[Path, int], tmp_path: Path) -> None:
    after, number = slower
    result = harness("compare", small_run(), after, cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    text = result.stdout
    assert text.startswith("REGRESSION: 1 of 1 run worse\n")
    assert f"most at {KERNEL}:{number}, {FUNCTION}, backward, 1 max_pool2d: +" in " ".join(text.split())
    grew, _, _ = text.partition("Bytes of flash")
    _, _, grew = grew.partition("Source lines that grew")
    assert LOOP.strip()[:60] in grew
    assert "; new\n" in grew
    # Every line of the file moved by two, and only those whose counts changed are named.
    assert grew.count(f"{KERNEL}:") <= 4
    assert f"Firmware sources that changed\n  {KERNEL}\n" in text
    assert FUNCTION in text.partition("Bytes of flash")[2]


def test_the_other_way_round_it_is_an_improvement(slower: tuple[Path, int]) -> None:
    limits = read_thresholds(default_thresholds())
    comparison = compare(read_result_set(slower[0]), read_result_set(small_run() / "results.json"), limits)
    assert not comparison.regressed
    text = verdict_text(comparison)
    assert text.startswith("no regression: 1 run, 1 better\n")
    assert "; gone\n" in text
    (run,) = comparison.runs
    assert run.movement is not None
    assert run.movement.lines[0].gone


def test_without_texts_lines_are_matched_by_number_and_that_is_said(slower: tuple[Path, int], tmp_path: Path) -> None:
    bare = shutil.copytree(slower[0], tmp_path / "bare")
    for kept in bare.glob("firmware/sources-*.zip"):
        kept.unlink()
    comparison = compare(read_result_set(small_run()), read_result_set(bare), read_thresholds(default_thresholds()))
    assert comparison.regressed
    assert "the sources of one side are not kept: lines are matched by number" in verdict_text(comparison)


def test_what_is_no_result_is_said_in_one_line(tmp_path: Path) -> None:
    result = harness("compare", small_run(), tmp_path / "nothing", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert "nothing" in line
