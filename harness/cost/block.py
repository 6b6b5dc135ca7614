"""The basic blocks of a trace and how control came to each, from the counts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.trace.instruction import Instruction
from harness.trace.operands import branch_target
from harness.trace.trace import Trace


@dataclass(frozen=True)
class Block:
    """Rows `first` to `last` of a trace: instructions in a row that were executed equally often in every context.

    `before` is the block that control most often came from, or None when that is not known (a call through a register
    or a return); `by_branch` says that it came by a taken branch.
    """

    first: int
    last: int
    before: int | None
    by_branch: bool


def blocks_of(trace: Trace, instructions: Sequence[Instruction]) -> list[Block]:
    """Return the blocks of `trace`, ascending; `instructions` are those at its addresses.

    A block begins where a direct branch goes to, behind a branch, and where the counts change. Where most entries of a
    block come neither from the block before nor from direct branches, they are taken to be returns.
    """
    rows = {instruction.address: row for row, instruction in enumerate(instructions)}
    executions = trace.executions.sum(axis=1).tolist()
    taken = trace.taken.sum(axis=1).tolist()
    targets: dict[int, list[int]] = {}
    for row, instruction in enumerate(instructions):
        target = branch_target(instruction)
        if target in rows and taken[row]:
            targets.setdefault(rows[target], []).append(row)
    equal = [False, *(trace.executions[1:] == trace.executions[:-1]).all(axis=1).tolist()]
    firsts = [
        row
        for row, instruction in enumerate(instructions)
        if row in targets
        or not equal[row]
        or instructions[row - 1].writes_pc
        or instructions[row - 1].end != instruction.address
    ]
    lasts = [row - 1 for row in firsts[1:]] + [len(instructions) - 1] if firsts else []
    number_of = {row: number for number, row in enumerate(lasts)}
    blocks = []
    for number, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        entries: list[tuple[int, int, bool]] = []
        if number and instructions[first - 1].end == instructions[first].address:
            entries.append((executions[first - 1] - taken[first - 1], number - 1, False))
        entries += [(taken[row], number_of[row], True) for row in targets.get(first, ())]
        unknown = executions[first] - sum(count for count, _, _ in entries)
        count, before, by_branch = max(entries, key=lambda entry: entry[0], default=(0, 0, False))
        known = count > 0 and count >= unknown
        blocks.append(Block(first, last, before if known else None, by_branch))
    return blocks
