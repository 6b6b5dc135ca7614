"""Runs one emulation in a process of its own, so that a crash, a hang or a leak costs one run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from harness.engine.job import Engine, Job, Progress
from harness.engine.unicorn import UnicornEngine
from harness.errors import EngineError, HarnessError
from harness.trace.trace import Trace

_GRACE_S = 20.0
"""What a worker may need beside the emulation itself: to start, to read the ELF, to send the trace."""

_PR_SET_PDEATHSIG = 1
_WORKER = "from harness.engine.worker import serve_one; serve_one()"


def run_isolated(job: Job, progress: Progress | None = None, engine: Engine | None = None) -> Trace:
    """Run `job` on `engine` (the default one if None) in a process of its own and return its trace.

    `progress` is called in this process. Raises what the engine raises, as the same type, and EngineError when the
    worker dies or does not answer in time. The worker never outlives the call, nor this process.
    """
    if engine is not None and engine.isolated:
        return engine.run(job, progress)
    here, there = Pipe()
    with here:
        worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(there.fileno())],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
        )
        there.close()
        try:
            with contextlib.suppress(BrokenPipeError):
                here.send((engine or UnicornEngine(), job))
            return _result(here, worker, job, progress)
        finally:
            worker.kill()
            worker.wait()


def _result(here: Connection, worker: subprocess.Popen[bytes], job: Job, progress: Progress | None) -> Trace:
    remaining_s = job.timeout_s + _GRACE_S
    while True:
        try:
            if not here.poll(remaining_s):
                raise EngineError(f"timeout: the emulator did not answer within {remaining_s:g} s")
            kind, content = here.recv()
        except (EOFError, ConnectionError, pickle.UnpicklingError) as problem:
            raise EngineError(f"the emulator process ended without a result: {death_of(worker.wait())}") from problem
        if kind == "trace":
            trace: Trace = content
            return trace
        if kind == "error":
            raise content
        if progress is not None:
            progress(content)


def death_of(status: int) -> str:
    """Say how a process ended, from its `returncode`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _serve(connection: Connection) -> None:
    engine, job = connection.recv()
    # From now on the parent sends nothing: its end closes when it is gone, however it ended.
    threading.Thread(target=_die_with_parent, args=(connection,), daemon=True).start()
    message: tuple[str, Any]
    try:
        message = ("trace", engine.run(job, lambda steps: connection.send(("progress", steps))))
    except HarnessError as problem:
        message = ("error", problem)
    connection.send(message)


def _die_with_parent(connection: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        connection.recv()
    os._exit(1)


def depend_on_parent() -> None:
    """Leave Ctrl-C, which reaches the whole process group, to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def serve_one() -> None:
    """Do what the parent sends over the connection whose descriptor is the first argument of the process."""
    depend_on_parent()
    with contextlib.suppress(BrokenPipeError):
        _serve(Connection(int(sys.argv[1])))
