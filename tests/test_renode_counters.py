"""Firmware that reads its own cycle counter sees the cycles of the model: as recorded from Renode, and in one here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from firmware_builds import BOARDS, build
from small_scenarios import write_scenario
from typer.testing import CliRunner

from harness.build import Image
from harness.cli import app
from harness.cost import BoardMemory, price
from harness.engine import Job
from harness.engine.renode.engine import RenodeEngine
from harness.engine.renode.installation import find_renode
from harness.engine.renode.pace import Pace, pace
from harness.errors import MissingToolError
from harness.pipeline import prepare
from harness.pipeline.hardware import HardwareBuilder
from harness.pipeline.profile import RegionName, profile
from harness.platform import load_platform
from harness.scenario import read_scenarios
from harness.trace import STEP_PHASES

RECORDED = Path(__file__).parent / "data" / "renode-counters.json"
STEPS = 8


@dataclass(frozen=True)
class Counted:
    """What the training steps of a firmware took by the default engine's counts, and the firmware."""

    elf: Path
    instructions: int
    cycles: float

    def pace(self, board: str) -> Pace:
        return pace(load_platform(board).clock_hz, self.cycles / self.instructions)


class _Silent:
    def stage(self, label: str, stage: object) -> None: ...

    def steps(self, label: str, done: int, total: int) -> None: ...

    def finished(self, document: object) -> None: ...


def counted_firmware(board: str, folder: Path) -> Counted:
    """Build firmware that measures its own training steps, and price them."""
    file = write_scenario(folder / f"{board}.yaml", platform=board, engine={"steps": STEPS})
    built = HardwareBuilder(_Silent(), folder).build(prepare(read_scenarios(file))[0])
    trace = built.trace()
    cycles = price(trace, Image(built.elf), load_platform(board), BoardMemory())
    columns = [column for column, context in enumerate(trace.contexts) if context.phase in STEP_PHASES]
    spent = cycles.by_address[:, columns]
    return Counted(built.elf, int(trace.executions[:, columns].sum()), float(np.sum(spent)))


def cycles_of_steps(rows: list[str]) -> int:
    """Add up what a firmware measured between the markers of its training steps."""
    fields = [row.split(",") for row in rows]
    return sum(int(row[-1]) for row in fields if row[3] in STEP_PHASES)


def recording(board: str, counted: Counted, rows: list[str], renode: str) -> dict[str, Any]:
    chosen = counted.pace(board)
    return {
        "renode": renode,
        "elf_sha256": hashlib.sha256(counted.elf.read_bytes()).hexdigest(),
        "instructions": counted.instructions,
        "mips": chosen.mips,
        "counter_hz": chosen.counter_hz,
        "rows": rows,
    }


@pytest.mark.parametrize("board", BOARDS)
def test_what_firmware_read_from_its_counters_in_renode_was_the_cycles_of_the_pace(board: str) -> None:
    recorded = json.loads(RECORDED.read_text())[board]
    assert recorded["renode"].startswith("1.16.1")
    used = Pace(recorded["mips"], recorded["counter_hz"])
    expected = recorded["instructions"] * used.cycles_per_instruction
    assert cycles_of_steps(recorded["rows"]) == pytest.approx(expected, rel=0.02)
    # Every phase of a training step and every layer was measured.
    assert {row.split(",")[3] for row in recorded["rows"]} >= set(STEP_PHASES)
    assert used == pace(load_platform(board).clock_hz, used.cycles_per_instruction)


@pytest.fixture(scope="module")
def engine() -> type[RenodeEngine]:
    if find_renode() is None:
        pytest.skip("Renode is not here: RENODE is not set, and neither PATH nor the cache has it")
    return RenodeEngine


@pytest.mark.parametrize("board", BOARDS)
def test_firmware_that_reads_its_counters_sees_the_modelled_cycles_of_a_training_step(
    engine: type[RenodeEngine], board: str, tmp_path: Path
) -> None:
    counted = counted_firmware(board, tmp_path)
    trace = engine(pace=counted.pace(board)).run(Job(counted.elf, load_platform(board)))
    rows = [record["text"] for record in trace.records if record["r"] == "row"]
    assert cycles_of_steps(rows) == pytest.approx(counted.cycles, rel=0.02)
    recorded = json.loads(RECORDED.read_text())[board]
    now = recording(board, counted, rows, recorded["renode"])
    if all(now[key] == recorded[key] for key in ("elf_sha256", "mips", "counter_hz")):
        assert cycles_of_steps(rows) == pytest.approx(cycles_of_steps(recorded["rows"]), rel=0.001)


def test_without_a_pace_a_counter_shows_a_cycle_for_each_instruction(
    engine: type[RenodeEngine], tmp_path: Path
) -> None:
    counted = counted_firmware("nrf52840", tmp_path)
    trace = engine().run(Job(counted.elf, load_platform("nrf52840")))
    rows = [record["text"] for record in trace.records if record["r"] == "row"]
    assert cycles_of_steps(rows) == pytest.approx(counted.instructions, rel=0.01)


def test_profile_says_the_same_on_both_engines(engine: type[RenodeEngine]) -> None:
    elf, platform = build("nrf52840", "cyccnt.c"), load_platform("nrf52840")
    on_default = profile(elf, platform, RegionName("my_function"))
    assert profile(elf, platform, RegionName("my_function"), engine=engine()) == on_default
    region = ["--region", "my_function", "--call", "1", "--timeout", "60"]
    shown = CliRunner().invoke(app, ["profile", str(elf), "--core", "cortex-m4f", "--engine", "renode", *region])
    assert shown.exit_code == 0, shown.output
    assert f"{on_default.instructions:,} instructions (exact)" in shown.output


def test_profile_without_a_renode_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RENODE", raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    elf = build("nrf52840", "cyccnt.c")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(app, ["profile", str(elf), "--platform", "nrf52840", "--engine", "renode"])
    assert isinstance(result.exception, MissingToolError)
    assert "harness renode install" in str(result.exception)


def record(folder: Path) -> None:
    """Record anew: PYTHONPATH=.:tests python -c 'import test_renode_counters as t; t.record(t.Path("/tmp"))'."""
    renode = find_renode()
    assert renode is not None
    recorded = {}
    for board in BOARDS:
        counted = counted_firmware(board, folder)
        trace = RenodeEngine(pace=counted.pace(board)).run(Job(counted.elf, load_platform(board)))
        rows = [record["text"] for record in trace.records if record["r"] == "row"]
        recorded[board] = recording(board, counted, rows, f"{renode.version}, built from the sources of v1.16.1")
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")
