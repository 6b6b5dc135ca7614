"""Suites on a Dask cluster: a real scheduler and two workers, each with a cache of its own, one killed mid-suite."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_caches import cache_with_builds
from small_scenarios import COMMAND, documents, environment, run, write_scenario

MATRIX = {"platform": ["nrf52840", "rp2040"], "training.learning_rate": [0.01, 0.02, 0.03]}


class Cluster:
    """A scheduler and two workers, as a user starts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes = [
            self._start("scheduler", folder / "scheduler-cache", "--port", "0", "--dashboard-address", ":0")
        ]
        self.address = self._address()
        for name in ("one", "two"):
            cache = cache_with_builds(folder / f"{name}-cache")
            self.processes.append(self._start("worker", cache, self.address, "--nthreads", "1", "--no-nanny"))

    def _start(self, kind: str, cache: Path, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + kind, *options, "--no-dashboard"]
        with (self._folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self._folder, env=environment(HARNESS_CACHE=str(cache)), stdout=log, stderr=log
            )

    def _address(self) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if told := re.search(r"tcp://\S+", (self._folder / "scheduler.log").read_text()):
                return told[0]
            time.sleep(0.1)
        raise TimeoutError("the scheduler never told its address")

    def wait(self) -> None:
        end = time.monotonic() + 120
        while len(re.findall("Registered to", (self._folder / "worker.log").read_text())) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    cluster = Cluster(tmp_path)
    try:
        cluster.wait()
        yield cluster
    finally:
        for process in cluster.processes:
            process.kill()
            process.wait()


def without_times(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for document in found:
        for key in ("created", "wall_s", "cached"):
            del document["provenance"][key]
    return found


@pytest.mark.long
def test_a_cluster_of_which_a_worker_is_killed_gives_the_same_bits(tmp_path: Path, cluster: Cluster) -> None:
    write_scenario(tmp_path / "s.yaml", matrix=MATRIX)
    cache = cache_with_builds(tmp_path / "local-cache")
    assert run("s.yaml", "-o", "local", cwd=tmp_path, HARNESS_CACHE=str(cache)).returncode == 0
    client_cache = str(tmp_path / "client-cache")
    options = ["--executor", "dask", "--scheduler", cluster.address]
    process = subprocess.Popen(
        [*COMMAND, "s.yaml", "-o", "remote", *options],
        cwd=tmp_path,
        env=environment(HARNESS_CACHE=client_cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if ": emulating" in line:
            cluster.processes[1].kill()
            break
    told += process.communicate(timeout=300)[1]
    assert process.returncode == 0, told
    assert without_times(documents(tmp_path / "remote")) == without_times(documents(tmp_path / "local"))
    for path in (tmp_path / "local").rglob("*"):
        if path.is_file() and path.parent.name in {"traces", "weights"}:
            assert (tmp_path / "remote" / path.relative_to(tmp_path / "local")).read_bytes() == path.read_bytes()
    again = run("s.yaml", "-o", "again", cwd=tmp_path, HARNESS_CACHE=client_cache)  # without the cluster
    assert again.returncode == 0, again.stderr
    stages = {stage for document in documents(tmp_path / "again") for stage in document["provenance"]["cached"]}
    assert {"train", "emulate", "price"} <= stages
    assert json.dumps(without_times(documents(tmp_path / "again")))


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--executor", "dask"], 2, "--executor dask and --scheduler ADDRESS go together"),
        (["--scheduler", "tcp://127.0.0.1:1"], 2, "--executor dask and --scheduler ADDRESS go together"),
    ],
)
def test_options_of_the_cluster_go_together(tmp_path: Path, options: list[str], status: int, message: str) -> None:
    write_scenario(tmp_path / "s.yaml")
    result = run("s.yaml", *options, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (status, "")
    assert result.stderr.startswith(message)
