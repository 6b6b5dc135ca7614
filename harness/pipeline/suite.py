"""Many runs at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

import psutil

from harness.assets import cache_dir
from harness.cache import Cache
from harness.pipeline.observer import Observer
from harness.pipeline.prepare import PreparedRun
from harness.pipeline.run import Runner
from harness.result import Document

_WAKE_PERIOD_S = 0.2
_KILL_PERIOD_S = 0.1


def run_suite(
    prepared: Sequence[PreparedRun], observer: Observer, jobs: int, folder: Path, *, fresh: bool = False
) -> list[Document]:
    """Run all `prepared` runs, `jobs` at a time, and return their documents in the same order.

    Firmware, traces and trained weights go into `folder`. With `fresh`, nothing that was done before the suite began is
    taken from the cache.

    Threads only wait here: the twin, the compiler and the emulator are processes of their own. Ctrl-C ends those, so
    that no thread waits on, and is passed on.
    """
    runner = Runner(observer, folder, Cache(cache_dir(), fresh=fresh))
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="run") as executor:
        futures: list[Future[Document]] = []
        try:
            futures += (executor.submit(runner.run, run) for run in prepared)
            pending = set(futures)
            while pending:
                # Without a timeout, a signal that arrives while this thread falls asleep would not wake it.
                done, pending = wait(pending, timeout=_WAKE_PERIOD_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            return [future.result() for future in futures]
        except BaseException:
            runner.stop()
            executor.shutdown(wait=False, cancel_futures=True)
            _end(futures)
            raise


def _end(futures: Sequence[Future[Document]]) -> None:
    # concurrent.futures.wait() never counts a future that was cancelled while it waited for a thread as done.
    while not all(future.done() for future in futures):
        # A second Ctrl-C must not leave the processes behind that this is about to end.
        with contextlib.suppress(psutil.NoSuchProcess, KeyboardInterrupt, SystemExit):
            for child in psutil.Process().children(recursive=True):
                child.kill()
            time.sleep(_KILL_PERIOD_S)
