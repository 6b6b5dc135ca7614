"""Which function, inlined calls and source line every instruction of an image comes from."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.descriptions import describe_form_class
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.elffile import ELFFile

from harness.build.elf import Image, SourceLine, source_file

NO_FUNCTION = "(no function)"


@dataclass(frozen=True)
class InlinedCall:
    """Code of `function` that the compiler put in place of a call at `line`."""

    function: str
    line: SourceLine | None


@dataclass(frozen=True)
class Origin:
    """Where an instruction comes from.

    `function` is the symbol it lies in, `inlined` the calls inlined there, outermost first, and `line` the line of the
    innermost of them (None when the ELF does not tell).
    """

    function: str
    inlined: tuple[InlinedCall, ...]
    line: SourceLine | None

    @property
    def innermost(self) -> str:
        """Return the function whose text the line belongs to."""
        return self.inlined[-1].function if self.inlined else self.function


@dataclass(frozen=True)
class _Span:
    begin: int
    end: int
    depth: int
    call: InlinedCall


class SourceMap:
    """The origins of the instructions of `image`, from its symbols and its DWARF debugging information."""

    def __init__(self, image: Image) -> None:
        self._image = image

    def origins(self, addresses: Sequence[int]) -> list[Origin]:
        """Return the origin of each of `addresses`, which must ascend."""
        inlined: list[list[InlinedCall]] = [[] for _ in addresses]
        for span in self._spans:
            first, last = bisect.bisect_left(addresses, span.begin), bisect.bisect_left(addresses, span.end)
            for calls in inlined[first:last]:
                calls.append(span.call)
        return [
            Origin(self._image.function_at(address) or NO_FUNCTION, tuple(calls), self._image.source_line(address))
            for address, calls in zip(addresses, inlined, strict=True)
        ]

    def origin(self, address: int) -> Origin:
        """Return the origin of one instruction."""
        return self.origins([address])[0]

    @cached_property
    def _spans(self) -> list[_Span]:
        """Return what every inlined call covers, outer calls before those within them."""
        with self._image.path.open("rb") as stream:
            elf = ELFFile(stream)
            try:
                spans = list(self._read(elf.get_dwarf_info())) if elf.has_dwarf_info() else []
            except (DWARFError, ELFError, KeyError):
                spans = []
        return sorted(spans, key=lambda span: span.depth)

    def _read(self, dwarf: Any) -> Iterator[_Span]:
        names: dict[int, str] = {}
        for unit in dwarf.iter_CUs():
            top = unit.get_top_DIE()
            base = top.attributes["DW_AT_low_pc"].value if "DW_AT_low_pc" in top.attributes else 0
            program = dwarf.line_program_for_CU(unit)
            pending = [(child, 0) for child in top.iter_children()]
            while pending:
                die, depth = pending.pop()
                inlined = die.tag == "DW_TAG_inlined_subroutine"
                ranges = [(begin, end) for begin, end in _ranges(die, dwarf, base) if begin < end]
                if die.tag == "DW_TAG_subprogram" and not (ranges and self._image.is_code(ranges[0][0])):
                    continue  # the linker discarded it and left it behind at address 0, or it was never compiled alone
                if inlined:
                    call = InlinedCall(_name(die, names), _call_line(die, program))
                    yield from (_Span(begin, end, depth, call) for begin, end in ranges)
                pending += [(child, depth + inlined) for child in die.iter_children()]


def _name(die: Any, names: dict[int, str]) -> str:
    """Return the name of what was inlined, which stands in the entry that the inlined one came from."""
    seen = []
    while "DW_AT_name" not in die.attributes and die.offset not in names:
        seen.append(die.offset)
        link = next((key for key in ("DW_AT_abstract_origin", "DW_AT_specification") if key in die.attributes), None)
        if link is None:
            return NO_FUNCTION
        die = die.get_DIE_from_attribute(link)
    name = names.get(die.offset) or str(die.attributes["DW_AT_name"].value.decode(errors="replace"))
    names.update(dict.fromkeys((*seen, die.offset), name))
    return name


def _call_line(die: Any, program: Any) -> SourceLine | None:
    file, line = (die.attributes.get(f"DW_AT_call_{part}") for part in ("file", "line"))
    if file is None or line is None or program is None:
        return None
    path = source_file(program, file.value)
    return SourceLine(path, line.value) if path else None


def _ranges(die: Any, dwarf: Any, base: int) -> Iterator[tuple[int, int]]:
    attributes = die.attributes
    if "DW_AT_ranges" in attributes:
        for entry in dwarf.range_lists().get_range_list_at_offset(attributes["DW_AT_ranges"].value, cu=die.cu):
            if isinstance(entry, BaseAddressEntry):
                base = entry.base_address
            else:
                shift = 0 if getattr(entry, "is_absolute", False) else base
                yield entry.begin_offset + shift, entry.end_offset + shift
    elif "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
        low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
        yield low, high.value if describe_form_class(high.form) == "address" else low + high.value
