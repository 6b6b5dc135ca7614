"""Firmware of small networks for each core, linked from objects that all plans share."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from native_builds import FIRMWARE, built, run

from harness.build import Image, memory_script, plan_source
from harness.engine import Job, UnicornEngine
from harness.engine.request import RunRequest, SampleStore
from harness.plan import Deployment, Plan
from harness.platform import load_platform

CORES = {"rp2040": "cortex-m0plus", "nrf52840": "cortex-m4f", "imxrt1062": "cortex-m7"}
"""The core of each platform."""

RAM_BYTES, FLASH_BYTES, STACK_BYTES = 192 * 1024, 256 * 1024, 2048


@cache
def core_flags(platform: str) -> list[str]:
    presets = json.loads((FIRMWARE / "CMakePresets.json").read_text())["configurePresets"]
    preset = next(preset for preset in presets if preset["name"] == platform)
    flags: str = preset["cacheVariables"]["HARNESS_CORE_FLAGS"]
    return flags.split()


def target(platform: str, plan: Plan, deployment: Deployment, folder: Path) -> Path:
    """Return the ELF of `plan`, linked in `folder`, an empty one."""
    tree = built(platform, "firmware_objects")
    objects = sorted((tree / "CMakeFiles" / "firmware_objects.dir").rglob("*.obj"))
    source, elf = folder / "plan.c", folder / "firmware.elf"
    source.write_text(plan_source(plan, deployment))
    script = memory_script(load_platform(platform), RAM_BYTES, FLASH_BYTES, STACK_BYTES)
    (folder / "memory.ld").write_text(script)
    run(
        "arm-none-eabi-gcc", *core_flags(platform), "-std=c11", "-I", FIRMWARE, source, *objects, "-lm",
        "-Wl,--gc-sections", "-Wl,--fatal-warnings", "-nostartfiles", "-specs=nano.specs", "-L", folder,
        f"-T{FIRMWARE / 'port' / 'cortex_m' / 'sections.ld'}", "-o", elf,
    )  # fmt: skip
    return elf


def run_target(platform: str, elf: Path, plan: Plan, request: RunRequest, store: SampleStore):
    """Return records and state of an emulation in this process."""
    board, symbols = load_platform(platform), Image(elf).symbols
    trace = UnicornEngine().run(
        Job(
            elf,
            board,
            writes=((symbols["run_request"].address, request.pack()), (board.memory("samples").origin, store.pack())),
            reads={"state": (symbols["arena"].address, plan.state_bytes)},
            timeout_s=60,
        )
    )
    return trace.records, trace.memory["state"]
