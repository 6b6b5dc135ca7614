"""The deepest stack of each phase and layer, and who called whom to get there."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from harness.build.call_frames import LR, SP, CallFrames
from harness.build.elf import Image
from harness.build.source_map import Origin, SourceMap
from harness.trace.instruction import Instruction, Kind, Listing, branch_target
from harness.trace.trace import PHASES, Context, Trace

_NONE = 0xFFFFFFFF
_PC = 15
_NO_ADDRESS = 1
_LONGEST_CHAIN = 256
_LONGEST_DETOUR = 4


@dataclass(frozen=True)
class Frame:
    """One function of a call chain, at an instruction, with the bytes that it has on the stack."""

    origin: Origin
    size_bytes: int


@dataclass(frozen=True)
class DeepStack:
    """The stack of one context at its deepest.

    `frames` is the call chain, outermost first; it is empty where nothing was kept. It is `complete` when it begins
    where the stack does; its frames have `size_bytes` together then. A function that jumped on instead of calling has
    a frame of 0 bytes.
    """

    context: Context
    size_bytes: int
    frames: tuple[Frame, ...]
    complete: bool


def deep_stacks(trace: Trace, image: Image, stack_top: int | None = None) -> list[DeepStack]:
    """Return the deepest stack of every context of `trace`, in its order.

    Sizes count from `stack_top`, or from the symbol `__stack_top` when it is not given.
    """
    unwinder = _Unwinder(image)
    top = image.symbols["__stack_top"].address if stack_top is None else stack_top
    found = []
    for column, context in enumerate(trace.contexts):
        registers, contents = trace.stack_registers[column].tolist(), trace.stack_contents[column]
        frames, complete = ((), False) if registers[_PC] == _NO_ADDRESS else unwinder.chain(registers, contents)
        low = int(trace.stack_low[column])
        found.append(DeepStack(context, 0 if low == _NONE else max(0, top - low), frames, complete))
    return found


def deepest_by_phase(stacks: Iterable[DeepStack]) -> dict[str, DeepStack]:
    """Return the deepest stack of each phase that ran, in the order of `PHASES`."""
    phases: dict[str, DeepStack] = {}
    for stack in stacks:
        best = phases.get(stack.context.phase)
        if best is None or stack.size_bytes > best.size_bytes:
            phases[stack.context.phase] = stack
    return {phase: phases[phase] for phase in PHASES if phase in phases}


class _Kept:
    """The words of a kept stack."""

    def __init__(self, low: int, contents: bytes) -> None:
        self.low, self.top = low, low + len(contents)
        self._words = struct.unpack(f"<{len(contents) // 4}I", contents[: len(contents) // 4 * 4])

    def read(self, address: int) -> int | None:
        index = (address - self.low) // 4
        return self._words[index] if 0 <= index < len(self._words) and address % 4 == 0 else None


class _Unwinder:
    """Follows a kept stack from its deepest point to its beginning.

    The call frame information tells where the caller is. Where it is silent or wrong, as for hand-written assembly,
    the next word of the stack is taken that is the return address of a call of the function. A caller counts only when
    the instruction in front of the return address calls that function, one that jumps on to it, or through a pointer.
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._listing = Listing(image)
        self._frames = CallFrames(image)
        self._map = SourceMap(image)

    def chain(self, registers: list[int], contents: bytes) -> tuple[tuple[Frame, ...], bool]:
        """Return the call chain, outermost first, and whether it is complete."""
        kept = _Kept(registers[SP], contents)
        frames: list[Frame] = []
        pc = registers[_PC]
        for _ in range(_LONGEST_CHAIN):
            told = self._frames.caller(pc, registers, kept.read)
            function = self._image.function_at(pc) or ""
            caller = self._caller(function, told, registers, kept)
            if caller is None:
                size = kept.top - registers[SP]
                frames.append(Frame(self._map.origin(pc), size))
                return tuple(reversed(frames)), told is not None and told[SP] == kept.top
            before, detour = caller
            frames.append(Frame(self._map.origin(pc), before[SP] - registers[SP]))
            frames += [Frame(Origin(name, (), None), 0) for name in reversed(detour)]
            registers, pc = before, before[_PC]
        return tuple(reversed(frames)), False

    def _caller(
        self, function: str, told: list[int] | None, registers: list[int], kept: _Kept
    ) -> tuple[list[int], tuple[str, ...]] | None:
        """Return the registers of the caller, r15 being its call, and the functions that jumped on in between."""
        candidates = [told] if told is not None and told[SP] >= registers[SP] else []
        candidates.append([*registers[:_PC], registers[LR]])
        for address in range(registers[SP], kept.top, 4):
            word = kept.read(address)
            if word is not None:
                candidates.append([*registers[:SP], address + 4, registers[LR], word])
        for before in candidates:
            call = self._call_before(before[_PC])
            detour = None if call is None else self._detour(call, function)
            if call is not None and detour is not None:
                return [*before[:_PC], call.address], detour
        return None

    def _call_before(self, word: int) -> Instruction | None:
        """Return the call that `word` is the return address of, if it is one."""
        if not word & 1:
            return None
        found = (self._listing.instructions.get(word - 1 - size) for size in (4, 2))
        calls = (one for one in found if one and one.kind in (Kind.CALL, Kind.CALL_INDIRECT) and one.end == word - 1)
        return next(calls, None)

    def _detour(self, call: Instruction, function: str) -> tuple[str, ...] | None:
        """Return the functions that jump on between `call` and `function`, one to the next; None if there is no way."""
        target = branch_target(call)
        if target is None:
            return ()
        ways: list[tuple[str, ...]] = [(self._image.function_at(target) or "",)]
        for _ in range(_LONGEST_DETOUR):
            for way in ways:
                if way[-1] == function:
                    return way[:-1]
            ways = [(*way, after) for way in ways for after in sorted(self._jumps.get(way[-1], ())) if after not in way]
        return None

    @cached_property
    def _jumps(self) -> dict[str, set[str]]:
        """Return for each function those that it jumps to."""
        jumps: defaultdict[str, set[str]] = defaultdict(set)
        for instruction in self._listing.instructions.values():
            target = branch_target(instruction)
            if target is None or instruction.kind is Kind.CALL:
                continue
            source, goal = self._image.function_at(instruction.address), self._image.function_at(target)
            if source and goal and source != goal:
                jumps[source].add(goal)
        return dict(jumps)
