"""A process that runs one run after the other, so that a crash, a hang or a leak costs one run."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

from harness.assets import cache_dir
from harness.cache import Cache
from harness.engine.worker import death_of, depend_on_parent
from harness.errors import EngineError
from harness.pipeline.limits import Limits
from harness.pipeline.observer import Observer, Stage
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.run import Runner
from harness.result import Document

_WORKER = "from harness.pipeline.run_worker import serve; serve()"
_LOOK_PERIOD_S = 0.2
_GRACE_S = 3.0
_MIB = 1 << 20


@dataclass(frozen=True)
class Setup:
    """What a worker is told once: the output folder, and whether and as whom it makes everything anew."""

    folder: Path
    fresh: bool
    maker: str


class RunWorker:
    """The worker process as its owner sees it: one thread of a suite."""

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._limits = limits
        self._here, there = Pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(there.fileno())],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the owner's: a twin that it ends would look like a failure
        )
        there.close()
        self._here.send(setup)

    def run(self, prepared: PreparedRun, observer: Observer, check_stopped: Callable[[], None]) -> Document:
        """Return the document of `prepared`.

        Raises EngineError when the process dies or its run takes more than the limits; it is ended then. Raises what
        `check_stopped` raises, which is called now and then.
        """
        label, began = prepared.scenario.label, time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            self._here.send(prepared)
        while True:
            check_stopped()
            self._check_limits(began)
            try:
                if not self._here.poll(_LOOK_PERIOD_S):
                    continue
                kind, content = self._here.recv()
            except (EOFError, ConnectionError, pickle.UnpicklingError) as problem:
                raise EngineError(f"the process of the run ended: {death_of(self.process.wait())}") from problem
            if kind == "document":
                document: Document = content
                return document
            if kind == "raised":
                raise content
            getattr(observer, kind)(label, *content)

    def end(self) -> None:
        """End the process and all that it started; it is given a moment to tidy up."""
        started: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE_S)
        self.process.kill()
        for child in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait()
        self._here.close()

    def _check_limits(self, began: float) -> None:
        limits = self._limits
        if limits.time_s is not None and time.monotonic() - began > limits.time_s:
            raise EngineError(f"the run took longer than its limit of {limits.time_s:g} s")
        if limits.memory_bytes is not None and (used := _memory_bytes(self.process.pid)) > limits.memory_bytes:
            raise EngineError(
                f"the run took {used // _MIB} MiB of memory, more than its limit of {limits.memory_bytes // _MIB} MiB"
            )


def _memory_bytes(pid: int) -> int:
    """Return the resident memory of a process and all that it started."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total


class _Sender:
    """An observer that sends what it is told to the owner of the worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stage(self, label: str, stage: Stage) -> None:
        """Send that a stage begins."""
        self._connection.send(("stage", (stage,)))

    def steps(self, label: str, done: int, total: int) -> None:
        """Send how far the run is."""
        self._connection.send(("steps", (done, total)))

    def finished(self, document: Document) -> None:
        """Send nothing: the document itself follows."""


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def serve() -> None:
    """Run what the owner sends over the connection whose descriptor is the first argument of the process."""
    depend_on_parent()
    signal.signal(signal.SIGTERM, _leave)
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        setup: Setup = connection.recv()
        cache = Cache(cache_dir(), fresh=setup.fresh, maker=setup.maker)
        runner = Runner(_Sender(connection), setup.folder, cache)
        while True:
            message: tuple[str, Any]
            try:
                message = ("document", runner.run(connection.recv()))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as problem:
                if not os.environ.get("HARNESS_DEBUG"):
                    raise
                message = ("raised", problem)
            connection.send(message)
