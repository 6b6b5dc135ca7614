"""Suites that are killed, share a cache, meet limits and crashes, or run again after something changed."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_caches import cache_with_builds
from small_scenarios import COMMAND, ROOT, documents, environment, run, write_scenario

STAGES = ("calibrate", "build", "train", "emulate", "price")
TOLD = {"calibrating": 0, "building": 1, "training on the twin": 2, "emulating": 3, "pricing": 4}
MATRIX = {"platform": ["nrf52840", "rp2040"]}


def start(folder: Path, output: str, cache: Path, **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "s.yaml", "-o", output, "-j", "2"],
        cwd=folder,
        env=environment(HARNESS_CACHE=str(cache), **changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def without_times(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for document in found:
        for key in ("created", "wall_s", "cached"):
            del document["provenance"][key]
    return found


def cached(found: list[dict[str, Any]]) -> dict[str, set[str]]:
    return {document["run"]["label"]: set(document["provenance"]["cached"]) for document in found}


def killed_after(process: subprocess.Popen[str], lines: int, seconds: float) -> dict[str, int]:
    """Kill `process` some time after it wrote `lines` lines; return by run how many stages it had told as finished."""
    finished: dict[str, int] = {}
    assert process.stderr is not None
    for _ in range(lines):
        note(process.stderr.readline(), finished)
    time.sleep(seconds)
    process.kill()
    _, rest = process.communicate()
    for line in rest.splitlines(keepends=True):
        note(line, finished)
    return finished


def note(line: str, finished: dict[str, int]) -> None:
    if told := re.match(r"\[ *[\d.]+ s\] (small\S*): (.*)\n", line):
        finished[told[1]] = len(STAGES) if told[2].startswith("ok") else TOLD.get(told[2], 0)


def processes_of(cache: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("HARNESS_CACHE") == str(cache) and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a suite `s.yaml` that ran undisturbed into `out`, with `cache`."""
    folder = tmp_path_factory.mktemp("calm")
    write_scenario(folder / "s.yaml", matrix=MATRIX)
    result = run("s.yaml", "-o", "out", cwd=folder, HARNESS_CACHE=str(cache_with_builds(folder / "cache")))
    assert result.returncode == 0, result.stderr
    return folder


def survive(folder: Path, calm: Path, kills: int, seed: int) -> None:
    """Kill a suite `kills` times at random points; it has to come to what an undisturbed one comes to."""
    write_scenario(folder / "s.yaml", matrix=MATRIX)
    cache, chance = cache_with_builds(folder / "cache"), random.Random(seed)
    finished: dict[str, int] = {}
    for _ in range(kills):
        process = start(folder, "killed", cache)
        for label, stages in killed_after(process, chance.randrange(1, 8), chance.uniform(0.0, 0.2)).items():
            finished[label] = max(finished.get(label, 0), stages)
        end = time.monotonic() + 20
        while list(processes_of(cache)):
            assert time.monotonic() < end, "processes outlive the suite that started them"
            time.sleep(0.1)
    result = run("s.yaml", "-o", "killed", cwd=folder, HARNESS_CACHE=str(cache))
    assert result.returncode == 0, result.stderr
    found = documents(folder / "killed")
    for label, stages in finished.items():
        assert set(STAGES[:stages]) <= cached(found)[label], f"{label} had finished {stages} stages"
    assert without_times(found) == without_times(documents(calm / "out"))
    assert not list((folder / "killed").rglob("*.tmp"))


def test_a_killed_suite_goes_on_where_it_was_and_comes_to_the_same(tmp_path: Path, calm: Path) -> None:
    survive(tmp_path, calm, kills=2, seed=1)


@pytest.mark.long
def test_the_same_over_dozens_of_kills(tmp_path: Path, calm: Path) -> None:
    for seed in range(10):
        (tmp_path / str(seed)).mkdir()
        survive(tmp_path / str(seed), calm, kills=8, seed=seed)


WRITTEN = """
import os
from harness.cache import Cache

get = Cache.get

def noting(self, step, inputs, compute):
    def noted():
        with open(os.environ["COMPUTED"], "a") as file:
            file.write(f"{step} {self._folder(step, inputs).name}\\n")
        return compute()
    return get(self, step, inputs, noted)

Cache.get = noting
"""


def test_two_suites_that_share_a_cache_do_each_step_once_between_them(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WRITTEN)
    write_scenario(tmp_path / "s.yaml", matrix=MATRIX)
    cache = cache_with_builds(tmp_path / "cache")
    changes = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "COMPUTED": str(tmp_path / "computed")}
    both = [start(tmp_path, output, cache, **changes) for output in ("one", "two")]
    for process in both:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    computed = (tmp_path / "computed").read_text().splitlines()
    assert len(computed) == len(set(computed))
    assert sum(line.startswith("emulation ") for line in computed) == len(MATRIX["platform"])
    one, two = (documents(tmp_path / name) for name in ("one", "two"))
    assert without_times(one) == without_times(two)


BROKEN = """
import os
import signal
import harness.pipeline.training_data as data

load = data.load_dataset

def broken(origin, train, test, seed, treatment):
    if seed == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    return load(origin, train, test, seed, treatment)

data.load_dataset = broken
"""


@pytest.mark.parametrize("fail_fast", [False, True], ids=["the rest goes on", "--fail-fast"])
def test_a_run_that_crashes_its_process_is_one_failed_row(tmp_path: Path, fail_fast: bool) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    write_scenario(tmp_path / "s.yaml", matrix={"dataset.seed": [0, 1]})
    cache = cache_with_builds(tmp_path / "cache")
    changes = {"HARNESS_CACHE": str(cache), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    options = ["--fail-fast"] if fail_fast else []
    result = run("s.yaml", "-o", "out", "-j", "1", *options, cwd=tmp_path, **changes)
    assert result.returncode == 3
    crashed, other = documents(tmp_path / "out")
    assert crashed["reason"] == "the process of the run ended: killed by SIGSEGV"
    if fail_fast:
        assert other["reason"] == "not run to its end, because small[0] failed (--fail-fast)"
    else:
        assert other["status"] == "ok"
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (("--memory-limit", "1 MiB"), r"the run took \d+ MiB of memory, more than its limit of 1 MiB"),
        (("--time-limit", "0.01"), r"the run took longer than its limit of 0.01 s"),
    ],
    ids=["memory", "time"],
)
def test_a_run_beyond_its_limit_is_ended_and_says_so(tmp_path: Path, option: tuple[str, str], reason: str) -> None:
    write_scenario(tmp_path / "s.yaml")
    cache = cache_with_builds(tmp_path / "cache")
    result = run("s.yaml", "-o", "out", *option, cwd=tmp_path, HARNESS_CACHE=str(cache))
    assert result.returncode == 3
    (document,) = documents(tmp_path / "out")
    assert re.fullmatch(reason, document["reason"])
    assert not list(processes_of(cache))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project whose files a test may change."""
    for name in ("harness", "firmware", "reports"):
        shutil.copytree(ROOT / name, tmp_path / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "project"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


class Rerun:
    """Runs the small scenario of a changed project again and again."""

    def __init__(self, folder: Path, project: Path, calm: Path) -> None:
        self._folder, self.project, self._cache = folder, project, folder / "cache"
        shutil.copytree(calm / "cache", self._cache, copy_function=os.link)
        write_scenario(folder / "s.yaml")

    def computed(self) -> set[str]:
        changes = {"HARNESS_CACHE": str(self._cache), "PYTHONPATH": str(self.project)}
        result = run("s.yaml", "-o", "out", cwd=self._folder, **changes)
        assert result.returncode == 0, result.stderr
        (found,) = cached(documents(self._folder / "out")).values()
        return set(STAGES) - found

    def change_unused_kernel(self) -> None:
        kernel = self.project / "firmware" / "kernels" / "conv2d_u8_forward.c"
        change(kernel, "#include", "typedef int unheard_of;\n#include")

    def change_cost_model(self) -> None:
        change(self.project / "harness" / "cost" / "cores" / "cortex-m4f.yaml", "model: ", "model: another-")


def test_a_changed_cost_model_prices_again_and_a_kernel_that_is_not_in_the_image_does_nothing(
    tmp_path: Path, project: Path, calm: Path
) -> None:
    rerun = Rerun(tmp_path, project, calm)
    rerun.change_unused_kernel()
    rerun.change_cost_model()
    assert rerun.computed() == {"price"}


@pytest.mark.long
def test_every_change_is_followed_by_the_steps_that_depend_on_it_and_no_others(
    tmp_path: Path, project: Path, calm: Path
) -> None:
    rerun = Rerun(tmp_path, project, calm)
    assert rerun.computed() == set()
    rerun.change_unused_kernel()
    assert rerun.computed() == set()
    kernel = project / "firmware" / "kernels" / "conv2d_f32.c"
    change(kernel, "#include", "// A comment moves every line behind it.\n#include")
    assert rerun.computed() == {"build", "price"}  # prices read the debug information, but the program is the same
    change(kernel, "bias[", "0.0f + bias[")
    assert rerun.computed() == {"build", "train", "emulate", "price"}
    rerun.change_cost_model()
    assert rerun.computed() == {"price"}


def test_a_suite_of_which_nothing_changed_is_recalled_and_says_so(calm: Path) -> None:
    changes = {"HARNESS_CACHE": str(calm / "cache")}
    assert run("s.yaml", "--dry-run", "-j", "2", cwd=calm, **changes).stdout.splitlines() == [
        "small[nrf52840]  in the cache",
        "small[rp2040]    in the cache",
        "2 runs, 2 at a time: about 0 s",
    ]
    again = run("s.yaml", "-o", "again", "-j", "2", cwd=calm, **changes)
    assert [line.partition(": ")[2][:2] for line in again.stderr.splitlines()] == ["ok", "ok"]
    before, after = documents(calm / "out"), documents(calm / "again")
    for document in after:
        assert set(document["provenance"]["cached"]) == set(STAGES)
        assert document["provenance"]["wall_s"].keys() == {"recall"}
    assert without_times(before) == without_times(after)
    folders = (calm / "out", calm / "again")
    first, second = ({path.relative_to(folder) for path in folder.rglob("*")} for folder in folders)
    assert first == second


def test_a_suite_whose_terminal_goes_away_leaves_no_process(tmp_path: Path) -> None:
    write_scenario(tmp_path / "s.yaml", matrix=MATRIX)
    cache = cache_with_builds(tmp_path / "cache")
    process = start(tmp_path, "out", cache)
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGHUP)
    process.stderr.close()
    process.wait(timeout=30)
    end = time.monotonic() + 20
    while list(processes_of(cache)):
        assert time.monotonic() < end
        time.sleep(0.1)
