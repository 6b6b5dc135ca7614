"""How to find the caller at every instruction of an image: the call frame information of its ELF."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile

from harness.build.elf import Image

SP, LR = 13, 14

Read = Callable[[int], int | None]
"""Returns the word at an address of the stack, None where nothing was kept."""


@dataclass(frozen=True)
class _Row:
    begin: int
    end: int
    base_register: int
    base_offset: int
    saved: tuple[tuple[int, int], ...]
    """Register and where it was saved, counted from the base of the frame."""


class CallFrames:
    """The call frame information (DWARF 5, section 6.4) of `image`."""

    def __init__(self, image: Image) -> None:
        self._image = image

    def caller(self, pc: int, registers: Sequence[int], read: Read) -> list[int] | None:
        """Return the registers (r0 to r14) of the caller just behind its call, and its return address in r15.

        `registers` are those at `pc`. None where the ELF does not tell, or the stack was not kept.
        """
        starts, rows = self._rows
        index = bisect.bisect_right(starts, pc) - 1
        if index < 0 or pc >= rows[index].end:
            return None
        row = rows[index]
        base = registers[row.base_register] + row.base_offset
        before = [*registers[:15], registers[LR]]
        for register, offset in row.saved:
            word = read(base + offset)
            if word is None:
                return None
            before[register] = word
            if register == LR:
                before[15] = word
        before[SP] = base
        return before

    @cached_property
    def _rows(self) -> tuple[list[int], list[_Row]]:
        with self._image.path.open("rb") as stream:
            elf = ELFFile(stream)
            try:
                dwarf = elf.get_dwarf_info()
                rows = [row for entry in dwarf.CFI_entries() for row in self._decode(entry)] if dwarf.has_CFI() else []
            except (DWARFError, ELFError, KeyError):
                rows = []
        rows.sort(key=lambda row: row.begin)
        return [row.begin for row in rows], rows

    def _decode(self, entry: Any) -> list[_Row]:
        if not isinstance(entry, FDE) or not self._image.is_code(entry["initial_location"]):
            return []
        table = entry.get_decoded().table
        ends = [*(row["pc"] for row in table[1:]), entry["initial_location"] + entry["address_range"]]
        rows = []
        for row, end in zip(table, ends, strict=True):
            base = row["cfa"]
            if base.reg is None or base.reg > SP:
                continue
            saved = tuple(
                (register, rule.arg)
                for register, rule in row.items()
                if isinstance(register, int) and register <= LR and rule.type == "OFFSET"
            )
            rows.append(_Row(row["pc"], end, base.reg, base.offset, saved))
        return rows
