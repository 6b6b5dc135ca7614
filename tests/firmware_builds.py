"""Builds the small test firmware of tests/firmware for a board, once a process."""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from harness.engine.job import Job
from harness.platform import load_platform

SOURCES = Path(__file__).parent / "firmware"
BOARDS = ("rp2040", "nrf52840", "imxrt1062", "stm32l4r5zi")
FLAGS = {
    "rp2040": ("-mcpu=cortex-m0plus", "-mthumb"),
    "nrf52840": ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "stm32l4r5zi": ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "imxrt1062": ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=hard"),
}


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="test-firmware-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def build(board: str, source: str, *flags: str, optimization: str = "-O2", stack: str = "top") -> Path:
    number = len(list(_folder().glob("*.elf")))
    elf = _folder() / f"{board}-{Path(source).stem}-{number}.elf"
    script = elf.with_suffix(".ld")
    flash = f"0x{load_platform(board).vector_table:08x}"
    text = (SOURCES / "link.ld.in").read_text().replace("@FLASH@", flash)
    if stack == "bottom":
        text = text.replace("ORIGIN = 0x20000000", "ORIGIN = 0x20004000")
        text = text.replace("__stack_top = ORIGIN(RAM) + LENGTH(RAM)", "__stack_top = ORIGIN(RAM)")
    script.write_text(text)
    subprocess.run(
        [
            "arm-none-eabi-gcc", *FLAGS[board], optimization, "-g", "-std=gnu11", "-Wall", "-ffunction-sections",
            f"-DBOARD_{board.upper()}", *flags, "-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections",
            "-Wl,--no-warn-rwx-segments", f"-Wl,-T,{script}", "-o", str(elf), str(SOURCES / "start.c"),
            str(SOURCES / source),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return elf


def probe(board: str, optimization: str = "-O2") -> Path:
    return build(board, "probe.c", optimization=optimization)


def fault(board: str, name: str, status: int = 0, *flags: str) -> Path:
    return build(board, "faults.c", f"-DFAULT={name}", f"-DSTATUS={status}", *flags)


def job(board: str, elf: Path, **fields: object) -> Job:
    return Job(elf=elf, platform=load_platform(board), **fields)  # type: ignore[arg-type]
