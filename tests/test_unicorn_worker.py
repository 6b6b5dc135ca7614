import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from firmware_builds import fault, job, probe

from harness.engine import UnicornEngine, run_isolated
from harness.errors import EngineError, FaultError, InputError


class _Dies:
    """An engine that kills its own process."""

    name = "dies"
    isolated = False

    def run(self, _job, _progress=None):
        os.kill(os.getpid(), signal.SIGSEGV)


class _Hangs:
    name = "hangs"
    isolated = False

    def run(self, _job, _progress=None):
        time.sleep(60)


class _Refuses:
    name = "refuses"
    isolated = False

    def run(self, _job, _progress=None):
        raise InputError("line one", "line two")


@pytest.fixture(autouse=True)
def _worker_finds_this_module(monkeypatch):
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, str(Path(here).parent)]))


def test_a_worker_returns_the_same_trace_and_reports_progress():
    work = job("nrf52840", probe("nrf52840"))
    here, seen = UnicornEngine().run(work), []
    there = run_isolated(work, seen.append)
    assert np.array_equal(here.executions, there.executions)
    assert here.contexts == there.contexts
    assert here.records == there.records
    assert seen[0] == 1


def test_a_fault_keeps_its_type_and_message():
    work = job("nrf52840", fault("nrf52840", "read_unmapped"))
    with pytest.raises(FaultError, match="0x80000000 in read_unmapped"):
        run_isolated(work)


def test_an_input_error_keeps_its_lines():
    with pytest.raises(InputError) as caught:
        run_isolated(job("nrf52840", probe("nrf52840")), engine=_Refuses())
    assert str(caught.value) == "line one\nline two"


def test_a_crash_of_the_worker_names_the_signal():
    with pytest.raises(EngineError, match="ended without a result: killed by SIGSEGV"):
        run_isolated(job("nrf52840", probe("nrf52840")), engine=_Dies())


def test_a_worker_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr("harness.engine.worker._GRACE_S", 1.0)
    with pytest.raises(EngineError, match="timeout: the emulator did not answer"):
        run_isolated(job("nrf52840", probe("nrf52840"), timeout_s=0.5), engine=_Hangs())
    assert not _workers_of(os.getpid())


def _workers_of(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return [p for p in psutil.Process(pid).children() if any("serve_one" in part for part in p.cmdline())]
    return []


_PARENT = textwrap.dedent("""
    import sys
    sys.path[:0] = sys.argv[1:3]
    from firmware_builds import fault, job
    from harness.engine import run_isolated
    run_isolated(job("nrf52840", fault("nrf52840", "endless"), timeout_s=60))
""")


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(kind):
    here = Path(__file__).parent
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(here), str(here.parent)], stderr=subprocess.DEVNULL)
    try:
        workers = []
        for _ in range(400):
            workers = _workers_of(parent.pid)
            if workers or parent.poll() is not None:
                break
            time.sleep(0.05)
        assert workers
        parent.send_signal(kind)
        parent.wait(timeout=30)
        gone, alive = psutil.wait_procs(workers, timeout=30)
        assert not alive
        assert gone
    finally:
        parent.kill()
        parent.wait()
