"""Firmware for a board on a desk: it brings its samples and its request, and measures the cycles of every phase."""

from __future__ import annotations

import json
import struct
import subprocess
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from harness.assets import write_atomically
from harness.build import Image, build_firmware, memory_script, samples_source
from harness.cache import user_cache
from harness.engine.job import Job
from harness.engine.request import RunRequest
from harness.engine.worker import run_isolated
from harness.errors import BuildError, InputError
from harness.pipeline.observer import Observer, Stage
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.run import RunSteps
from harness.pipeline.run_request import emulated_request
from harness.trace import Trace

ELF, HEX, TRACE, MANIFEST = "firmware.elf", "firmware.hex", "trace.npz", "firmware.json"

_BOOT_BYTES = 256
_CRC_POLYNOMIAL_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class HardwareFirmware:
    """Firmware that lies in `folder`: `firmware.elf`, `firmware.hex`, and the trace of its emulation."""

    folder: Path
    board: str
    plan: str
    steps: int

    @property
    def elf(self) -> Path:
        """Return the ELF."""
        return self.folder / ELF

    def trace(self) -> Trace:
        """Return what the same steps did in emulation, caches simulated."""
        return Trace.load(self.folder / TRACE)


class HardwareBuilder:
    """Builds the firmware of prepared runs for boards on a desk."""

    def __init__(self, observer: Observer, folder: Path) -> None:
        """Tell `observer` what happens; put firmware and traces into `folder`."""
        self._observer = observer
        self._folder = folder

    def build(self, prepared: PreparedRun) -> HardwareFirmware:
        """Build, emulate and keep the firmware of `prepared` in a folder of its own.

        It runs the steps that the scenario emulates and then writes its rows (docs/calibrate.md). The emulation tells
        how often each instruction runs in them; on the board they take the same path. Raises what a run raises.
        """
        label = prepared.scenario.label
        self._observer.stage(label, Stage.CALIBRATE)
        steps = RunSteps(prepared, user_cache())
        source = steps.source
        request = replace(emulated_request(prepared), record_steps=0, evaluate_at_end=0)
        samples = steps.data.store().first_steps(request.steps, 0).pack()
        platform = prepared.platform
        memory = memory_script(
            platform,
            prepared.ram_budget_bytes,
            prepared.flash_budget_bytes,
            prepared.scenario.memory.stack,
            own_samples=True,
        )
        files = {"plan.c": source + "\n" + samples_source(samples), "memory.ld": memory}
        self._observer.stage(label, Stage.BUILD)
        built = build_firmware(f"{platform.name}-hardware", files)
        elf = with_request(built.executable, request)
        if platform.name == "rp2040":
            elf = with_boot_checksum(elf, Image(built.executable))
        plan = _plan_hash(source)
        folder = self._folder / f"{platform.name}-{plan}"
        write_atomically(folder / ELF, elf)
        _write_hex(folder)
        job = Job(
            elf=folder / ELF, platform=platform, timeout_s=prepared.scenario.engine.timeout_s, simulate_caches=True
        )
        self._observer.stage(label, Stage.EMULATE)
        trace = run_isolated(job, lambda done: self._observer.steps(label, done, request.steps))
        trace.save(folder / TRACE)
        firmware = HardwareFirmware(folder, platform.name, plan, request.steps)
        manifest = {"board": platform.name, "plan": plan, "steps": request.steps, "scenario": label}
        write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
        return firmware


def read_firmware(folder: Path, board: str, plan: str) -> HardwareFirmware:
    """Return the firmware of `plan` for `board` that `HardwareBuilder` left in `folder`.

    Raises InputError when it is not there.
    """
    own = folder / f"{board}-{plan}"
    try:
        manifest = json.loads((own / MANIFEST).read_text())
    except (OSError, ValueError):
        raise InputError(
            f"no firmware of plan {plan} for {board} in {folder}; expected the folder {own} as `harness firmware` "
            "left it"
        ) from None
    return HardwareFirmware(own, board, plan, int(manifest["steps"]))


def with_request(elf: Path, request: RunRequest) -> bytes:
    """Return the bytes of `elf` with `request` in place of the defaults that were compiled in."""
    return _patched(elf.read_bytes(), Image(elf), Image(elf).symbols["run_request"].address, request.pack())


def with_boot_checksum(elf: bytes, image: Image) -> bytes:
    """Return `elf` with its second boot stage filled up to 252 bytes and the CRC-32 that the RP2040's boot ROM checks.

    The CRC is that of the RP2040 Datasheet 2.8.1.3.1: polynomial 04C11DB7, begin FFFFFFFF, nothing reflected.
    """
    stage = next(section for section in image.sections if section.name == ".boot")
    code = image.read(stage.address, _BOOT_BYTES)[: _BOOT_BYTES - 4]
    return _patched(elf, image, stage.address, code + struct.pack("<I", boot_checksum(code)))


def boot_checksum(code: bytes) -> int:
    """Return the CRC-32/MPEG-2 of `code`: zlib's with the bits of every byte, and of the result, in reverse."""
    mirrored = zlib.crc32(bytes(_reversed(byte, 8) for byte in code)) ^ _CRC_POLYNOMIAL_MASK
    return _reversed(mirrored, 32)


def _reversed(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def _patched(elf: bytes, image: Image, address: int, data: bytes) -> bytes:
    for segment in image.segments:
        offset = address - segment.address
        if 0 <= offset <= len(segment.data) - len(data):
            place = elf.find(segment.data) + offset
            return elf[:place] + data + elf[place + len(data) :]
    raise BuildError(f"{image.path}: no segment holds 0x{address:08x}")


def _plan_hash(source: str) -> str:
    return source.split('.hash = "', 1)[1].split('"', 1)[0]


def _write_hex(folder: Path) -> None:
    temporary = folder / f".{HEX}"
    command = ["arm-none-eabi-objcopy", "-O", "ihex", str(folder / ELF), str(temporary)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{command[0]} failed: {done.stderr.strip()}")
    temporary.replace(folder / HEX)
