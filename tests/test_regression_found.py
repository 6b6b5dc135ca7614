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
from typer.testing import CliRunner, Result

from harness.checkout.bisection import Probe, bisect, probe
from harness.cli import app
from harness.history import History
from harness.report.verdict_text import verdict_text
from harness.verdict import METRICS, Comparison, compare, default_thresholds, read_result_set, read_thresholds
from harness.verdict.commits import Commit

METRIC = METRICS["instructions_per_step"]


def harness(*arguments: str | Path, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, timeout=300)


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
    folder = tmp_path / "verdict"
    result = invoke("compare", fast, slow, "-o", folder)
    assert result.exit_code == 1, result.exception
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


def test_a_night_is_stored_held_against_the_baseline_and_ends_with_status_1(
    place: Path, fast: Path, slow: Path, tmp_path: Path
) -> None:
    history = History(tmp_path / "history")
    for folder in (fast, slow):
        history.add("small", read_result_set(folder))
    history.set_baseline(history.find(repository().commits[0].hash[:8], "small"))
    night = ("nightly", place / "small.yaml", "--history", "history", "-o", "night", "--", "--jobs", "1")
    result = harness(*night, cwd=tmp_path, PYTHONPATH=str(repository().path))
    assert result.returncode == 1, result.stdout + result.stderr
    assert "stored as #3 of small" in result.stdout
    assert "REGRESSION: 1 of 1 run worse" in result.stdout
    newest, *_ = [str(commit)[:40] for commit in reversed(repository().commits)]
    assert f"2 commits between\n  {newest}" in result.stdout
    page = (tmp_path / "night" / "verdict.html").read_text()
    assert page.count("<svg") == len(METRICS)
    (series,) = history.series("small", [METRIC])
    values = [point.value for point in series.points]
    assert values[0] < values[1] == values[2]
    assert [(stored.dirty, stored.is_baseline) for stored in history.sets()] == [(False, True), *[(False, False)] * 2]


def with_model(folder: Path, name: str, cycles: float, to: Path) -> Path:
    """Return the results of `folder` as another cycle model would have priced them."""
    results = json.loads((folder / "results.json").read_text())
    (run,) = results["documents"]
    run["provenance"]["cycle_model"] = name
    for part in ("low", "value", "high"):
        run["estimates"]["cycles_per_step"][part] += cycles
    shutil.copytree(folder, to)
    (to / "results.json").write_text(json.dumps(results))
    return to


def test_other_cycles_of_the_same_counts_are_laid_on_the_model(fast: Path, tmp_path: Path) -> None:
    (run,) = json.loads((fast / "results.json").read_text())["documents"]
    name = run["provenance"]["cycle_model"]
    (compared,) = held(fast, with_model(fast, name, 5000, tmp_path / "other")).runs
    assert compared.cycles_by_code == 0
    assert [(cause.what, cause.before) for cause in compared.causes] == [("cycle model", "its numbers then")]


def test_of_other_cycles_the_share_of_the_code_is_told_from_that_of_the_model(
    fast: Path, slow: Path, tmp_path: Path
) -> None:
    (plain,) = held(fast, slow).runs
    by_code = next(change.delta for change in plain.changes if change.metric.name == "cycles_per_step")
    comparison = held(fast, with_model(slow, "newer", 5000, tmp_path / "other"))
    assert comparison.runs[0].cycles_by_code == pytest.approx(by_code)
    text = " ".join(verdict_text(comparison).split())
    assert f"of the cycles, +5,000 come from the model and +{by_code:,.0f} from the code" in text
    assert text.index("-> newer") < text.index("Source lines that grew")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_results_of_the_history_are_listed_chosen_and_compared(fast: Path, slow: Path, tmp_path: Path) -> None:
    store = History(tmp_path)
    at = ("--history", tmp_path)
    assert "store some with: harness nightly" in str(invoke("history", *at).exception)
    for folder in (fast, slow):
        store.add("small", read_result_set(folder))
    first, second, _ = (commit.hash for commit in repository().commits)
    assert "no baseline is set" in str(invoke("compare", *at).exception)
    assert invoke("baseline", "set", first[:7], *at).output.startswith(f"baseline of small: #1, {first[:10]}, ")
    listed = invoke("history", *at).output
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [["#2", second[:10]], ["#1", first[:10]]]
    series = invoke("history", "small", METRIC.name, *at).output
    assert len(series.splitlines()) == 3
    assert "<- +" in series.splitlines()[2]
    assert json.loads(invoke("history", "small", "--json", *at).output)["series"][0]["metric"] == METRIC.name
    compared = invoke("compare", *at)
    assert (compared.exit_code, compared.output.splitlines()[0]) == (1, "REGRESSION: 1 of 1 run worse")
    assert invoke("compare", second, first, *at).exit_code == 0
    assert "did you mean 'flash_bytes'?" in str(invoke("history", "small", "flash_byte", *at).exception)
    assert "did you mean 'small'?" in str(invoke("history", "smal", *at).exception)


def test_what_cannot_be_halved_is_said(place: Path) -> None:
    first, second, _ = (commit.hash for commit in repository().commits)
    at = ("--repository", repository().path)
    asked = ("bisect", place / "small.yaml", METRIC.name)
    assert "is no ancestor of" in str(invoke(*asked, second, first, *at).exception)
    assert "no commit 'nothing'" in str(invoke(*asked, "nothing", second, *at).exception)
    assert "did you mean" in str(invoke("bisect", place / "small.yaml", "flash_byte", first, second, *at).exception)
