"""Memory of a firmware: RAM and flash from the ELF, the stack as measured in emulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.build.elf import Image, Section
from harness.errors import InputError
from harness.platform import Memory, Platform
from harness.trace.trace import Trace

_NONE = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True)
class StaticMemory:
    """Bytes that the linker laid out, exact.

    `data_bytes` stand in RAM with initial values (code that runs from RAM included), `bss_bytes` in RAM without.
    `flash_bytes` holds what every section takes in flash, initial values of RAM sections included.
    """

    data_bytes: int
    bss_bytes: int
    flash_bytes: dict[str, int]

    @property
    def ram_bytes(self) -> int:
        """Return all static RAM, without the stack unless the linker script reserves it in a section."""
        return self.data_bytes + self.bss_bytes

    @property
    def total_flash_bytes(self) -> int:
        """Return the flash that the firmware takes."""
        return sum(self.flash_bytes.values())


def static_memory(image: Image, platform: Platform) -> StaticMemory:
    """Return the static memory of `image` on `platform`."""
    ram = [memory for memory in platform.memories if memory.kind == "ram"]
    flash = [memory for memory in platform.memories if memory.kind == "flash"]
    in_ram = [section for section in image.sections if _lies_in(section.address, ram)]
    stored: list[Section] = [s for s in image.sections if s.stored and _lies_in(s.load_address, flash)]
    return StaticMemory(
        data_bytes=sum(section.size_bytes for section in in_ram if section.stored),
        bss_bytes=sum(section.size_bytes for section in in_ram if not section.stored),
        flash_bytes={section.name: section.size_bytes for section in stored},
    )


def _lies_in(address: int, memories: list[Memory]) -> bool:
    return any(memory.origin <= address < memory.origin + memory.size_bytes for memory in memories)


def peak_stack_bytes(trace: Trace, image: Image) -> int:
    """Return the deepest stack of the run in bytes (exact), measured from the symbol `__stack_top`.

    Raises InputError when the image has no such symbol.
    """
    top = image.symbols.get("__stack_top")
    if top is None:
        raise InputError(f"{image.path}: expected the symbol '__stack_top', the initial stack pointer")
    seen = trace.stack_low[trace.stack_low != _NONE]
    return max(0, top.address - int(seen.min())) if len(seen) else 0
