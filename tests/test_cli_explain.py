"""`harness explain` as a user starts it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import small_run
from small_scenarios import documents, environment


def explain(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "explain", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder() -> Path:
    return small_run()


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    return line


def test_the_answer_is_tables_pictures_and_exports(folder: Path, tmp_path: Path) -> None:
    exports = ("--collapsed", "stacks.txt", "--collapsed-cycles", "cycles.txt", "--perfetto", "timeline.json")
    result = explain(folder, "--top", "5", "--pictures", "pictures", *exports, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    heads = re.findall(r"^(Cycles by [a-z ]+|RAM over time|Arena at its fullest|Stack by phase|Flash by section)",
                       result.stdout, re.MULTILINE)  # fmt: skip
    assert heads == [
        "Cycles by phase", "Cycles by layer", "Cycles by function", "Cycles by source line",
        "RAM over time", "Arena at its fullest", "Stack by phase", "Flash by section",
    ]  # fmt: skip
    (run,) = documents(folder)
    peak = f"{run['memory']['stack_peak_bytes']:,}"
    assert re.search(rf"^[a-z]+ +{peak} .*reset_handler \d+ > main", result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-1] == "pictures: pictures"
    names = ("cycles-by-layer", "cycles-by-function", "ram-over-time", "arena-map", "stack-by-phase")
    for name in names:
        assert (tmp_path / "pictures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        drawn = (tmp_path / "pictures" / f"{name}.svg").read_text()
        assert ("estimated" if name.startswith("cycles") else "exact") in drawn, name
    assert {path.name for path in tmp_path.iterdir()} == {"pictures", "stacks.txt", "cycles.txt", "timeline.json"}
    assert json.loads((tmp_path / "timeline.json").read_text())["otherData"]["run"] == "small"


def test_one_table_of_one_layer_is_shown_alone(folder: Path, tmp_path: Path) -> None:
    results = folder / "results.json"
    result = explain(
        results, "small", "--by", "line", "--phase", "forward", "--layer", "conv2d", "-n", "3", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "Cycles by source line: phase forward, layer 0 conv2d, a mean training step" in result.stdout
    assert "RAM over time" not in result.stdout
    assert len(re.findall(r"^\S+:\d+ ", result.stdout, re.MULTILINE)) == 3
    assert not list(tmp_path.iterdir())


def test_a_scenario_stands_for_the_results_it_was_run_into(folder: Path, tmp_path: Path) -> None:
    scenario = folder.parent / "small.yaml"
    result = explain("small.yaml", "--by", "phase", cwd=folder.parent)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"small.yaml: expected its results in {Path('out/small')}" in result.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "small").symlink_to(folder)
    result = explain(scenario, "--by", "phase", cwd=tmp_path)
    assert "Cycles by phase: a mean training step" in result.stdout, result.stderr


def test_what_cannot_be_explained_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
    assert "no run 'smal'; did you mean 'small'?" in complaint(explain(folder, "smal", cwd=tmp_path))
    (run,) = documents(folder)
    (tmp_path / "results.json").write_text(json.dumps({"documents": [run]}))
    assert "cannot read what the run stored" in complaint(explain(tmp_path, cwd=tmp_path))
