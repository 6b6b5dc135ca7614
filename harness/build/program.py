"""The hash of a program: what runs, without what only debuggers read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_NAMES_THE_FILE = ".note.gnu.build-id"


def program_hash(path: Path) -> str:
    """Return the hash over everything of an ELF that is loaded, where it lies, and its symbols.

    Two builds that differ in source lines and comments alone have the same.
    """
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        digest.update(repr(parts).encode())

    with path.open("rb") as file:
        elf = ELFFile(file)
        add(elf.header.e_machine, elf.header.e_flags, elf.header.e_entry)
        for segment in elf.iter_segments("PT_LOAD"):
            add(segment.header.p_vaddr, segment.header.p_paddr, segment.header.p_memsz, segment.header.p_flags)
        for section in elf.iter_sections():
            header = section.header
            if header.sh_flags & SH_FLAGS.SHF_ALLOC and section.name != _NAMES_THE_FILE:
                stored = b"" if header.sh_type == "SHT_NOBITS" else section.data()
                add(section.name, header.sh_addr, header.sh_size, header.sh_flags, stored)
            if isinstance(section, SymbolTableSection):
                for symbol in section.iter_symbols():
                    if symbol.name != _NAMES_THE_FILE:
                        add(symbol.name, symbol.entry.st_value, symbol.entry.st_size, symbol.entry.st_info.type)
    return digest.hexdigest()[:32]
