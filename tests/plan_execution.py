"""Carries out a plan on a memory that remembers who wrote each byte, to find what is read after its end of life."""

from __future__ import annotations

import numpy as np

from harness.plan import Plan, Tensor

POISON = -1


class PlanError(AssertionError):
    """An operation of the plan reads what is no longer there, or destroys what is still needed."""


def execute(plan: Plan) -> None:
    """Run the operations of one training step; raise PlanError when memory does not hold what an operation expects."""
    memory = np.full(plan.arena_bytes, POISON)
    numbers = {tensor: number for number, tensor in enumerate(plan.tensors)}

    def place(tensor: Tensor) -> slice:
        return slice(plan.offsets[tensor], plan.offsets[tensor] + tensor.size_bytes)

    for tensor in plan.tensors:
        if tensor.place == "state":
            if (memory[place(tensor)] != POISON).any():
                raise PlanError(f"{tensor.name} overlaps another tensor of the state")
            memory[place(tensor)] = numbers[tensor]
    for index, operation in enumerate(plan.operations):
        for tensor in operation.reads:
            if (memory[place(tensor)] != numbers[tensor]).any():
                raise PlanError(f"operation {index}, {operation.kernel}, finds no {tensor.name}")
        busy = np.zeros(plan.arena_bytes, dtype=bool)
        for tensor in operation.reads:
            # What is computed in place of an input may overwrite it, element by element.
            if all(written.storage is not tensor.storage for written in operation.writes):
                busy[place(tensor)] = True
        for tensor in (*operation.writes, *operation.scratch):
            if busy[place(tensor)].any():
                raise PlanError(f"operation {index}, {operation.kernel}, destroys what it reads with {tensor.name}")
            busy[place(tensor)] = True
        for tensor in (*operation.writes, *operation.scratch):
            memory[place(tensor)] = numbers[tensor]
        for tensor in plan.tensors:
            if tensor.place == "step" and tensor.inside is None and tensor.last == index:
                memory[place(tensor)] = POISON
    for tensor in plan.tensors:
        if tensor.place == "state" and (memory[place(tensor)] != numbers[tensor]).any():
            raise PlanError(f"{tensor.name} does not survive a step")
