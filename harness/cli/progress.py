"""Progress of a suite: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.pipeline import Stage
from harness.result import Document

PLAIN_INTERVAL_S = 10.0


def _outcome(document: Document) -> str:
    if document.status == "failed":
        return f"failed: {document.reason}"
    assert document.accuracy is not None
    return f"ok, accuracy {document.accuracy.test:.1%}"


class TerminalProgress:
    """One bar for the suite and one for each run under way."""

    def __init__(self, runs: int) -> None:
        """Expect `runs` runs."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=False,
        )
        self._suite = self._progress.add_task("runs", total=runs)
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, label: str, stage: Stage) -> None:
        """Show what a run is doing."""
        with self._lock:
            if label not in self._tasks:
                self._tasks[label] = self._progress.add_task(label, total=None)
            self._progress.reset(self._tasks[label], description=f"{label}: {stage}", total=None)

    def steps(self, label: str, done: int, total: int) -> None:
        """Move the bar of a run."""
        with self._lock:
            if label in self._tasks:
                self._progress.update(self._tasks[label], completed=done, total=total)

    def finished(self, document: Document) -> None:
        """Drop the bar of a run; say so when it failed."""
        with self._lock:
            task = self._tasks.pop(document.run.label, None)
            if task is not None:
                self._progress.remove_task(task)
            self._progress.advance(self._suite)
        if document.status == "failed":
            self._progress.console.print(f"{document.run.label}: {_outcome(document)}", markup=False)


class PlainProgress:
    """A line when a run enters a stage or ends, and now and then how far it is."""

    def __init__(self, runs: int) -> None:
        """Expect `runs` runs."""
        self._runs = runs
        self._done = 0
        self._began = time.monotonic()
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def _say(self, text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._began:6.1f} s] {text}\n")
        sys.stderr.flush()

    def stage(self, label: str, stage: Stage) -> None:
        """Write what a run is doing."""
        with self._lock:
            self._told[label] = time.monotonic()
            self._say(f"{label}: {stage}")

    def steps(self, label: str, done: int, total: int) -> None:
        """Write how far a run is, at most every few seconds."""
        with self._lock:
            if time.monotonic() - self._told.get(label, 0.0) >= PLAIN_INTERVAL_S:
                self._told[label] = time.monotonic()
                self._say(f"{label}: {done} of {total} steps")

    def finished(self, document: Document) -> None:
        """Write how a run ended, and the time left at the pace so far."""
        with self._lock:
            self._done += 1
            left = (time.monotonic() - self._began) / self._done * (self._runs - self._done)
            self._say(
                f"{document.run.label}: {_outcome(document)} ({self._done} of {self._runs}, about {left:.0f} s left)"
            )


def make_progress(runs: int) -> TerminalProgress | PlainProgress:
    """Return the progress display that fits standard error."""
    return TerminalProgress(runs) if sys.stderr.isatty() else PlainProgress(runs)
