"""How much faster a suite of 24 runs is on two Dask workers than on one, on this machine.

    python benchmarks/cluster_scaling.py

Scheduler, workers and harness are processes with caches of their own, which have the builds and nothing else. The first
suite, whose time is not counted, makes those builds. Needs the extra `dask`, and an otherwise idle machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCENARIO = """
name: scaling
model: {name: digits-cnn}
dataset: {name: digits, train: 1000, test: 400, seed: 1}
training: {epochs: 5, batch_size: 16, learning_rate: 0.005}
memory: {ram_budget: 64 KiB, flash_budget: 512 KiB}
engine: {steps: 512}
matrix:
  platform: [nrf52840, imxrt1062]
  training.dtype: [uint8, float32]
  training.update.min_ratio: [1.0, 0.5, 0.1]
  training.learning_rate: [0.005, 0.01]
"""
RUNS = 24
BUILDS = ("steps-1/build", "steps-1/used-sources", "native")


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "HARNESS_CACHE": str(cache)}


def harness(folder: Path, cache: Path, *options: str) -> float:
    command = [sys.executable, "-m", "harness", "run", str(folder / "s.yaml"), "-o", str(folder / "out"), *options]
    began = time.perf_counter()
    subprocess.run(command, env=environment(cache), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def with_builds(built: Path, cache: Path) -> Path:
    for name in BUILDS:
        shutil.copytree(built / name, cache / name)
    return cache


@contextmanager
def cluster(folder: Path, built: Path, workers: int) -> Iterator[str]:
    """Start a scheduler and workers; give its address when all workers are there."""
    from distributed import Client

    told = folder / "scheduler.json"
    python = [sys.executable, "-m"]
    commands = {folder / "scheduler": [*python, "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]}
    for number in range(workers):
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        commands[folder / f"worker-{number}"] = [*python, "distributed.cli.dask_worker", *options]
    processes = []
    try:
        for cache, command in commands.items():
            with_builds(built, cache)
            processes.append(
                subprocess.Popen(
                    [*command, "--scheduler-file", str(told)], env=environment(cache), stderr=subprocess.DEVNULL
                )
            )
            while not told.exists():
                time.sleep(0.1)
        with Client(scheduler_file=str(told)) as client:
            client.wait_for_workers(workers)
            yield client.scheduler.address
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(folder: Path, built: Path, workers: int) -> float:
    folder.mkdir()
    (folder / "s.yaml").write_text(SCENARIO)
    with cluster(folder, built, workers) as address:
        return harness(folder, folder / "client", "--executor", "dask", "--scheduler", address)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cluster-scaling-") as temporary:
        place = Path(temporary)
        (place / "s.yaml").write_text(SCENARIO)
        built = place / "built"
        harness(place, built)
        one, two = (measure(place / f"workers-{workers}", built, workers) for workers in (1, 2))
    print(f"{RUNS} runs: {one:.1f} s on one worker, {two:.1f} s on two: {one / two:.2f} times as fast")


if __name__ == "__main__":
    main()
