"""The Robot Framework suites, as a user runs them, on a scenario that is emulated completely in a moment."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_scenarios import ROOT, environment, write_scenario

pytest.importorskip("robot", reason="needs Robot Framework: pip install -e .[robot]")
from robot import result
from robot.api import ExecutionResult, SkipExecution

from harness.engine.renode.installation import find_renode
from harness.result import read_results

SUITES = ROOT / "renode" / "robot"
BOARD = "nrf52840"
LOW = ("AFTER ONE EPOCH:1 %", "AT THE END:1 %", "ON THE TARGET:0 %")
COMPILER = r"arm-none-eabi-gcc .*\d+\.\d+"


@dataclass(frozen=True)
class Executed:
    folder: Path
    status: int
    suite: result.TestSuite
    console: str

    @property
    def tests(self) -> dict[str, result.TestCase]:
        return {test.name: test for test in self.suite.all_tests}


def execute(place: Path, output: str, *variables: str, tests: tuple[str, ...] = ()) -> Executed:
    """Run the suites, or only `tests` of them, on the scenario in `place`; the results go into its folder `output`."""
    chosen = [f"SCENARIO:{place / 'small.yaml'}", f"BASELINE:{place / 'baseline.yaml'}", *LOW, *variables]
    command = [sys.executable, "-m", "robot", "--outputdir", output, "--include", BOARD, "--loglevel", "INFO"]
    command += [word for variable in chosen for word in ("--variable", variable)]
    command += [word for test in tests for word in ("--test", test)]
    done = subprocess.run(
        [*command, str(SUITES)],
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    folder = place / output
    return Executed(folder, done.returncode, ExecutionResult(folder / "output.xml").suite, done.stdout + done.stderr)


def rows(place: Path, change: Callable[[dict[str, Any], str], None]) -> None:
    """Apply `change` to the row of each data type of the baseline in `place`."""
    file = place / "baseline.yaml"
    baseline = yaml.safe_load(file.read_text())
    (by_board,) = baseline.values()
    for dtype, row in by_board[BOARD].items():
        change(row, dtype)
    file.write_text(yaml.safe_dump(baseline))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("robot suites")  # with a space, as folders of users have
    data = {"name": "digits", "train": 24, "test": 50, "seed": 1}
    varied = {"platform": [BOARD], "training.dtype": ["uint8", "float32"]}
    write_scenario(folder / "small.yaml", dataset=data, matrix=varied)
    return folder


@pytest.fixture(scope="module")
def renewed(place: Path) -> Executed:
    """All suites, every test of the board; they make the baseline."""
    return execute(place, "renewed", "REBASELINE:yes")


@pytest.fixture(scope="module")
def compared(place: Path, renewed: Executed) -> Executed:
    """Cycles 0.5 % and 2 % above the baseline, and an accuracy that no network reaches."""
    assert renewed.status == 0
    excess = {"uint8": 1.005, "float32": 1.02}

    def lower(row: dict[str, Any], dtype: str) -> None:
        row["cycles_per_step"] /= excess[dtype]

    rows(place, lower)
    return execute(
        place, "compared", "AT THE END:101 %", "FRESH:no", tests=("A training step in *", "At the end of training in *")
    )


def links(text: str) -> list[str]:
    """Return the files that Robot's own markup and HTML link to."""
    found = re.findall(r"\[([^|\]]+)\|[^\]]*\]", text) + re.findall(r'(?:href|src)="([^"]+)"', text)
    return [target.replace("%20", " ").partition("#")[0] for target in found]


def messages(executed: Executed) -> str:
    return (executed.folder / "output.xml").read_text().replace("&lt;", "<").replace("&gt;", ">")


def test_all_suites_pass_on_the_default_engine(renewed: Executed) -> None:
    assert renewed.status == 0, renewed.console
    judged = {suite.name: {test.status for test in suite.tests} for suite in renewed.suite.suites}
    in_renode = judged.pop("Renode")
    assert judged.pop("Agreement") == {"PASS", "SKIP"}  # it compares engines where there is another one
    assert judged == {name: {"PASS"} for name in ("Accuracy", "Cycles", "Memory", "Training")}
    assert in_renode == {"SKIP"}


def test_a_scenario_that_several_suites_look_at_runs_once(renewed: Executed) -> None:
    folders = {path.parent.name for path in renewed.folder.glob("runs/*/*/results.json")}
    assert len(folders) == 2  # the matrix, and the run that is emulated to its end
    assert len(list(renewed.folder.glob("runs/*/*/results.json"))) == 2


def test_log_and_report_link_to_the_pages_and_plots_of_the_runs(renewed: Executed) -> None:
    told = [*renewed.suite.metadata.values(), *(v for suite in renewed.suite.suites for v in suite.metadata.values())]
    targets = [target for value in told for target in links(value)]
    assert {Path(target).name for target in targets} >= {"report.html", "accuracy-time-per-step.svg"}
    targets += links(messages(renewed))
    assert [target for target in targets if Path(target).is_absolute()] == []
    assert [target for target in targets if not (renewed.folder / target).is_file()] == []


def test_cycles_may_exceed_the_baseline_by_one_per_cent_and_no_more(compared: Executed) -> None:
    by_dtype = {dtype: test for test in compared.tests.values() for dtype in ("uint8", "float32")
                if "A training step" in test.name and dtype in test.tags}  # fmt: skip
    assert (by_dtype["uint8"].status, by_dtype["float32"].status) == ("PASS", "FAIL")
    assert "+2.00%" in by_dtype["float32"].message


def test_a_failing_test_keeps_log_scenario_uart_transcript_and_firmware(compared: Executed) -> None:
    assert compared.status == 3
    test = compared.tests["At the end of training in uint8 the accuracy is at least as expected"]
    assert re.fullmatch(r"accuracy [\d.]+% of 50 test samples, expected at least 101 %", test.message)
    kept = {Path(target).name: compared.folder / target for target in links(test.doc)}
    assert set(kept) == {"harness.log", "scenario.yaml", "uart.txt", "firmware.elf", "firmware.map", "plan.c"}
    assert "steps emulated" in kept["harness.log"].read_text()
    assert kept["firmware.elf"].read_bytes()[:4] == b"\x7fELF"
    lines = kept["uart.txt"].read_text().splitlines()
    assert lines[0].startswith('{"r":"start"')
    assert lines[-1].startswith('{"r":"end","n":48')
    assert kept["uart.txt"].parent.name.endswith("the_accuracy_is_at_least_as_expected")


def test_the_suite_that_drives_renode_is_skipped_elsewhere_and_says_what_it_needs(renewed: Executed) -> None:
    (suite,) = (suite for suite in renewed.suite.suites if suite.name == "Renode")
    assert all("needs Renode's own keywords: run it with renode-test" in test.message for test in suite.tests)


def test_the_suite_that_drives_renode_passes_under_renode_test(place: Path, renewed: Executed) -> None:
    assert renewed.status == 0
    renode = find_renode()
    runner = renode and Path(renode.command).parent / "renode-test"
    if not runner or not runner.exists():
        pytest.skip("needs Renode with its renode-test beside it: harness renode install")
    # renode-test takes python3 from PATH; a launcher may put another one before it.
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [runner, SUITES / "renode.robot", "-r", place / "in renode", "--include", "nrf52840ANDuint8",
         "--variable", f"SCENARIO:{place / 'small.yaml'}"],
        cwd=place,
        env=environment(**paths),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (test,) = ExecutionResult(place / "in renode" / "robot_output.xml").suite.all_tests
    assert test.status == "PASS"


def test_tests_that_pass_leave_nothing_behind_but_results(renewed: Executed, compared: Executed) -> None:
    assert not (renewed.folder / "runs" / "failed").exists()
    failed = [test for test in compared.suite.all_tests if test.status == "FAIL"]
    assert len(list((compared.folder / "runs" / "failed").iterdir())) == len(failed) == 3


def test_a_baseline_of_another_compiler_settings_or_model_skips_and_says_so(
    renewed: Executed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SUITES)
    keywords = importlib.import_module("HarnessLibrary")
    library = keywords.HarnessLibrary()
    folder = next(path.parent for path in renewed.folder.glob("runs/*/*/results.json"))
    library._last = keywords.Finished(folder, tuple(read_results(folder)), "these settings")
    library.take_run(BOARD, "uint8")
    file = tmp_path / "baseline.yaml"

    def skipped(*changes: tuple[str, str]) -> str:
        library.cycles_should_not_exceed_the_baseline(str(file), renew=True)
        text = file.read_text()
        for old, new in changes:
            text = re.sub(old, new, text)
        file.write_text(text)
        with pytest.raises(SkipExecution) as problem:
            library.cycles_should_not_exceed_the_baseline(str(file))
        file.unlink()
        return str(problem.value)

    message = skipped(("(?m)^arm-none-eabi-gcc .*:$", "arm-none-eabi-gcc 1.2:"))
    make = "make one with --variable REBASELINE:yes"
    assert re.search(rf"the baseline was made by arm-none-eabi-gcc 1\.2; this is {COMPILER}.*: {make}$", message)
    assert re.search(f"other settings: {make}$", skipped(("these settings", "others")))
    assert re.search(
        rf"priced by pipeline-0; this is pipeline-\S+.*: {make}$", skipped(("model: .*", "model: pipeline-0"))
    )
    assert re.search(rf"no row of {BOARD}, uint8 by .*: {make}$", skipped(("uint8:", "mixed:")))
    library.cycles_should_not_exceed_the_baseline(str(file), renew=True)
    library.cycles_should_not_exceed_the_baseline(str(file))


def test_a_scenario_that_is_refused_says_why_in_one_line(place: Path) -> None:
    write_scenario(place / "small.yaml", platform="nrf5284")
    executed = execute(place, "refused", tests=("Training in * runs and ends on *",))
    assert executed.status == 2
    (test, *_) = executed.suite.all_tests
    assert "did you mean 'nrf52840'?" in test.message
    assert "Traceback" not in test.message
