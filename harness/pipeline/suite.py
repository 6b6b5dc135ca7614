"""Many runs: those that were done before are recalled, the others run in worker processes, several at a time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from harness.assets import cache_dir
from harness.cache import Cache, StoppedError
from harness.cache.eviction import limit_bytes, shrink
from harness.errors import EngineError
from harness.pipeline.duration import expected_s
from harness.pipeline.limits import Limits
from harness.pipeline.observer import Observer
from harness.pipeline.recall import board_of, recall, recalled
from harness.platform import Calibration
from harness.result import Document
from harness.scenario import Scenario

if TYPE_CHECKING:
    from harness.pipeline.prepared_run import PreparedRun
    from harness.pipeline.run_worker import RunWorker, Setup

_WAKE_PERIOD_S = 0.2


class Suite:
    """The runs of scenarios: their plans are checked, and what the cache has of them is known, before any begins."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        calibrations: Sequence[Calibration] = (),
        *,
        fresh: bool = False,
    ) -> None:
        """Plan the runs; with `fresh`, nothing that was done before now is taken from the cache.

        Raises InputError with a line for every run that cannot be planned or does not fit its budget.
        """
        self._scenarios, self._fresh = scenarios, fresh
        # Kept for as long as the suite, so that no one removes what it found.
        self._cache = Cache(cache_dir())
        self._found = [
            None if fresh else recall(self._cache, scenario, board_of(scenario, calibrations)) for scenario in scenarios
        ]
        missing = [scenario for scenario, entry in zip(scenarios, self._found, strict=True) if entry is None]
        self.prepared: list[PreparedRun] = []
        if missing:
            from harness.pipeline.prepared_run import prepare  # here: a suite of recalled runs needs no engine

            self.prepared = prepare(missing, calibrations)

    def durations_s(self) -> dict[str, float | None]:
        """Return how long each run will take by its label, None where nothing like it was ever run here."""
        return {
            scenario.label: 0.0 if entry is not None else expected_s(self._cache, scenario)
            for scenario, entry in zip(self._scenarios, self._found, strict=True)
        }

    def keep_cache_small(self) -> None:
        """Remove from the cache what was not used for longest, if it holds more than it may and no one else uses it."""
        shrink(self._cache, limit_bytes())

    def run(
        self,
        observer: Observer,
        jobs: int,
        folder: Path,
        limits: Limits | None = None,
        *,
        fail_fast: bool = False,
        scheduler: str | None = None,
    ) -> list[Document]:
        """Return the documents of all runs in order, `jobs` runs at a time; their files go into `folder`.

        With `fail_fast`, the first run that fails ends the others. Ctrl-C ends all processes and is passed on. With the
        address of a Dask `scheduler`, its workers run what the cache does not have; they have their own limits.
        """
        documents = []
        for scenario, entry in zip(self._scenarios, self._found, strict=True):
            if entry is not None:
                documents.append(recalled(entry, scenario, folder))
                observer.finished(documents[-1])
        done = iter(documents)
        fresh = self._fresh
        if scheduler is None:
            ran = iter(run_suite(self.prepared, observer, jobs, folder, limits, fresh=fresh, fail_fast=fail_fast))
        else:
            from harness.pipeline.cluster import run_on_cluster

            ran = iter(run_on_cluster(self.prepared, observer, folder, scheduler, fresh=fresh, fail_fast=fail_fast))
        return [next(ran if entry is None else done) for entry in self._found]


def run_suite(
    prepared: Sequence[PreparedRun],
    observer: Observer,
    jobs: int,
    folder: Path,
    limits: Limits | None = None,
    *,
    fresh: bool = False,
    fail_fast: bool = False,
) -> list[Document]:
    """Run all `prepared` runs in worker processes, `jobs` at a time, and return their documents in the same order.

    Firmware, traces and trained weights go into `folder`. With `fresh`, nothing that was done before the suite began is
    taken from the cache; with `fail_fast`, the first run that fails ends the others. Ctrl-C ends the processes, so that
    no thread waits on, and is passed on.
    """
    if not prepared:
        return []
    from harness.pipeline.run_worker import Setup as Told  # here: a suite of recalled runs needs no engine

    workers = _Workers(Told(folder, fresh, uuid.uuid4().hex), limits or Limits(), observer, fail_fast)
    with ThreadPoolExecutor(max_workers=min(jobs, len(prepared)), thread_name_prefix="run") as executor:
        futures: list[Future[Document]] = []
        try:
            futures += (executor.submit(workers.run, run) for run in prepared)
            pending = set(futures)
            while pending:
                # Without a timeout, a signal that arrives while this thread falls asleep would not wake it.
                done, pending = wait(pending, timeout=_WAKE_PERIOD_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            return [future.result() for future in futures]
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            workers.end()


class _Workers:
    """One worker process a thread."""

    def __init__(self, setup: Setup, limits: Limits, observer: Observer, fail_fast: bool) -> None:
        self._setup, self._limits, self._observer, self._fail_fast = setup, limits, observer, fail_fast
        self._own = threading.local()
        self._all: list[RunWorker] = []
        self._lock = threading.Lock()
        self._stopped = False
        self._failed = ""

    def run(self, prepared: PreparedRun) -> Document:
        """Return the document of a run; one that its process did not survive is a failed one."""
        from harness.pipeline.run import failed_document

        try:
            self._check_stopped()
            document = self._worker().run(prepared, self._observer, self._check_stopped)
        except EngineError as problem:
            self._drop()
            document = failed_document(prepared, str(problem))
        except StoppedError:
            self._drop()
            if self._stopped:
                raise
            document = failed_document(prepared, f"not run to its end, because {self._failed} failed (--fail-fast)")
        if self._fail_fast and document.status == "failed" and not self._failed:
            self._failed = document.run.label
        if not self._stopped:
            self._observer.finished(document)
        return document

    def end(self) -> None:
        """End all processes; runs under way come to nothing and tell the observer nothing."""
        self._stopped = True
        with self._lock:
            for worker in self._all:
                worker.end()
            self._all.clear()

    def _check_stopped(self) -> None:
        if self._stopped or self._failed:
            raise StoppedError

    def _worker(self) -> RunWorker:
        from harness.pipeline.run_worker import RunWorker

        if getattr(self._own, "worker", None) is None:
            with self._lock:
                self._check_stopped()
                self._own.worker = RunWorker(self._setup, self._limits)
                self._all.append(self._own.worker)
        worker: RunWorker = self._own.worker
        return worker

    def _drop(self) -> None:
        worker, self._own.worker = getattr(self._own, "worker", None), None
        with self._lock:
            if worker in self._all:
                self._all.remove(worker)
                worker.end()
