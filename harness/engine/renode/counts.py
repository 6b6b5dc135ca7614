"""What renode/hooks/block_counter.cs is told about the code, and what its counts say about each instruction."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
import numpy.typing as npt

from harness.build.elf import Image
from harness.engine.job import Region
from harness.engine.renode.opcodes import CLASSES
from harness.errors import EngineError
from harness.trace.instruction import Instruction, Kind, Listing
from harness.trace.trace import PHASES, Context, Counts

LAYERS_MAX, CONTEXTS_MAX = 1024, 2048
NO_ADDRESS = 1

_FARTHEST_CUT = 255
_SLOT_WORDS = 6
_FLAG_COMBINATIONS = 16
_SETS_FLAGS = frozenset({"cmp", "cmn", "tst", "teq", "vmrs", "msr"})
_FLAG_KINDS = frozenset({Kind.ALU, Kind.MUL})


class Stop(IntEnum):
    """Why a run ended; equal to the enum in block_counter.cs."""

    NONE = 0
    FINISHED = 1
    OUTSIDE_CODE = 2
    MARKER = 3
    CONTEXTS = 4
    SLOTS = 5
    STACK = 6
    NOT_CUT = 7
    BREAK = 8
    MEMORY = 9
    EXCEPTION = 10
    ABORT = 11
    REGION = 12


class Mark(IntFlag):
    """What a halfword is; equal to the enum in block_counter.cs."""

    CODE = 1
    WIDE = 2
    CONDITIONS = 4
    STACK = 8
    BREAK = 16


class CodeMap:
    """The halfwords of an image that can hold code: which instruction begins there, and what it needs."""

    def __init__(self, image: Image, listing: Listing, wanted: Mark) -> None:
        """Decode the code of `image`; blocks are to begin at the marks `wanted`."""
        self.spans = [(s.address & ~1, (s.size_bytes + 2) // 2) for s in image.sections if s.executable]
        self.halfwords = sum(count for _, count in self.spans)
        self.marks = np.zeros(self.halfwords, dtype=np.uint8)
        self.distances = np.full(self.halfwords, 1, dtype=np.uint8)
        self.conditions: dict[int, str] = {}
        for begin, end in image.code_ranges:
            first = self.index(begin)
            if first is not None:
                self.marks[first : first + (end - begin) // 2] = Mark.CODE
        self._cuts: dict[int, Mark] = {}
        self._mark(listing.instructions.values())
        self.marks &= np.uint8(Mark.CODE | Mark.WIDE | wanted)
        self._cuts = {address: mark for address, mark in self._cuts.items() if mark & wanted}
        self._measure(list(listing.instructions.values()))

    def index(self, address: int) -> int | None:
        """Return the index of the halfword at `address`, None outside the code."""
        first = 0
        for begin, count in self.spans:
            if begin <= address < begin + 2 * count:
                return first + (address - begin) // 2
            first += count
        return None

    def _mark(self, instructions: Iterable[Instruction]) -> None:
        stack_moved = False
        pending: list[str] = []
        flags_changed = False
        for instruction in instructions:
            index = self.index(instruction.address)
            if index is None:
                continue
            if instruction.size_bytes == 4:
                self.marks[index] |= Mark.WIDE
            # Lowered twice in a row, the second look sees the lower one.
            if stack_moved and not instruction.lowers_sp:
                self._cut(index, instruction, Mark.STACK)
            stack_moved = instruction.lowers_sp
            if instruction.mnemonic in ("bkpt", "wfi", "wfe"):
                self._cut(index, instruction, Mark.BREAK)
            if instruction.kind is Kind.IT:
                pending = conditions_of(instruction)
                self._cut(index, instruction, Mark.CONDITIONS)
                flags_changed = False
            elif instruction.condition and pending:
                self.conditions[index] = pending.pop(0)
                self.marks[index] |= Mark.CONDITIONS
                if flags_changed:
                    self._cut(index, instruction, Mark.CONDITIONS)
                flags_changed = _sets_flags(instruction)

    def _cut(self, index: int, instruction: Instruction, mark: Mark) -> None:
        self.marks[index] |= mark
        self._cuts[instruction.address] = self._cuts.get(instruction.address, Mark(0)) | mark

    def _measure(self, instructions: list[Instruction]) -> None:
        """Set for each instruction how many there are up to the next one that must begin a block."""
        distance, next_address = _FARTHEST_CUT, None
        for instruction in reversed(instructions):
            continues = instruction.end == next_address
            next_is_cut = continues and next_address in self._cuts
            distance = 1 if next_is_cut else min(distance + 1, _FARTHEST_CUT) if continues else _FARTHEST_CUT
            next_address = instruction.address
            index = self.index(instruction.address)
            if index is not None:
                self.distances[index] = distance


def conditions_of(it: Instruction) -> list[str]:
    """Return the condition of each instruction of the block that an IT instruction begins."""
    condition = it.operands.strip()
    return [condition if letter == "t" else _OPPOSITE[condition] for letter in it.mnemonic[1:]]


_OPPOSITE = {
    "eq": "ne", "hs": "lo", "cs": "cc", "mi": "pl", "vs": "vc", "hi": "ls", "ge": "lt", "gt": "le", "al": "al",
}  # fmt: skip
_OPPOSITE |= {other: one for one, other in _OPPOSITE.items()}


def _sets_flags(instruction: Instruction) -> bool:
    stem = instruction.mnemonic.split(".", 1)[0]
    # 16-bit arithmetic within an IT block leaves the flags alone, whatever its name outside of one.
    wide = instruction.size_bytes == 4 and stem.endswith("s") and instruction.kind in _FLAG_KINDS
    return stem in _SETS_FLAGS or wide


def holds(condition: str, flags: int) -> bool:
    """Say whether a condition holds for the four flags NZCV (Armv7-M ARM, A7.3)."""
    n, z, c, v = (bool(flags >> bit & 1) for bit in (3, 2, 1, 0))
    true_of = {
        "eq": z, "hs": c, "cs": c, "mi": n, "vs": v, "hi": c and not z,
        "ge": n == v, "gt": n == v and not z, "al": True,
    }  # fmt: skip
    return true_of[condition] if condition in true_of else not true_of[_OPPOSITE[condition]]


@dataclass(frozen=True)
class Settings:
    """What the counter is told beside the code: see CounterSettings in block_counter.cs."""

    profile: bool
    phases: int
    marker: int
    finish: int
    any_elf: bool
    region: Region | None
    stack_limit: int
    stack_top: int
    reset: int
    patterns: tuple[tuple[int, int], ...] = ()

    def pack(self, code: CodeMap) -> bytes:
        """Return the bytes of the settings and of the map of the code."""
        region = self.region or Region(NO_ADDRESS)
        words = [
            self.profile,
            self.phases,
            PHASES.index("load") if not self.any_elf else 0xFFFF,
            self.marker,
            self.finish,
            self.any_elf,
            region.begin,
            NO_ADDRESS if region.end is None else region.end,
            region.call,
            self.stack_limit,
            self.stack_top,
            self.reset,
            len(self.patterns),
        ]
        packed = struct.pack(f"<{len(words)}I", *words)
        packed += b"".join(struct.pack("<2H", *pattern) for pattern in self.patterns)
        packed += struct.pack("<I", len(code.spans)) + b"".join(struct.pack("<2I", *span) for span in code.spans)
        return packed + code.marks.tobytes() + code.distances.tobytes()


@dataclass(frozen=True)
class ContextCounts:
    """The counts of one context: of each slot, of the flags at each row of conditions, and the totals."""

    phase: int
    layer: int
    stack_low: int
    registers: npt.NDArray[np.uint32]
    stack: bytes
    totals: Counts
    cells: Counts
    conditions: Counts


class Dump:
    """What the counter returned.

    `slots` is uint32 (n, 6): pc, instructions, end, key, next, row of conditions. Slot 0 stands for the reset.
    """

    def __init__(self, data: bytes, *, profile: bool) -> None:
        """Read the bytes that `Session.dump` returned."""
        self._data, self._at, self._profile = data, 0, profile
        contexts, slots, conditions, totals = (int(n) for n in self._words(4))
        self.slots = self._words(slots * _SLOT_WORDS).reshape(slots, _SLOT_WORDS)
        self.contexts = [self._context(slots, conditions, totals, profile) for _ in range(contexts)]

    def _words(self, count: int) -> npt.NDArray[np.uint32]:
        return np.frombuffer(self._bytes(4 * count), dtype=np.uint32)

    def _counts(self, count: int) -> Counts:
        return np.frombuffer(self._bytes(8 * count), dtype=np.uint64)

    def _bytes(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _context(self, slots: int, conditions: int, totals: int, profile: bool) -> ContextCounts:
        phase, layer, stack_low = (int(n) for n in self._words(3))
        registers = self._words(16)
        stack = self._bytes(int(self._words(1)[0]))
        return ContextCounts(
            phase,
            layer - (layer >> 31 << 32),
            stack_low,
            registers,
            stack,
            self._counts(totals),
            self._counts(2 * slots if profile else 0).reshape(-1, 2),
            self._counts(_FLAG_COMBINATIONS * conditions if profile else 0).reshape(-1, _FLAG_COMBINATIONS),
        )

    @property
    def instructions(self) -> int:
        """Return the instructions of all counted blocks, or of the totals where no block was counted."""
        if not self._profile:
            return sum(int(c.totals[0]) for c in self.contexts)
        return sum(int((c.cells[:, 0] * self.slots[:, 1]).sum()) for c in self.contexts)


@dataclass(frozen=True)
class AddressCounts:
    """Counts by address as in `Trace`."""

    addresses: npt.NDArray[np.uint32]
    executions: Counts
    skipped: Counts
    taken: Counts


def by_address(dump: Dump, code: CodeMap, listing: Listing) -> AddressCounts:
    """Return how often each instruction was executed, skipped and left for another address than the next.

    Raises EngineError when a block does not fill its instructions to the byte, or was left more often than entered.
    """
    cells = np.stack([context.cells for context in dump.contexts])
    if (cells[:, 1:, 1] > cells[:, 1:, 0]).any():
        raise EngineError("self-check: a block was left more often than it was entered")
    conditions = np.stack([context.conditions for context in dump.contexts])
    executions = np.zeros((code.halfwords, len(dump.contexts)), dtype=np.uint64)
    passed, taken = np.zeros_like(executions), np.zeros_like(executions)
    starts: dict[int, int] = {}
    for slot in np.flatnonzero(cells[:, :, 0].any(axis=0)):
        pc, instructions, end, _, _, row = (int(n) for n in dump.slots[slot])
        block = listing.block(pc, end - pc)
        if len(block) != instructions:
            raise EngineError(f"self-check: the block at 0x{pc:08x} has {len(block)} instructions, not {instructions}")
        last = 0
        for instruction in block:
            last = starts.setdefault(instruction.address, code.index(instruction.address) or 0)
            executions[last] += cells[:, slot, 0]
            condition = code.conditions.get(last)
            if condition is not None:
                passed[last] += conditions[:, row, _where(condition)].sum(axis=1)
        taken[last] += cells[:, slot, 1]
    addresses = sorted(starts)
    rows = [starts[address] for address in addresses]
    conditional = np.array([row in code.conditions for row in rows], dtype=bool)
    skipped = np.where(conditional[:, None], executions[rows] - passed[rows], np.uint64(0))
    return AddressCounts(np.array(addresses, dtype=np.uint32), executions[rows], skipped, taken[rows])


def _where(condition: str) -> list[int]:
    return [flags for flags in range(_FLAG_COMBINATIONS) if holds(condition, flags)]


def class_totals(dump: Dump) -> Counts:
    """Return uint64 (classes, contexts): the instructions of each class of opcodes.py, and of no class."""
    totals = np.stack([context.totals for context in dump.contexts], axis=1)
    rows, first = [], 1
    for listed in CLASSES.values():
        rows.append(totals[first : first + len(listed)].sum(axis=0))
        first += len(listed)
    return np.stack([*rows, totals[0] - totals[1:].sum(axis=0)])


def contexts_of(dump: Dump, phases: Sequence[str]) -> tuple[Context, ...]:
    """Return the contexts by name."""
    return tuple(Context(phases[context.phase], context.layer) for context in dump.contexts)
