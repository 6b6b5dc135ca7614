"""A small in-order pipeline: simulates a straight run of instructions on a core, one issue group after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from harness.cost.core import CoreModel, Match, Timing
from harness.errors import EngineError
from harness.trace.instruction import Instruction, Kind
from harness.trace.operands import FLAGS, Form, Operands, Role, operands_of

_LOADS = frozenset({Kind.LOAD, Kind.FP_LOAD})


_LONG_AGO = 1 << 10


class Chance(IntEnum):
    """What to take for granted where the code does not say: the best, either half of what is expected, or the worst."""

    BEST = 0
    LUCKY = 1
    UNLUCKY = 2
    WORST = 3


@dataclass(frozen=True, eq=False, slots=True)
class Operation:
    """An instruction on its way through the pipeline of one core.

    `cycles` holds the issue cycles for each `Chance`. Times of results are counted from the last of these.
    """

    instruction: Instruction
    operands: Operands
    timing: Timing
    cycles: tuple[int, ...]
    reads: tuple[tuple[str, Role], ...]
    loads: bool


class Result(NamedTuple):
    """A register on its way: when its last issue cycle began, by which timing, and whether it executed early."""

    time: int
    timing: Timing
    early: bool


class State(NamedTuple):
    """What a run leaves to the next one; times are relative to the first cycle in which nothing of it issues.

    `group` are the operations of an issue group that has room for one more and began `began` cycles before.
    """

    results: tuple[tuple[str, int, str, bool], ...] = ()
    busy: tuple[tuple[str, int], ...] = ()
    group: tuple[Operation, ...] = ()
    began: int = 0
    last: str | None = None

    def after_branch(self, gap: int, joins: bool) -> State:
        """Return what is left `gap` cycles later, behind a taken branch; `joins` lets the target fill its group."""
        results = tuple((name, time - gap, timing, early) for name, time, timing, early in self.results)
        busy = tuple((unit, time - gap) for unit, time in self.busy)
        return State(results, busy, self.group if joins else (), self.began if joins else 0, None)


class Run(NamedTuple):
    """Cycles of each operation, the state behind the last, and the cycles between the flags and the last operation."""

    cycles: tuple[float, ...]
    state: State
    flags_distance: int


class Pipeline:
    """The pipeline of one core."""

    def __init__(self, core: CoreModel) -> None:
        self.core = core
        self._earlier = core.reading.earlier

    def differs(self, operations: Sequence[Operation]) -> bool:
        """Say whether the cycles of `operations` depend on the `Chance` they are simulated with."""
        loads = sum(operation.loads for operation in operations)
        return loads > 1 or any(
            min(operation.cycles) != max(operation.cycles)
            or (operation.timing.hidden is not None and operation.timing.hidden.perhaps_before)
            for operation in operations
        )

    @cached_property
    def _timings(self) -> dict[str, Timing]:
        return {timing.name: timing for timing in self.core.timings}

    def operation(self, instruction: Instruction, fetch_cycles: int = 0, unaligned_cycles: int = 0) -> Operation:
        """Return `instruction` as this pipeline sees it.

        Unlucky and worst chances add `fetch_cycles`, the worst `unaligned_cycles` too. Raises EngineError when the core
        has no timing for it.
        """
        operands = operands_of(instruction)
        stem = instruction.mnemonic.split(".", 1)[0]
        timing = next(
            (timing for timing in self.core.timings if _matches(timing.match, instruction.kind, stem, operands.forms)),
            None,
        )
        if timing is None:
            raise EngineError(f"{self.core.model} has no cycles for '{instruction}' ({instruction.kind})")
        words = instruction.loaded_words + instruction.stored_words
        low, high = timing.range or (timing.cycles, timing.cycles)
        chances = (low, math.floor(timing.cycles), math.ceil(timing.cycles), high)
        late = (0, 0, fetch_cycles, fetch_cycles + unaligned_cycles)
        cycles = tuple(
            math.ceil(cycles + timing.per_word * words) + more for cycles, more in zip(chances, late, strict=True)
        )
        # A predicted branch issues before its flags or its address are there.
        reads = () if timing.predicted else operands.reads
        loads = self.core.loads_in_banks and instruction.kind in _LOADS
        return Operation(instruction, operands, timing, cycles, reads, loads)

    def run(self, operations: Sequence[Operation], state: State, chance: Chance) -> Run:
        """Simulate `operations` one after the other, entered in `state`.

        The cycles of two that issue together are shared evenly; one that joins a group of `state` adds only what it
        takes longer. A stall counts at the operation that waits.
        """
        results = {name: Result(time, self._timings[timing], early) for name, time, timing, early in state.results}
        busy = dict(state.busy)
        group, began = list(state.group), -state.began
        last = self._timings[state.last] if state.last else None
        costs = [0.0] * len(operations)
        carried = len(group)
        free, distance = 0, _LONG_AGO
        for number, operation in enumerate(operations):
            timing, cycles = operation.timing, operation.cycles[chance]
            ready = self._ready(operation, results, busy)
            joins = bool(group) and ready <= began and self._joins(group, operation, chance)
            if joins:
                start = began
                longer = max(0, start + cycles - free)
                free += longer
                if len(group) > carried:
                    half = (free - began) / 2
                    costs[number - 1] += half - (free - longer - began)
                    costs[number] = half
                else:
                    costs[number] = longer
                group.append(operation)
            else:
                start = max(free - _overlap(last, timing, chance), ready)
                costs[number] = start + cycles - free
                group, carried, began, free = [operation], 0, start, start + cycles
            if timing.alone or len(group) == self.core.issue_width:
                group = []
            if FLAGS in results:
                distance = start - results[FLAGS].time
            self._issue(operation, start, cycles, not joins, results, busy)
            last = timing
        return Run(tuple(costs), self._leave(results, busy, group, began, free, last), distance)

    def _ready(self, operation: Operation, results: dict[str, Result], busy: dict[str, int]) -> int:
        """Return the first cycle in which the operands and units of `operation` are there."""
        ready = -(1 << 30)
        for register, role in operation.reads:
            if register in results:
                ready = max(ready, self._available(results[register], register, role))
        for unit in operation.timing.needs:
            if unit in busy:
                ready = max(ready, busy[unit])
        return ready

    def _available(self, result: Result, register: str, role: Role) -> int:
        timing = result.timing
        latency = timing.to.get(role)
        if latency is None:
            latency = timing.latency + self._earlier.get(role, 0)
        if result.early and register != FLAGS:
            latency -= 1
        return result.time + max(0, latency)

    def _joins(self, group: list[Operation], operation: Operation, chance: Chance) -> bool:
        if operation.timing.alone or operation.timing.older:
            return False
        if self.core.pairs == "narrow" and any(one.instruction.size_bytes > 2 for one in (*group, operation)):
            return False
        if not operation.loads:
            return True
        return not any(other.loads and _banks_collide(other, operation, chance) for other in group)

    def _issue(
        self,
        operation: Operation,
        start: int,
        cycles: int,
        is_older: bool,
        results: dict[str, Result],
        busy: dict[str, int],
    ) -> None:
        timing = operation.timing
        early = timing.early == "any" or (timing.early == "older" and is_older)
        if early:
            for register, role in operation.reads:
                # The early stage reads plain operands one cycle before the late one.
                if register in results and self._available(results[register], register, role) + 1 > start:
                    early = False
        for register in operation.operands.writes:
            results[register] = Result(start + max(0, cycles - 1), timing, early)
        for register in operation.operands.updates:
            results[register] = Result(start, self._update, self._update.early != "no")
        for unit in timing.needs:
            busy[unit] = start + 1
        for unit, held in timing.holds.items():
            busy[unit] = start + held

    @cached_property
    def _update(self) -> Timing:
        """Return the timing of a base register that an access changes: that of the core's plain addition."""
        return next(timing for timing in self.core.timings if _matches(timing.match, Kind.ALU, "add", frozenset()))

    def _leave(
        self,
        results: dict[str, Result],
        busy: dict[str, int],
        group: list[Operation],
        began: int,
        free: int,
        last: Timing | None,
    ) -> State:
        kept = tuple(
            (name, result.time - free, result.timing.name, result.early)
            for name, result in sorted(results.items())
            if result.time + self._longest[result.timing.name] > free - 1
        )
        taken = tuple(sorted((unit, time - free) for unit, time in busy.items() if time > free - 1))
        name = last.name if last and last.hidden else None
        return State(kept, taken, tuple(group), free - began if group else 0, name)

    @cached_property
    def _longest(self) -> dict[str, int]:
        """Return the cycles after which a result of each timing keeps nobody waiting."""
        most = max(0, *self._earlier.values()) if self._earlier else 0
        return {timing.name: max([timing.latency + most, *timing.to.values()]) + 1 for timing in self.core.timings}


def _matches(match: Match, kind: Kind, stem: str, forms: frozenset[Form]) -> bool:
    return (
        (not match.kinds or kind in match.kinds)
        and (not match.mnemonics or stem in match.mnemonics)
        and all(form in forms for form in match.forms)
        and not any(form in forms for form in match.without)
    )


def _banks_collide(older: Operation, younger: Operation, chance: Chance) -> bool:
    """Say whether two loads go to the same of the two banks (even and odd words)."""
    first, second = older.operands, younger.operands
    if first.base == second.base and first.offset is not None and second.offset is not None:
        return first.offset // 4 % 2 == second.offset // 4 % 2
    return chance >= Chance.UNLUCKY


def _overlap(last: Timing | None, timing: Timing, chance: Chance) -> int:
    """Return how many cycles of the `last` instruction the next one hides."""
    if last is None or last.hidden is None:
        return 0
    hidden = last.hidden
    is_hidden = timing.name in hidden.before or (timing.name in hidden.perhaps_before and chance <= Chance.LUCKY)
    return hidden.cycles if is_hidden else 0
