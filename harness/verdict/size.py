"""Which bytes moved: RAM by part, tensor and object, flash by section, function and object, the stack by frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.cost import static_memory
from harness.explanation.flash import flash_parts
from harness.explanation.stack import deepest_by_phase
from harness.explanation.stored_run import StoredRun
from harness.result import Document
from harness.verdict.movement import function_name


@dataclass(frozen=True)
class MovedBytes:
    """Bytes of one part before and after; `area` is `RAM`, `flash` or `stack`, `part` what holds `name`."""

    area: str
    part: str
    name: str
    before: int
    after: int

    @property
    def delta(self) -> int:
        """Return how many more there are."""
        return self.after - self.before


def document_sizes(before: Document, after: Document) -> list[MovedBytes]:
    """Return the parts of RAM, the categories of the arena and the sections of flash that moved."""
    old, new = before.memory, after.memory
    assert old is not None
    assert new is not None
    parts = ("arena_bytes", "data_bytes", "bss_bytes", "stack_reserved_bytes")
    ram = [{name.removesuffix("_bytes"): getattr(side, name) for name in parts} for side in (old, new)]
    return [
        *_moved("RAM", "", *ram),
        *_moved("RAM", "arena", old.arena_by_category, new.arena_by_category),
        *_moved("flash", "", old.flash_by_section, new.flash_by_section),
    ]


def run_sizes(before: StoredRun, after: StoredRun) -> list[MovedBytes]:
    """Return every function, object and tensor whose size moved. Raises InputError when what was stored is gone."""
    found = []
    sections = [_by_section(run) for run in (before, after)]
    for section in {**sections[0], **sections[1]}:
        found += _moved("flash", section, *(side.get(section, {}) for side in sections))
    found += _moved("RAM", "arena", *(_tensors(run) for run in (before, after)))
    found += _moved("RAM", "objects", *(_objects(run) for run in (before, after)))
    return found


def stack_frames(before: StoredRun, after: StoredRun) -> list[MovedBytes]:
    """Return the frames of the deepest stack whose size moved, functions that came or went included."""
    old, new = _deepest(before), _deepest(after)
    return _moved("stack", new[0] if new[0] == old[0] else f"{old[0]} -> {new[0]}", old[1], new[1])


def _moved(area: str, part: str, before: Mapping[str, int], after: Mapping[str, int]) -> list[MovedBytes]:
    rows = [MovedBytes(area, part, name, before.get(name, 0), after.get(name, 0)) for name in {**before, **after}]
    return sorted((row for row in rows if row.delta), key=lambda row: (-abs(row.delta), row.name))


def _by_section(run: StoredRun) -> dict[str, Counter[str]]:
    sections: dict[str, Counter[str]] = {}
    for part in flash_parts(run):
        name = function_name(part.name) if part.kind == "function" else part.name
        sections.setdefault(part.section, Counter())[name] += part.size_bytes
    return sections


def _tensors(run: StoredRun) -> dict[str, int]:
    return {tensor.name: tensor.size_bytes for tensor in run.layout.tensors if tensor.offset is not None}


def _objects(run: StoredRun) -> Counter[str]:
    """Return the objects in RAM, without the arena."""
    in_flash = static_memory(run.image, run.platform).flash_bytes
    ram = [section for section in run.image.sections if section.writable and section.name not in in_flash]
    sizes: Counter[str] = Counter()
    for symbol in run.image.placed:
        inside = any(one.address <= symbol.address < one.address + one.size_bytes for one in ram)
        if inside and symbol.size_bytes and symbol.name != "arena":
            sizes[symbol.name] += symbol.size_bytes
    return sizes


def _deepest(run: StoredRun) -> tuple[str, Counter[str]]:
    """Return the phase of the deepest stack, and the bytes of each function there."""
    stacks = deepest_by_phase(run.stacks)
    phase, stack = max(stacks.items(), key=lambda item: item[1].size_bytes)
    sizes: Counter[str] = Counter()
    for frame in stack.frames:
        sizes[function_name(frame.origin.function)] += frame.size_bytes
    return phase, sizes
