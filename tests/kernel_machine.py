"""Calls a kernel of the firmware with parameters that a test makes, on the host or on an emulated core.

The layout of every C struct is read from the debug information of the very binary that is called, so a kernel with new
parameters needs nothing here: its test gives a value for every member, or is told which one is missing.
"""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile
from native_builds import built
from unicorn import UC_ARCH_ARM, UC_MODE_THUMB, Uc
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
    UC_CPU_ARM_CORTEX_M4,
    UC_CPU_ARM_CORTEX_M7,
)

CORES = {"rp2040": UC_CPU_ARM_CORTEX_M0, "nrf52840": UC_CPU_ARM_CORTEX_M4, "imxrt1062": UC_CPU_ARM_CORTEX_M7}

FORMATS = {
    ("float", 4): "f", ("boolean", 1): "?", ("pointer", 4): "I", ("pointer", 8): "Q",
    ("unsigned", 1): "B", ("unsigned", 2): "H", ("unsigned", 4): "I", ("unsigned", 8): "Q",
    ("signed", 1): "b", ("signed", 2): "h", ("signed", 4): "i", ("signed", 8): "q",
}  # fmt: skip


class Layouts:
    """The structs of an ELF: `pack` and `unpack` translate between their bytes and dictionaries."""

    def __init__(self, elf: Path) -> None:
        with elf.open("rb") as file:
            self._structs: dict[str, tuple[int, dict[str, tuple[int, str]]]] = {}
            for unit in ELFFile(file).get_dwarf_info().iter_CUs():
                source = Path(self._name(unit.get_top_DIE()))
                if source.parent.name not in ("kernels", "numeric", "trainer"):
                    continue  # the C library
                for die in unit.iter_DIEs():
                    if self._is_parameter(die):
                        members = {self._name(m): self._member(m) for m in die.iter_children()}
                        self._structs[self._name(die)] = (die.attributes["DW_AT_byte_size"].value, members)

    @staticmethod
    def _name(die: DIE) -> str:
        attribute = die.attributes.get("DW_AT_name")
        return attribute.value.decode() if attribute else ""

    @staticmethod
    def _is_parameter(die: DIE) -> bool:
        """Say whether `die` is a whole struct without arrays: no kernel takes one with arrays."""
        if die.tag != "DW_TAG_structure_type" or "DW_AT_byte_size" not in die.attributes:
            return False
        kinds = [member.get_DIE_from_attribute("DW_AT_type").tag for member in die.iter_children()]
        return "DW_TAG_array_type" not in kinds

    def _member(self, die: DIE) -> tuple[int, str]:
        offset = die.attributes["DW_AT_data_member_location"].value
        kind = die.get_DIE_from_attribute("DW_AT_type")
        while kind.tag in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"):
            kind = kind.get_DIE_from_attribute("DW_AT_type")
        if kind.tag == "DW_TAG_structure_type":
            return offset, self._name(kind)
        size = kind.attributes["DW_AT_byte_size"].value
        if kind.tag == "DW_TAG_pointer_type":
            return offset, FORMATS["pointer", size]
        encodings = {2: "boolean", 4: "float", 5: "signed", 6: "signed", 7: "unsigned", 8: "unsigned"}
        return offset, FORMATS[encodings[kind.attributes["DW_AT_encoding"].value], size]

    def size(self, name: str) -> int:
        return self._structs[name][0]

    def pack(self, name: str, values: dict[str, Any]) -> bytes:
        """Return the bytes of struct `name`; every member needs a value, a nested struct a dictionary."""
        size, members = self._structs[name]
        assert set(values) == set(members), f"struct {name}: {sorted(set(values) ^ set(members))}"
        data = bytearray(size)
        for member, (offset, kind) in members.items():
            if kind in self._structs:
                packed = self.pack(kind, values[member])
            else:
                packed = struct.pack(f"<{kind}", values[member])
            data[offset : offset + len(packed)] = packed
        return bytes(data)

    def unpack(self, name: str, data: bytes) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for member, (offset, kind) in self._structs[name][1].items():
            if kind in self._structs:
                result[member] = self.unpack(kind, data[offset : offset + self.size(kind)])
            else:
                result[member] = struct.unpack_from(f"<{kind}", data, offset)[0]
        return result


class Memory(Protocol):
    """Where the parameters of one call lie."""

    def place(self, data: bytes) -> int:
        """Put `data` somewhere, aligned to 4 bytes and apart from everything else; return the address."""
        ...

    def read(self, address: int, size: int) -> bytes: ...

    def call(self, function: str, params: int, step: int) -> None: ...


class HostMemory:
    """Memory of this process. Each placement is one allocation, so ASan sees the first byte outside of it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._blocks: list[np.ndarray] = []

    def place(self, data: bytes) -> int:
        block = np.frombuffer(data, dtype=np.uint8).copy()
        self._blocks.append(block)
        return block.ctypes.data

    def read(self, address: int, size: int) -> bytes:
        return ctypes.string_at(address, size)

    def call(self, function: str, params: int, step: int) -> None:
        called = self._library[function]
        called.restype = None
        called(ctypes.c_void_p(params), ctypes.c_void_p(step))


class TargetMemory:
    """RAM of an emulated core, with a gap behind each placement that no kernel may change."""

    RAM, RAM_BYTES, STACK_BYTES = 0x2000_0000, 1 << 20, 1 << 14
    GAP = bytes([0xA5]) * 8
    RETURN = 0x3000_0000

    def __init__(self, core: int, elf: Path) -> None:
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(core)
        self._uc.mem_map(self.RAM, self.RAM_BYTES)
        self._uc.mem_map(self.RETURN, 0x1000)
        pages: set[int] = set()
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                start, data = segment["p_vaddr"], segment.data()
                needed = set(range(start >> 12, (start + segment["p_memsz"] + 0xFFF) >> 12))
                for page in sorted(needed - pages):
                    self._uc.mem_map(page << 12, 0x1000)
                pages |= needed
                self._uc.mem_write(start, data)
            symbols = image.get_section_by_name(".symtab")
            self._symbols = {symbol.name: symbol["st_value"] for symbol in symbols.iter_symbols()}
        self._top = self.RAM
        self._gaps: list[int] = []

    def restart(self) -> None:
        self._uc.mem_write(self.RAM, bytes([0x5A]) * (self._top - self.RAM))
        self._top = self.RAM
        self._gaps = []

    def place(self, data: bytes) -> int:
        address = self._top
        end = address + len(data)
        self._uc.mem_write(address, data + self.GAP)
        self._gaps.append(end)
        self._top = -(-(end + len(self.GAP)) // 4) * 4
        assert self._top < self.RAM + self.RAM_BYTES - self.STACK_BYTES
        return address

    def read(self, address: int, size: int) -> bytes:
        return bytes(self._uc.mem_read(address, size))

    def call(self, function: str, params: int, step: int) -> None:
        self._uc.reg_write(UC_ARM_REG_R0, params)
        self._uc.reg_write(UC_ARM_REG_R1, step)
        self._uc.reg_write(UC_ARM_REG_SP, self.RAM + self.RAM_BYTES)
        self._uc.reg_write(UC_ARM_REG_LR, self.RETURN | 1)
        self._uc.emu_start(self._symbols[function] | 1, self.RETURN)
        for gap in self._gaps:
            assert self.read(gap, len(self.GAP)) == self.GAP, f"{function} wrote behind the end of a parameter"


class Machine:
    """One processor with the kernels built for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        if name == "host":
            sanitized = "HARNESS_TEST_SANITIZE" in os.environ
            tree = built("host-kernels-sanitize" if sanitized else "host-kernels", "kernels")
            self.layouts = Layouts(tree / "libkernels.so")
            self._library = ctypes.CDLL(str(tree / "libkernels.so"))
        else:
            tree = built(name, "kernels", "-DHARNESS_KERNEL_LIBRARY=ON")
            self.layouts = Layouts(tree / "kernels")
            self._target = TargetMemory(CORES[name], tree / "kernels")

    def memory(self) -> Memory:
        """Return memory with nothing in it; what was placed before is gone."""
        if self.name == "host":
            return HostMemory(self._library)
        self._target.restart()
        return self._target


MACHINES = ("host", *CORES)


@cache
def machine(name: str) -> Machine:
    return Machine(name)
