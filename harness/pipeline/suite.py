"""Many runs at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from harness.pipeline.observer import Observer
from harness.pipeline.prepare import PreparedRun
from harness.pipeline.run import Runner
from harness.result import Document


def run_suite(prepared: Sequence[PreparedRun], observer: Observer, jobs: int) -> list[Document]:
    """Run all `prepared` runs, `jobs` at a time, and return their documents in the same order.

    Threads only wait here: the twin, the compiler and the emulator are processes of their own.
    """
    runner = Runner(observer)
    executor = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="run")
    try:
        return list(executor.map(runner.run, prepared))
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
