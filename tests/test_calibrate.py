"""Fitting a board to measured cycles: known parameters come back, bad rows are named."""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from firmware_builds import job, probe
from small_scenarios import write_scenario
from typer.testing import CliRunner

from harness.build import Image
from harness.cli import app
from harness.cost import BoardMemory, price
from harness.cost.fit import Emulated, _columns, fit, read_measurements
from harness.engine import Job, UnicornEngine, device
from harness.errors import InputError
from harness.pipeline import prepare
from harness.pipeline.hardware import HardwareBuilder, boot_checksum, read_firmware
from harness.pipeline.run import Runner
from harness.platform import load_platform, read_calibration
from harness.scenario import read_scenarios

DATE = datetime.date(2026, 11, 24)
PER_ENTRY, BRANCH = 17.0, 0.75
BOARDS = {"stm32l4r5zi": 11.0, "rp2040": 61.0}
"""Boards, and the cycles of a missed fetch that the synthetic measurements are made with."""


@cache
def emulated(board: str) -> Emulated:
    elf = probe(board)
    return Emulated(UnicornEngine().run(replace(job(board, elf), simulate_caches=True)), Image(elf))


def measure(board: str, path: Path, noise: float = 0.0) -> Path:
    """Write rows as a board would that behaves as the model with known parameters."""
    platform, one = load_platform(board), emulated(board)
    contexts, core, features, entries = _columns(one, platform)
    names = ["entries"]
    for known in platform.memory_system.paths:
        names += [known.name] if known.access == "load" else [known.name, "branch"]
    true = {"entries": PER_ENTRY, "branch": BRANCH, "flash.fetch": BOARDS[board], "flash.load": BOARDS[board] / 2}
    cycles = core + features @ np.array([true.get(name, 0.0) for name in names])
    cycles *= 1 + noise * np.random.default_rng(5).standard_normal(len(cycles))
    rows = [
        f"cycles,{board},p,{context.phase},{context.layer},{int(count)},{round(value)}"
        for context, count, value in zip(contexts, entries, cycles, strict=True)
        if count
    ]
    path.write_text('# captured\n{"r":"start"}\n\n' + "\n".join(rows) + "\n")
    return path


def fitted(board: str, path: Path):
    rows = read_measurements(path)
    return fit(rows, {"p": emulated(board)}, load_platform(board), path.name, DATE)


@pytest.mark.parametrize("board", BOARDS)
def test_the_parameters_of_exact_measurements_come_back(board, tmp_path):
    result = fitted(board, measure(board, tmp_path / "m.csv"))
    found = {name: one.value for name, one in result.calibration.parameters.items()}
    assert found["flash.fetch.wait_cycles"] == pytest.approx(BOARDS[board], rel=0.01)
    assert found["flash.fetch.taken_branch_cycles"] == pytest.approx(BRANCH, rel=0.02)
    assert result.entry_cycles == pytest.approx(PER_ENTRY, rel=0.5)
    assert result.calibration.residual.mean_percent < 0.05
    assert result.calibration.residual.before_percent > 1


@pytest.mark.parametrize("board", BOARDS)
def test_with_noise_they_come_back_within_their_errors_and_the_residual_is_the_noise(board, tmp_path):
    result = fitted(board, measure(board, tmp_path / "m.csv", noise=0.01))
    one = result.calibration.parameters["flash.fetch.taken_branch_cycles"]
    assert abs(one.value - BRANCH) < 4 * one.standard_error
    assert 0 < one.standard_error < 0.3
    residual = result.calibration.residual
    assert 0.1 < residual.mean_percent < 1.5
    assert residual.mean_percent <= residual.held_out_percent
    assert residual.mean_percent < residual.before_percent
    assert residual.worst_percent >= residual.mean_percent


def test_what_the_rows_say_nothing_about_keeps_the_value_of_the_board(tmp_path):
    result = fitted("stm32l4r5zi", measure("stm32l4r5zi", tmp_path / "m.csv"))
    assert "octospi1.load.wait_cycles" in result.unfitted
    platform = load_platform("stm32l4r5zi")
    changed = result.calibration.applied_to(platform)
    before, after = ({path.name: path for path in p.memory_system.paths} for p in (platform, changed))
    assert after["octospi1.load"] == before["octospi1.load"]
    assert after["flash.fetch"].wait_cycles.value == pytest.approx(BOARDS["stm32l4r5zi"], rel=0.01)
    assert result.calibration.applied_to(load_platform("nrf52840")) == load_platform("nrf52840")


def test_a_calibrated_board_predicts_the_measurements_and_says_so(tmp_path):
    board = "stm32l4r5zi"
    path = measure(board, tmp_path / "m.csv")
    fitted(board, path).calibration.save(tmp_path / "c.yaml")
    calibration = read_calibration(tmp_path / "c.yaml")
    platform, one = calibration.applied_to(load_platform(board)), emulated(board)
    cycles = price(one.trace, one.image, platform, BoardMemory())
    assert "calibrated 2026-11-24" in cycles.model
    assert "mean residual" in cycles.error
    measured = {row.context: row for row in read_measurements(path)}
    for context, value in cycles.by_context_cycles.items():
        if context in measured:
            overhead = PER_ENTRY * measured[context].entries
            assert value == pytest.approx(measured[context].cycles - overhead, rel=0.03)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.csv: no row; expected lines of the form record,board,plan,phase,layer,entries,cycles"),
        ("cycles,rp2040,p,load,0,1", "m.csv:1: 6 fields, expected 7"),
        ("# x\n\nticks,rp2040,p,load,0,1,5", "m.csv:3: record: 'ticks', expected 'cycles'"),
        ("cycles,rp2041,p,load,0,1,5", "m.csv:1: board: unknown board 'rp2041': did you mean 'rp2040'?"),
        ("cycles,rp2040,../p,load,0,1,5", "m.csv:1: plan: '../p', expected letters and digits"),
        ("cycles,rp2040,p,sleep,0,1,5", "m.csv:1: phase: 'sleep', expected one of startup, load"),
        ("cycles,rp2040,p,load,x,1,5", "m.csv:1: layer: 'x', expected a whole number"),
        ("cycles,rp2040,p,load,0,1,1e6", "m.csv:1: cycles: '1e6', expected a whole number"),
        ("cycles,rp2040,p,load,0,0,5", "m.csv:1: entries: 0, expected a number above 0"),
        ("cycles,rp2040,p,load,0,1,0", "m.csv:1: cycles: 0, expected a number above 0"),
        (
            "cycles,rp2040,p,load,0,1,5\ncycles,nrf52840,p,load,0,1,5",
            "m.csv: rows of nrf52840 and rp2040; expected one board a file",
        ),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_measurements(path)
    assert message in str(caught.value)


def test_every_bad_row_is_named_at_once(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("cycles,rp2040,p,load,0,1,x\ncycles,rp2040,p,load,0,1,5\ncycles\n")
    with pytest.raises(InputError) as caught:
        read_measurements(path)
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in caught.value.lines] == ["1", "3"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("cycles,rp2040,p,update,31,1,5", "line 1: update of layer 31 does not occur in the emulation of plan p"),
        (
            "cycles,rp2040,p,startup,-1,99,5",
            "line 1: startup was entered 99 times on the board, 0 times in emulation",
        ),
    ],
)
def test_rows_of_another_firmware_are_refused(tmp_path, row, message):
    path = tmp_path / "m.csv"
    path.write_text(row)
    with pytest.raises(InputError, match=message):
        fitted("rp2040", path)


def test_too_few_rows_are_refused(tmp_path):
    whole = measure("rp2040", tmp_path / "m.csv").read_text().splitlines()
    (tmp_path / "m.csv").write_text("\n".join(whole[:5]))
    with pytest.raises(InputError, match=r"2 rows for \d parameters; expected more rows"):
        fitted("rp2040", tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("board: stm32l4r5zi", "board: stm33"), "c.yaml: board: unknown board 'stm33'"),
        (
            ("flash.fetch.wait_cycles", "flash.fetch.wait"),
            "stm32l4r5zi has no 'flash.fetch.wait'; expected one of flash",
        ),
        (("date: ", "day: "), "c.yaml: date: Field required"),
        (("board:", "board: ["), "c.yaml: no YAML"),
    ],
)
def test_a_calibration_file_that_was_changed_is_refused_with_the_key(tmp_path, change, message):
    path = tmp_path / "c.yaml"
    fitted("stm32l4r5zi", measure("stm32l4r5zi", tmp_path / "m.csv")).calibration.save(path)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError) as caught:
        read_calibration(path)
    assert message in str(caught.value)


def test_the_checksum_of_the_boot_stage_is_that_of_the_boot_rom():
    assert boot_checksum(b"123456789") == 0x0376E6E7  # the check value of CRC-32/MPEG-2


class _Silent:
    def stage(self, label, stage): ...

    def steps(self, label, done, total): ...

    def finished(self, document): ...


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Firmware for a board on a desk: that of the RP2040, which has most to do before main."""
    folder = tmp_path_factory.mktemp("hardware")
    file = write_scenario(folder / "s.yaml", platform="rp2040", engine={"steps": 4})
    return HardwareBuilder(_Silent(), folder).build(prepare(read_scenarios(file))[0])


def rows_of(trace) -> list[str]:
    return [record["text"] for record in trace.records if record["r"] == "row"]


def test_firmware_for_a_board_has_a_second_boot_stage_with_its_checksum_and_can_be_found_again(built):
    found = read_firmware(built.folder.parent, "rp2040", built.plan)
    assert found == built
    assert found.steps == 4
    stage = Image(found.elf).read(0x10000000, 256)
    assert int.from_bytes(stage[252:], "little") == boot_checksum(stage[:252]) != 0
    assert (built.folder / "firmware.hex").read_text().startswith(":02000004")
    with pytest.raises(InputError, match="no firmware of plan p for rp2040"):
        read_firmware(built.folder.parent, "rp2040", "p")


def test_firmware_for_a_board_reports_the_ticks_between_its_markers(built, monkeypatch):
    ticks = count()

    class Ticking(device.CoreRegisters):
        def word(self, offset):
            return 0xFFFFFF - 100 * next(ticks) if offset == 0x18 else super().word(offset)

    monkeypatch.setattr(device, "CoreRegisters", Ticking)
    rows = rows_of(UnicornEngine().run(Job(built.elf, load_platform("rp2040"))))
    entries = {tuple(row.split(",")[3:5]): int(row.split(",")[5]) for row in rows}
    assert entries["load", "-1"] == entries["forward", "0"] == 4
    assert all(int(row.split(",")[6]) == 100 * int(row.split(",")[5]) for row in rows)


def test_rows_of_firmware_for_a_board_calibrate_it(built, tmp_path):
    image = Image(built.elf)
    contexts, core, _, entries = _columns(Emulated(built.trace(), image), load_platform("rp2040"))
    table = []
    for row in rows_of(built.trace()):
        *head, phase, layer, number, cycles = row.split(",")
        assert cycles == "0"  # the emulator has no SysTick
        at = contexts.index((phase, int(layer)))
        assert int(number) == entries[at]
        table.append(",".join([*head, phase, layer, number, str(round(1.1 * core[at]))]))
    (tmp_path / "m.csv").write_text("\n".join(table))
    result = CliRunner().invoke(app, ["calibrate", str(tmp_path / "m.csv"), "--firmware", str(built.folder.parent)])
    assert result.exit_code == 0, result.output
    assert "mean error" in result.output
    assert read_calibration(tmp_path / "rp2040.calibrated.yaml").rows == len(table)


def test_a_run_uses_a_calibration_and_simulated_caches_and_names_both(tmp_path):
    calibration = fitted("stm32l4r5zi", measure("stm32l4r5zi", tmp_path / "m.csv")).calibration
    engine = {"steps": 4, "evaluate": 0, "cache": "simulate"}
    file = write_scenario(tmp_path / "s.yaml", platform="stm32l4r5zi", engine=engine)
    document = Runner(_Silent(), tmp_path).run(prepare(read_scenarios(file), [calibration])[0])
    assert document.status == "ok", document.reason
    estimate = document.estimates.cycles_per_step
    assert "calibrated 2026-11-24 (simulated caches)" in estimate.model
    assert "calibrated 2026-11-24 on" in estimate.error


def test_a_calibration_that_is_not_there_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scenario(tmp_path / "s.yaml")
    result = CliRunner().invoke(app, ["run", "s.yaml", "--calibration", "none.yaml"])
    message = "none.yaml: No such file or directory; expected a file that harness calibrate wrote"
    assert str(result.exception) == message
    assert not (tmp_path / "out").exists()
