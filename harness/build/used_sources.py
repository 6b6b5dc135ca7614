"""Which sources an image is made of: those of the objects that the linker kept something of, and what they include."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

_MEMORY_MAP = "Linker script and memory map"
_INPUT_SECTION = re.compile(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S+\.c\.o(?:bj)?)\b", re.MULTILINE)
_WRAPPED = re.compile(r"\n\s{10,}(?=0x)")
_NOT_LOADED = (".debug", ".comment", ".eh_frame", ".note", ".ARM.attributes")


def linked_objects(link_map: str) -> set[str]:
    """Return the objects that GNU ld's map shows with at least one byte in the program."""
    _, _, memory_map = link_map.partition(_MEMORY_MAP)
    sections = _INPUT_SECTION.findall(_WRAPPED.sub(" ", memory_map))
    return {name for section, size, name in sections if int(size, 16) and not section.startswith(_NOT_LOADED)}


def dependencies(tree: Path) -> dict[str, list[Path]]:
    """Return the files that each object of a Ninja build was compiled from, as the compiler told them."""
    listed = subprocess.run(["ninja", "-C", str(tree), "-t", "deps"], check=True, capture_output=True, text=True)
    found: dict[str, list[Path]] = {}
    current: list[Path] = []
    for line in listed.stdout.splitlines():
        if line.startswith(" "):
            current.append(Path(line.strip()))
        elif ": #deps" in line:
            current = found.setdefault(line.partition(":")[0], [])
    return found


def used_sources(tree: Path, source: Path) -> list[str]:
    """Return the files below `source`, as paths relative to it, that the image in the build folder `tree` holds."""
    compiled = dependencies(tree)
    objects = linked_objects((tree / "firmware.map").read_text())
    files = {path for name in objects for path in compiled[name]}
    return sorted(str(path.relative_to(source)) for path in files if path.is_relative_to(source))
