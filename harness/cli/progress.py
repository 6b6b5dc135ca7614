"""Progress of a suite: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from harness.pipeline import Stage
from harness.result import Document

PLAIN_INTERVAL_S = 10.0

Clock = Callable[[], float]


def _outcome(document: Document) -> str:
    if document.status == "failed":
        return f"failed: {document.reason}"
    assert document.accuracy is not None
    assert document.agreement is not None
    return f"ok, accuracy {document.accuracy.test:.1%}, {document.agreement.steps_emulated} steps emulated"


def duration(seconds: float) -> str:
    """Return a duration for people: `8 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class _Pace:
    """How far each run and the suite are, and how long the rest takes at the pace so far."""

    def __init__(self, runs: int, clock: Clock) -> None:
        self.runs = runs
        self.finished = 0
        self._clock = clock
        self._began = clock()
        self._entered: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._began

    def enter(self, label: str) -> None:
        """Run `label` enters a stage."""
        self._entered[label] = self._clock()

    def stage_left_s(self, label: str, done: int, total: int) -> float | None:
        """Return the seconds until the stage of run `label` ends, None when nothing is done yet."""
        if done == 0:
            return None
        return (self._clock() - self._entered[label]) / done * (total - done)

    def suite_left_s(self) -> float | None:
        """Return the seconds until the suite ends, None before the first run has, and when all have."""
        if self.finished in (0, self.runs):
            return None
        return self.elapsed_s / self.finished * (self.runs - self.finished)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds)} left"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


_BAR_WIDTH = 10
_LABEL_WIDTH_MIN = 24
_WIDTH_WITH_BARS = 76


def _column(ratio: int | None = None, min_width: int | None = None) -> Column:
    return Column(ratio=ratio, min_width=min_width, no_wrap=True, overflow="ellipsis")


@dataclass(frozen=True)
class _Activity:
    """What a run is doing. A label is cut at its beginning, the same for all runs; its end tells them apart."""

    stage: str
    label: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_LABEL_WIDTH_MIN, max(len(self.stage) + len(self.label) + 1, _LABEL_WIDTH_MIN))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - len(self.stage) - 1
        label = self.label if len(self.label) <= room else f"…{self.label[1 - room :]}"
        yield Text(f"{self.stage} {label}", no_wrap=True)


class _ActivityColumn(ProgressColumn):
    """Stage and label of a run."""

    def render(self, task: Task) -> _Activity:
        """Return what one bar is about."""
        return _Activity(task.fields["stage"], task.description)


class _LeftColumn(ProgressColumn):
    """The time left, counted down between reports."""

    max_refresh = 1.0  # a number that changes ten times a second cannot be read

    def render(self, task: Task) -> Text:
        """Return the text for one bar."""
        end: float | None = task.fields["end_s"]
        left = None if end is None else max(end - task.get_time(), 0.0)
        return Text(_left(left), style="progress.remaining")


class TerminalProgress:
    """One bar for the suite and one for each run under way."""

    def __init__(self, runs: int, console: Console | None = None, clock: Clock = time.monotonic) -> None:
        """Expect `runs` runs; draw on `console`, standard error if None. `clock` gives seconds."""
        self._pace = _Pace(runs, clock)
        self._clock = clock
        console = console or Console(stderr=True)
        bar = [BarColumn(bar_width=_BAR_WIDTH)] if console.width >= _WIDTH_WITH_BARS else []
        self._progress = Progress(
            _ActivityColumn(table_column=_column(ratio=1, min_width=_LABEL_WIDTH_MIN)),
            *bar,
            TextColumn("{task.fields[count]}", justify="right", table_column=_column()),
            TimeElapsedColumn(),
            _LeftColumn(table_column=_column(min_width=len("10 s left"))),
            console=console,
            get_time=clock,
            transient=False,
            expand=True,
        )
        self._suite = self._progress.add_task("runs", stage="all", total=runs, count=f"0/{runs} runs", end_s=None)
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            self._progress.remove_task(task)  # what is cut off leaves no bar behind
        self._progress.stop()

    def _ends_in(self, seconds: float | None) -> float | None:
        return None if seconds is None else self._clock() + seconds

    def stage(self, label: str, stage: Stage) -> None:
        """Show what a run is doing."""
        with self._lock:
            self._pace.enter(label)
            if label not in self._tasks:
                self._tasks[label] = self._progress.add_task(label, stage="", total=None, count="", end_s=None)
            verb = stage.partition(" ")[0]
            self._progress.reset(self._tasks[label], stage=verb, total=None, count="", end_s=None)

    def steps(self, label: str, done: int, total: int) -> None:
        """Move the bar of a run."""
        with self._lock:
            if label in self._tasks:
                self._progress.update(
                    self._tasks[label],
                    completed=done,
                    total=total,
                    count=f"{done}/{total} steps",
                    end_s=self._ends_in(self._pace.stage_left_s(label, done, total)),
                )

    def finished(self, document: Document) -> None:
        """Drop the bar of a run; say so when it failed."""
        with self._lock:
            task = self._tasks.pop(document.run.label, None)
            if task is not None:
                self._progress.remove_task(task)
            self._pace.finished += 1
            self._progress.update(
                self._suite,
                completed=self._pace.finished,
                count=f"{self._pace.finished}/{self._pace.runs} runs",
                end_s=self._ends_in(self._pace.suite_left_s()),
            )
        if document.status == "failed":
            self._progress.console.print(f"{document.run.label}: {_outcome(document)}", markup=False, highlight=False)


class PlainProgress:
    """A line when a run enters a stage or ends, and now and then how far it is."""

    def __init__(self, runs: int, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        """Expect `runs` runs; write to `stream`, standard error if None. `clock` gives seconds."""
        self._pace = _Pace(runs, clock)
        self._stream = stream or sys.stderr
        self._clock = clock
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def _say(self, text: str) -> None:
        self._stream.write(f"[{self._pace.elapsed_s:6.1f} s] {text}\n")
        self._stream.flush()

    def stage(self, label: str, stage: Stage) -> None:
        """Write what a run is doing."""
        with self._lock:
            self._pace.enter(label)
            self._told[label] = self._clock()
            self._say(f"{label}: {stage}")

    def steps(self, label: str, done: int, total: int) -> None:
        """Write how far a run is, at most every few seconds."""
        with self._lock:
            if self._clock() - self._told[label] >= PLAIN_INTERVAL_S:
                self._told[label] = self._clock()
                left = _left(self._pace.stage_left_s(label, done, total))
                self._say(_joined(f"{label}: {done} of {total} steps", left))

    def finished(self, document: Document) -> None:
        """Write how a run ended, and the time left at the pace so far."""
        with self._lock:
            self._pace.finished += 1
            progress = _joined(f"{self._pace.finished} of {self._pace.runs} runs", _left(self._pace.suite_left_s()))
            self._say(f"{document.run.label}: {_outcome(document)} ({progress})")


def make_progress(runs: int) -> TerminalProgress | PlainProgress:
    """Return the progress display that fits standard error."""
    return TerminalProgress(runs) if sys.stderr.isatty() else PlainProgress(runs)
