"""Every block of a trace through the pipeline of a core, each entered as its most frequent predecessor leaves it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.cost.block import Block
from harness.cost.core import CoreModel
from harness.cost.pipeline import Chance, Operation, Pipeline, Run, State
from harness.trace.instruction import Instruction, Kind
from harness.trace.operands import FLAGS, Role, branch_target, operands_of

_Floats = npt.NDArray[np.float64]
_PASSES = 2
_MISPREDICTIONS = {Chance.BEST: 0, Chance.LUCKY: 1, Chance.UNLUCKY: 1, Chance.WORST: 2}
"""How often a predictor gets a branch wrong each time it goes its rarer way."""


_TAKES_APART = re.compile(r"[su]xta?b16|sml[as]ldx?|sml[as]dx?|smu[as]dx?|pkh(bt|tb)|[su](add|sub)(8|16)|usada?8")
"""Mnemonics that take words as several small values."""


@dataclass(frozen=True)
class Prices:
    """Cycles of each instruction for one `Chance`, float64 (n,).

    `each` is an execution, `taken` what a taken branch adds, `rarer` what a branch adds when it goes the way it goes
    less often.
    """

    each: _Floats
    taken: _Floats
    rarer: _Floats


class Simulation:
    """The blocks of one trace on one core."""

    def __init__(self, core: CoreModel, instructions: Sequence[Instruction], blocks: Sequence[Block]) -> None:
        """Take `instructions` and the `blocks` they form. Raises EngineError when the core has no timing for one."""
        self._core = core
        self._pipeline = Pipeline(core)
        fetches, unaligned = _fetch_cycles(core, instructions), _unaligned_cycles(core, instructions, blocks)
        operations = [
            self._pipeline.operation(instruction, *late)
            for instruction, *late in zip(instructions, fetches, unaligned, strict=True)
        ]
        self._blocks = blocks
        self._parts = [operations[block.first : block.last + 1] for block in blocks]
        self._lasts = [operations[block.last] for block in blocks]
        self._differing = [self._pipeline.differs(part) for part in self._parts]
        self._count = len(operations)
        self._misaligned_wide = {one.address for one in instructions if one.size_bytes == 4 and one.address % 4}
        self._known: dict[tuple[int, State, Chance | None], Run] = {}

    def prices(self, chance: Chance) -> Prices:
        """Return the cycles of each instruction.

        A block whose predecessor stands behind it, as at the head of a loop, is simulated twice: after an empty
        pipeline, then after that predecessor.
        """
        each, taken, rarer = np.ones(self._count), np.zeros(self._count), np.zeros(self._count)
        runs: dict[int, Run] = {}
        for _ in range(_PASSES):
            for number in range(len(self._blocks)):
                runs[number] = self._run(number, self._entry(number, runs, chance), chance)
        for number, block in enumerate(self._blocks):
            run, last = runs[number], self._lasts[number]
            each[block.first : block.last + 1] = run.cycles
            wrong = self._misprediction(last, run)
            foretold = last.timing.predicted
            rarer[block.last] = wrong * _MISPREDICTIONS[chance] if foretold == "direction" else 0
            taken[block.last] = self._refill(last, run, chance)
            if foretold == "target" and chance is Chance.WORST:
                taken[block.last] += wrong
        return Prices(each, taken, rarer)

    def _run(self, number: int, state: State, chance: Chance) -> Run:
        key = (number, state, chance if self._differing[number] or state.group or state.last else None)
        if key not in self._known:
            self._known[key] = self._pipeline.run(self._parts[number], state, chance)
        return self._known[key]

    def _entry(self, number: int, runs: dict[int, Run], chance: Chance) -> State:
        block = self._blocks[number]
        if block.before is None or block.before not in runs:
            return State()
        state = runs[block.before].state
        if not block.by_branch:
            return state
        # The target of a foretold branch may issue beside it, if the fetch is lucky.
        joins = self._core.prediction is not None and chance is Chance.BEST
        return state.after_branch(self._lasts[block.before].timing.taken, joins)

    def _refill(self, last: Operation, run: Run, chance: Chance) -> float:
        cycles, refill = last.timing.taken, self._core.refill
        if not cycles or refill is None:
            return cycles
        if last.instruction.kind is Kind.BRANCH_CONDITIONAL and run.flags_distance == 0:
            cycles += refill.same_cycle_flags
        target = branch_target(last.instruction)
        # Where a register branch goes to is not known: a misaligned target every other time.
        misaligned = target in self._misaligned_wide if target is not None else chance >= Chance.UNLUCKY
        return min(cycles + misaligned * refill.misaligned_wide_target, refill.most)

    def _misprediction(self, last: Operation, run: Run) -> int:
        prediction = self._core.prediction
        if prediction is None:
            return 0
        early = (FLAGS, Role.FLAGS) in last.operands.reads and run.flags_distance >= prediction.distance
        return prediction.mispredicted_early_flags if early else prediction.mispredicted


def _fetch_cycles(core: CoreModel, instructions: Sequence[Instruction]) -> list[int]:
    """Return the cycles that each instruction waits because 32-bit instructions in a row lie across words."""
    cycles = [0] * len(instructions)
    if core.wide_run is None:
        return cycles
    run, end = 0, -1
    for row, instruction in enumerate(instructions):
        if not (instruction.size_bytes == 4 and instruction.address % 4):
            run = 0
        else:
            run = run + 1 if instruction.address == end else 1
            cycles[row] = core.wide_run.cycles * (run == core.wide_run.length)
        end = instruction.end
    return cycles


def _unaligned_cycles(core: CoreModel, instructions: Sequence[Instruction], blocks: Sequence[Block]) -> list[int]:
    """Return the cycles that each instruction may wait because it loads a word from any address.

    C promises alignment, so these are the loads whose word is taken apart as several small values.
    """
    cycles = [0] * len(instructions)
    if core.unaligned is None:
        return cycles
    for block in blocks:
        loaded: dict[str, int] = {}
        for row in range(block.first, block.last + 1):
            instruction = instructions[row]
            operands = operands_of(instruction)
            stem = instruction.mnemonic.split(".", 1)[0]
            if _TAKES_APART.fullmatch(stem):
                for register, _ in operands.reads:
                    if register in loaded:
                        cycles[loaded[register]] = core.unaligned.cycles
            for register in operands.writes:
                loaded.pop(register, None)
            if stem == "ldr" and instruction.kind is Kind.LOAD and operands.base not in ("sp", "pc"):
                loaded |= dict.fromkeys(operands.writes, row)
    return cycles
