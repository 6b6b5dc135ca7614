"""What each operation of a training step costs: that of its phase and layer, split between the kernels there.

The trace knows phases and layers. Where a layer has several operations in a phase, as gradient and error in the
backward pass, a function counts for the kernel that calls it; one that several call is split by the number of their
calls, as gprof does (Graham, Kessler and McKusick 1982). What no kernel calls, the loop over the operations, is split
evenly.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.explanation.stored_run import StoredRun
from harness.result.layout import PlannedOperation
from harness.trace import STEP_PHASES, Context, Kind, Listing
from harness.trace.instruction import branch_target

_ROUNDS = 32


@dataclass(frozen=True)
class OperationCost:
    """The share of one operation in a mean training step.

    `index` is that in the layout, None for work of a phase that belongs to no operation. Instructions are exact when
    the operation is alone in its phase and layer (`is_exact`), and else split as the module says.
    """

    index: int | None
    operation: PlannedOperation
    instructions: float
    low_cycles: float
    cycles: float
    high_cycles: float
    is_exact: bool


def operation_costs(run: StoredRun) -> list[OperationCost]:
    """Return the costs of all operations in the order in which they run; together they are the mean step."""
    layout, contexts = run.layout, run.trace.contexts
    members: defaultdict[Context, list[int]] = defaultdict(list)
    for index, operation in enumerate(layout.operations):
        members[Context(operation.phase, operation.layer)].append(index)
    calls = _Calls(run)
    costs: list[OperationCost] = []
    for column, context in enumerate(contexts):
        if context.phase not in STEP_PHASES:
            continue
        indices = members.get(context, [])
        kernels = [layout.operations[index].kernel for index in indices]
        for place, shares in enumerate(calls.shares(column, kernels or [""])):
            operation = layout.operations[indices[place]] if indices else _none(run, context)
            instructions, low, cycles, high = (
                float(values @ shares) / run.steps
                for values in (
                    run.trace.executions[:, column].astype(np.float64),
                    run.cycles.low[:, column],
                    run.cycles.by_address[:, column],
                    run.cycles.high[:, column],
                )
            )
            costs.append(
                OperationCost(
                    indices[place] if indices else None, operation, instructions, low, cycles, high, len(indices) < 2
                )
            )
    return sorted(costs, key=lambda cost: _order(run, cost))


def _none(run: StoredRun, context: Context) -> PlannedOperation:
    name = run.layer_names.get(context.layer, "")
    return PlannedOperation(phase=context.phase, layer=context.layer, layer_name=name, kernel="")


def _order(run: StoredRun, cost: OperationCost) -> tuple[int, int]:
    """Operations in their order; what belongs to none comes last in its phase."""
    if cost.index is not None:
        return cost.index, 0
    same = [index for index, one in enumerate(run.layout.operations) if one.phase == cost.operation.phase]
    return max(same, default=len(run.layout.operations)), 1


class _Calls:
    """Who calls whom, and how often, in each context of a run."""

    def __init__(self, run: StoredRun) -> None:
        self._run = run
        listing = Listing(run.image)
        self._functions = [origin.function for origin in run.origins]
        self._sites: list[tuple[int, str, str]] = []
        for row, address in enumerate(run.trace.addresses.tolist()):
            instruction = listing.at(address)
            target = branch_target(instruction)
            callee = run.image.function_at(target) if target is not None else None
            if callee and (instruction.kind is Kind.CALL or callee != self._functions[row]):
                self._sites.append((row, self._functions[row], callee))

    def shares(self, column: int, kernels: list[str]) -> list[npt.NDArray[np.float64]]:
        """Return for each of `kernels` which share of every instruction, in the order of the trace, counts for it."""
        count = len(kernels)
        if count == 1:
            return [np.ones(len(self._functions))]
        calls: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for row, caller, callee in self._sites:
            times = int(self._run.trace.taken[row, column])
            if times:
                calls[callee][caller] = calls[callee].get(caller, 0) + times
        even = np.full(count, 1.0 / count)
        share = {kernel: np.array([float(one == kernel) for one in kernels]) for kernel in kernels}
        share = {kernel: mine / mine.sum() for kernel, mine in share.items()}
        for _ in range(_ROUNDS):  # until the longest chain of calls is walked; there is no recursion
            for callee, callers in calls.items():
                known = {caller: times for caller, times in callers.items() if caller in share}
                if callee in kernels or not known:
                    continue
                whole = sum(known.values())
                share[callee] = sum((share[caller] * times for caller, times in known.items()), np.zeros(count)) / whole
        rows = np.array([share.get(function, even) for function in self._functions])
        return [rows[:, place] for place in range(count)]
