"""What an ELF holds: segments, sections, symbols, the ranges of Thumb code, functions and source lines."""

from __future__ import annotations

import bisect
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from harness.errors import InputError


@dataclass(frozen=True)
class Segment:
    """Bytes that a loader puts at `load_address` (physical); the program sees them at `address` after start-up."""

    address: int
    load_address: int
    data: bytes


@dataclass(frozen=True)
class Section:
    """One section that takes room on the target; `stored` ones have bytes in the ELF (.bss has none)."""

    name: str
    address: int
    load_address: int
    size_bytes: int
    executable: bool
    writable: bool
    stored: bool


@dataclass(frozen=True)
class Symbol:
    """One function or object; the address of a function comes without the Thumb bit."""

    name: str
    address: int
    size_bytes: int
    is_function: bool


@dataclass(frozen=True)
class SourceLine:
    """A line of a source file: the path as the compiler was told it, relative to the firmware's folder, and a number.

    Files of others (libraries, headers of the compiler) come without their folder.
    """

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file.rpartition('/')[2]}:{self.number}"


@dataclass(frozen=True)
class _Line:
    """A row of the DWARF line table: it holds up to the next row of its sequence."""

    address: int
    place: SourceLine | None


class Image:
    """A linked 32-bit little-endian Arm ELF."""

    def __init__(self, path: Path) -> None:
        """Read `path`. Raises InputError when it is no such ELF."""
        self.path = path
        try:
            self._load(path)
        except (ELFError, OSError, UnicodeDecodeError) as problem:
            raise InputError(f"{path}: not a readable ELF file: {problem}") from problem

    def _load(self, path: Path) -> None:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            identity = (elf["e_machine"], elf["e_type"], elf.elfclass, elf.little_endian)
            if identity != ("EM_ARM", "ET_EXEC", 32, True):
                raise InputError(f"{path}: expected a linked 32-bit little-endian Arm ELF")
            programs = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
            self.segments = tuple(
                Segment(segment["p_vaddr"], segment["p_paddr"], segment.data())
                for segment in programs
                if segment["p_filesz"]
            )
            self.sections = tuple(_sections(elf, programs))
            self._read_symbols(elf)

    def _read_symbols(self, elf: Any) -> None:
        names: dict[str, Symbol] = {}
        placed: list[Symbol] = []
        functions: list[Symbol] = []
        marks: dict[int, str] = {}
        table = elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols() if table is not None else ():
            kind, name, value = symbol["st_info"]["type"], symbol.name, symbol["st_value"]
            if symbol["st_shndx"] == "SHN_UNDEF" or not name:
                continue
            if name[:2] in ("$t", "$a", "$d") and (len(name) == 2 or name[2] == "."):
                marks[value] = name[1]
            elif kind == "STT_FUNC":
                function = Symbol(name, value & ~1, symbol["st_size"], is_function=True)
                functions.append(function)
                placed.append(function)
                names[name] = function
            elif kind in ("STT_OBJECT", "STT_NOTYPE"):
                placed.append(Symbol(name, value, symbol["st_size"], is_function=False))
                names.setdefault(name, placed[-1])
        self.symbols = names
        self.placed = tuple(sorted(placed, key=lambda symbol: (symbol.address, -symbol.size_bytes, symbol.name)))
        self._functions = sorted(functions, key=lambda function: (function.address, -function.size_bytes))
        self._function_starts = [function.address for function in self._functions]
        self.code_ranges = tuple(_thumb_ranges(self.sections, marks))

    def read(self, address: int, size_bytes: int) -> bytes:
        """Return the initial bytes that the program sees at `address`; fewer at the end of a section."""
        for section, data in self._contents:
            if section.address <= address < section.address + len(data):
                start = address - section.address
                return data[start : start + size_bytes]
        return b""

    @cached_property
    def _contents(self) -> list[tuple[Section, bytes]]:
        by_load = [(segment.load_address, segment.data) for segment in self.segments]
        contents = []
        for section in self.sections:
            for start, data in by_load:
                offset = section.load_address - start
                if section.stored and 0 <= offset < len(data):
                    contents.append((section, data[offset : offset + section.size_bytes]))
        return contents

    def is_code(self, address: int) -> bool:
        """Say whether `address` lies in Thumb code, not in a literal pool or in data."""
        index = bisect.bisect_right(self._code_starts, address) - 1
        return index >= 0 and address < self.code_ranges[index][1]

    @cached_property
    def _code_starts(self) -> list[int]:
        return [begin for begin, _ in self.code_ranges]

    def function_at(self, address: int) -> str | None:
        """Return the name of the function that `address` lies in, or None."""
        index = bisect.bisect_right(self._function_starts, address) - 1
        # Symbols of one address stand together, the largest first; hand-written assembly may have size 0.
        while index > 0 and self._function_starts[index - 1] == self._function_starts[index]:
            index -= 1
        if index < 0:
            return None
        function = self._functions[index]
        if function.size_bytes and address >= function.address + function.size_bytes:
            return None
        return function.name if self.is_code(address) or address == function.address else None

    def source_line(self, address: int) -> SourceLine | None:
        """Return the line that `address` was compiled from, or None when the ELF has none for it."""
        starts, lines = self._lines
        index = bisect.bisect_right(starts, address) - 1
        return lines[index].place if index >= 0 else None

    def describe(self, address: int) -> str:
        """Return `function (file.c:line)` for `address`, as much of it as is known."""
        function = self.function_at(address)
        if function is None:
            return f"0x{address:08x}"
        line = self.source_line(address)
        return f"{function} ({line})" if line else f"{function} (0x{address:08x})"

    @cached_property
    def _lines(self) -> tuple[list[int], list[_Line]]:
        with self.path.open("rb") as stream:
            elf = ELFFile(stream)
            try:
                lines = _line_table(elf.get_dwarf_info(), self.is_code) if elf.has_dwarf_info() else []
            except (DWARFError, ELFError, KeyError):
                lines = []
        # A row that ends a sequence sorts before the row that begins the next one at the same address.
        lines.sort(key=lambda line: (line.address, line.place is not None))
        return [line.address for line in lines], lines


def _sections(elf: Any, programs: list[Any]) -> list[Section]:
    sections = []
    for section in elf.iter_sections():
        flags = section["sh_flags"]
        if not flags & SH_FLAGS.SHF_ALLOC or not section["sh_size"]:
            continue
        stored = section["sh_type"] != "SHT_NOBITS"
        load_address = section["sh_addr"]
        for segment in programs:
            offset = section["sh_offset"] - segment["p_offset"]
            if stored and 0 <= offset < segment["p_filesz"]:
                load_address = segment["p_paddr"] + offset
        sections.append(
            Section(
                name=section.name,
                address=section["sh_addr"],
                load_address=load_address,
                size_bytes=section["sh_size"],
                executable=bool(flags & SH_FLAGS.SHF_EXECINSTR),
                writable=bool(flags & SH_FLAGS.SHF_WRITE),
                stored=stored,
            )
        )
    return sections


def _thumb_ranges(sections: tuple[Section, ...], marks: dict[int, str]) -> list[tuple[int, int]]:
    """Return the ranges that mapping symbols mark as Thumb code, ascending (Arm ELF ABI, mapping symbols)."""
    ranges: list[tuple[int, int]] = []
    for section in sections:
        if not section.executable:
            continue
        end = section.address + section.size_bytes
        inside = sorted(address for address in marks if section.address <= address < end)
        for begin, stop in zip(inside, [*inside[1:], end], strict=True):
            if marks[begin] != "t" or begin == stop:
                continue
            if ranges and ranges[-1][1] == begin:
                ranges[-1] = (ranges[-1][0], stop)
            else:
                ranges.append((begin, stop))
    return sorted(ranges)


def source_file(program: Any, index: int) -> str | None:
    """Return the path of entry `index` of a DWARF line program, None when it has no such entry."""
    header = program.header
    # Before version 5 files and folders count from 1, and folder 0 is the one the compiler ran in.
    since = 0 if header["version"] >= 5 else 1
    files, folders = header["file_entry"], header["include_directory"]
    if not 0 <= index - since < len(files):
        return None
    entry = files[index - since]
    name = entry.name.decode(errors="replace")
    folder = folders[entry.dir_index - since].decode(errors="replace") if entry.dir_index >= 1 else ""
    path = posixpath.normpath(posixpath.join(folder, name))
    return path if path[0] not in "/." else posixpath.basename(path)


def _line_table(dwarf: Any, is_code: Callable[[int], bool]) -> list[_Line]:
    lines: list[_Line] = []
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        names: dict[int, str | None] = {}
        sequence: list[_Line] = []
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if state.end_sequence:
                sequence.append(_Line(state.address, None))
                # What the linker discarded was left behind at address 0, where there may be a vector table.
                lines += sequence if is_code(sequence[0].address) else []
                sequence = []
                continue
            if state.file not in names:
                names[state.file] = source_file(program, state.file)
            name = names[state.file]
            if name is not None:
                sequence.append(_Line(state.address, SourceLine(name, state.line)))
    return lines
