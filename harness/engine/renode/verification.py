"""A tiny firmware, run to see that a Renode emulates: it adds the numbers from 1 to 100."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import tempfile
from pathlib import Path

from harness.engine.renode.installation import renode_environment
from harness.errors import EngineError

_TIMEOUT_S = 180
_STACK_TOP, _ENTRY, _RESULT = 0x1000, 0x8, 0x200
_CODE = (
    0x2000,  # 08: movs r0, #0
    0x2101,  # 0a: movs r1, #1
    0x1840,  # 0c: adds r0, r0, r1
    0x3101,  # 0e: adds r1, #1
    0x2965,  # 10: cmp  r1, #101
    0xD1FB,  # 12: bne  0c
    0x2280,  # 14: movs r2, #0x80
    0x0092,  # 16: lsls r2, r2, #2
    0x6010,  # 18: str  r0, [r2]
    0xE7FE,  # 1a: b    .
)
FIRMWARE = struct.pack(f"<II{len(_CODE)}H", _STACK_TOP, _ENTRY | 1, *_CODE)
"""The vector table and the code of a Cortex-M0+ program that stands at address 0."""

_PLATFORM = """\
cpu: CPU.CortexM @ sysbus
    cpuType: "cortex-m0+"
    nvic: nvic

nvic: IRQControllers.NVIC @ sysbus 0xE000E000
    -> cpu@0

memory: Memory.MappedMemory @ sysbus 0x0
    size: 0x1000
"""
_SCRIPT = """\
using sysbus
mach create "verification"
machine LoadPlatformDescription @{folder}/tiny.repl
sysbus LoadBinary @{folder}/tiny.bin 0x0
cpu VectorTableOffset 0x0
emulation RunFor "0.0001"
sysbus ReadDoubleWord {result}
quit
"""


def verify(command: Path) -> None:
    """Run a tiny firmware on the Renode at `command`; raises EngineError when its result is not the right one."""
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as temporary:
        folder = Path(temporary)
        (folder / "tiny.repl").write_text(_PLATFORM, "utf-8")
        (folder / "tiny.bin").write_bytes(FIRMWARE)
        (folder / "tiny.resc").write_text(_SCRIPT.format(folder=folder, result=_RESULT), "utf-8")
        said = _output(command, folder)
    numbers = re.findall(r"^\s*0x([0-9A-Fa-f]{8})\s*$", said, re.MULTILINE)
    expected = sum(range(1, 101))
    if not numbers or int(numbers[-1], 16) != expected:
        last = "\n".join(said.strip().splitlines()[-10:]) or "nothing"
        raise EngineError(
            f"{command}: did not run a tiny firmware rightly, expected 0x{expected:08X} in memory; it said:\n{last}"
        )


def _output(command: Path, folder: Path) -> str:
    options = ["--disable-xwt", "--console", "--plain", "--config", str(folder / "config")]
    with subprocess.Popen(
        [command, *options, str(folder / "tiny.resc")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=renode_environment(),
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=_TIMEOUT_S)
        except BaseException as error:
            # The program may be a script that started another one.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise EngineError(f"{command}: did not run a tiny firmware within {_TIMEOUT_S} s") from None
            raise
    return said.decode("utf-8", errors="replace").replace("\r", "")
