"""A deliberate regression in one kernel, found and named: by comparing, by a night, and by halving the commits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest
from changed_firmware import FUNCTION, KERNEL, LOOP, repository
from small_runs import TRAINING
from small_scenarios import environment, write_scenario

from harness.checkout.bisection import Probe, bisect, probe
from harness.history import History
from harness.report.verdict_text import verdict_text
from harness.verdict import METRICS, Comparison, compare, default_thresholds, read_result_set, read_thresholds
from harness.verdict.commits import Commit

METRIC = METRICS["instructions_per_step"]


def harness(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)


@cache
def measured(commit: Commit, place: Path) -> Probe:
    """Return what a commit came to; each is run once."""
    return probe(repository().path, commit, place / "small.yaml", METRIC, place / commit.hash)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commits")
    write_scenario(folder / "small.yaml", training=TRAINING)
    return folder


@pytest.fixture(scope="module")
def fast(place: Path) -> Path:
    found = measured(repository().commits[0], place)
    assert found.values, found.reason
    return found.folder


@pytest.fixture(scope="module")
def slow(place: Path) -> Path:
    found = measured(repository().commits[1], place)
    assert found.values, found.reason
    return found.folder


def held(before: Path, after: Path) -> Comparison:
    return compare(read_result_set(before), read_result_set(after), read_thresholds(default_thresholds()))


def test_compare_names_the_phase_layer_function_and_source_line(fast: Path, slow: Path, tmp_path: Path) -> None:
    result = harness("compare", fast, slow, "-o", "verdict", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    text = result.stdout
    number = repository().number
    assert text.startswith("REGRESSION: 1 of 1 run worse\n")
    assert f"most at {KERNEL}:{number}, {FUNCTION}, backward, 1 max_pool2d: +" in " ".join(text.split())
    grew = text.partition("Source lines that grew")[2].partition("Bytes of flash")[0]
    assert LOOP.strip()[:60] in grew
    assert "; new\n" in grew
    assert grew.count(f"{KERNEL}:") <= 4, "every line of the file moved, and only those whose counts changed are named"
    assert f"Firmware sources that changed\n  {KERNEL}\n" in text
    assert FUNCTION in text.partition("Bytes of flash")[2]
    assert [commit[:10] for commit in (one.hash for one in repository().commits[:2])] == [
        line.split()[1] for line in text.splitlines() if line.startswith(("before ", "after "))
    ]
    folder = tmp_path / "verdict"
    assert f"{KERNEL}:{number}" in (folder / "verdict.md").read_text()
    assert f"{KERNEL}:{number}" in (folder / "verdict.html").read_text()
    assert (folder / "verdict.txt").read_text() == text.partition("\nverdict: ")[0]
    (run,) = json.loads((folder / "verdict.json").read_text())["runs"]
    (line, *_) = [line for line in run["lines"] if line["delta"] > 0]
    assert (line["line"], line["function"], line["rewritten"]) == (f"{KERNEL}:{number}", FUNCTION, True)
    assert (line["where"][0]["phase"], line["where"][0]["layer"]) == ("backward", "1 max_pool2d")
    assert sum(part["delta"] for part in run["lines"]) == pytest.approx(
        run["changes"][0]["after"] - run["changes"][0]["before"]
    )
    suite = Tree.parse(folder / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    measures = json.loads((folder / "bencher.json").read_text())["small: small"]
    assert measures["instructions-per-step"] == {"value": run["changes"][0]["after"]}
    assert measures["cycles-per-step"]["lower_value"] < measures["cycles-per-step"]["value"]


def test_the_other_way_round_it_is_an_improvement(fast: Path, slow: Path) -> None:
    comparison = held(slow, fast / "results.json")
    assert not comparison.regressed
    text = verdict_text(comparison)
    assert text.startswith("no regression: 1 run, 1 better\n")
    assert "; gone\n" in text
    (run,) = comparison.runs
    assert run.movement is not None
    assert run.movement.lines[0].gone


def test_without_texts_lines_are_matched_by_number_and_that_is_said(fast: Path, slow: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(slow, tmp_path / "bare")
    for kept in bare.glob("firmware/sources-*.zip"):
        kept.unlink()
    comparison = held(fast, bare)
    assert comparison.regressed
    assert "the sources of one side are not kept: lines are matched by number" in verdict_text(comparison)


def test_halving_finds_the_commit(place: Path, fast: Path, slow: Path) -> None:
    result = bisect(repository().commits, lambda commit: measured(commit, place))
    first, second, _ = repository().commits
    assert (result.last_good.commit, result.first_bad.commit) == (first, second)
    assert result.share == pytest.approx(1)
    assert result.untested == ()


def test_a_night_is_stored_and_held_against_the_baseline(place: Path, fast: Path, slow: Path, tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    for folder in (fast, slow):
        history.add("small", read_result_set(folder))
    history.set_baseline(history.find(repository().commits[1].hash[:8], "small"))
    night = ("nightly", place / "small.yaml", "--history", "history", "-o", "night", "--", "--jobs", "1")
    result = harness(*night, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "stored as #3 of small" in result.stdout
    assert "no regression: 1 run, 1 better" in result.stdout
    page = (tmp_path / "night" / "verdict.html").read_text()
    assert page.count("<svg") == len(METRICS)
    steps = [one for one in history.series("small", [METRIC])[0].points if one]
    assert [point.value for point in steps] == [steps[0].value, steps[1].value, steps[0].value]
