"""Renode and the default engine on the same firmware."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from firmware_builds import BOARDS, fault, job, probe
from renode_evidence import difference
from renode_found import needs_renode

from harness.build import Image
from harness.engine import AnyElf, Region, UnicornEngine
from harness.engine.renode.engine import RenodeEngine
from harness.engine.renode.pool import SESSIONS
from harness.errors import EngineError, FaultError, HarnessError, InputError


@pytest.fixture(autouse=True)
def _renode(monkeypatch, tmp_path_factory):
    needs_renode()


@pytest.mark.parametrize("optimization", ["-O2", "-Os", "-O0"])
@pytest.mark.parametrize("board", BOARDS)
def test_counts_of_every_address_phase_and_layer_are_those_of_the_default_engine(board, optimization):
    work = job(board, probe(board, optimization), timeout_s=120)
    assert difference(RenodeEngine().run(work), UnicornEngine().run(work)) is None


@pytest.mark.parametrize("call", [0, 3])
def test_a_region_of_any_elf_is_counted_alike(call):
    elf = probe("nrf52840")
    begin = next(s.address & ~1 for name, s in Image(elf).symbols.items() if name == "marker")
    work = job("nrf52840", elf, timeout_s=60, any_elf=AnyElf(Region(begin, call=call)))
    assert difference(RenodeEngine().run(work), UnicornEngine().run(work)) is None


def test_a_region_within_straight_line_code_is_refused():
    elf = probe("nrf52840")
    work = job("nrf52840", elf, any_elf=AnyElf(Region((Image(elf).symbols["finish"].address & ~1) + 2, call=1)))
    with pytest.raises(InputError):
        RenodeEngine().run(work)


FAULTS = (
    "read_unmapped", "write_unmapped", "jump_unmapped", "jump_to_data", "stack_overflow", "sleep", "supervisor_call",
    "bad_marker",
)  # fmt: skip


def _complaint(engine, work) -> tuple[type, str]:
    with pytest.raises(HarnessError) as caught:
        engine.run(work)
    return caught.type, str(caught.value).partition("; Renode's log")[0]


@pytest.mark.parametrize("board", ["rp2040", "nrf52840"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_in_the_same_words(board, name):
    work = job(board, fault(board, name), timeout_s=60)
    assert _complaint(RenodeEngine(), work) == _complaint(UnicornEngine(), work)


@pytest.mark.parametrize(("name", "flags"), [("float_add", ["-DNO_FPU_ENABLE"]), ("jump_without_thumb", [])])
def test_a_fault_of_an_armv7_core_is_told_in_the_same_words(name, flags):
    work = job("nrf52840", fault("nrf52840", name, 0, *flags), timeout_s=60)
    assert _complaint(RenodeEngine(), work) == _complaint(UnicornEngine(), work)


def test_a_status_other_than_zero_is_an_error_and_the_log_is_kept():
    with pytest.raises(EngineError, match="the firmware ended with status 7 and wrote no record") as caught:
        RenodeEngine().run(job("nrf52840", fault("nrf52840", "nothing", 7), timeout_s=60))
    log = Path(str(caught.value).rpartition(": ")[2])
    assert "[INFO]" in log.read_text()
    assert str(log.parent) in (log.parent / "run.resc").read_text()


def test_a_bad_record_ends_the_run_and_the_next_one_is_well():
    with pytest.raises(EngineError, match="record 0 is no JSON"):
        RenodeEngine().run(job("nrf52840", fault("nrf52840", "bad_record"), timeout_s=60))
    assert RenodeEngine().run(job("nrf52840", fault("nrf52840", "nothing"), timeout_s=60)).instructions > 50


def test_a_timeout_says_where_the_firmware_was():
    with pytest.raises(EngineError, match=r"timeout: not finished after 2 s in endless \(faults\.c:\d+\)"):
        RenodeEngine().run(job("nrf52840", fault("nrf52840", "endless"), timeout_s=2))


def test_an_error_in_the_progress_callback_ends_the_run():
    def refuse(_steps):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        RenodeEngine().run(job("nrf52840", probe("nrf52840"), timeout_s=60), refuse)
    assert RenodeEngine().run(job("nrf52840", fault("nrf52840", "nothing"), timeout_s=60)).instructions > 50


def _renodes() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "serve.resc" in " ".join(child.cmdline())]


def test_runs_one_after_the_other_share_a_process():
    work = job("nrf52840", fault("nrf52840", "nothing"), timeout_s=60)
    RenodeEngine().run(work)
    before = {process.pid for process in _renodes()}
    RenodeEngine().run(work)
    assert {process.pid for process in _renodes()} == before


def test_a_renode_that_is_killed_in_mid_run_costs_one_run_and_leaves_nothing():
    work = job("nrf52840", fault("nrf52840", "endless"), timeout_s=60)
    RenodeEngine().run(job("nrf52840", fault("nrf52840", "nothing"), timeout_s=60))
    folders = {session.folder for session in SESSIONS._all}
    victims = _renodes()
    threading.Timer(1.5, lambda: [victim.kill() for victim in victims]).start()
    with pytest.raises(EngineError, match="Renode ended without a result: killed by SIGKILL"):
        RenodeEngine().run(work)
    gone, alive = psutil.wait_procs(victims, timeout=30)
    assert gone
    assert not alive
    assert not any(folder.exists() for folder in folders)
    with pytest.raises(FaultError):
        RenodeEngine().run(job("nrf52840", fault("nrf52840", "read_unmapped"), timeout_s=60))


_PARENT = textwrap.dedent("""
    import sys
    sys.path[:0] = sys.argv[1:3]
    from firmware_builds import fault, job
    from harness.engine.renode.engine import RenodeEngine
    RenodeEngine().run(job("nrf52840", fault("nrf52840", "endless"), timeout_s=120))
""")


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_no_renode_outlives_the_harness(kind, tmp_path):
    here = Path(__file__).parent
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(here), str(here.parent)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        children = []
        for _ in range(1200):
            children = psutil.Process(parent.pid).children(recursive=True)
            if any(tmp_path.glob("harness-renode-*/run-*/settings.bin")) or parent.poll() is not None:
                break
            time.sleep(0.05)
        assert any(tmp_path.glob("harness-renode-*/run-*/settings.bin"))
        parent.send_signal(kind)
        parent.wait(timeout=30)
        gone, alive = psutil.wait_procs(children, timeout=30)
        assert gone
        assert not alive
    finally:
        parent.kill()
        parent.wait()
