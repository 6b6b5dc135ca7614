"""Several traces of one firmware as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.trace.trace import Accesses, Context, Counts, Trace


def weighted_sum(traces: Sequence[Trace], weights: Sequence[int]) -> Trace:
    """Return the counts of `traces`, each times its weight, with the deepest stack of each context in any of them.

    Records follow each other; memory at the end is that of the last trace.
    """
    contexts = tuple(dict.fromkeys(context for trace in traces for context in trace.contexts))
    addresses = np.unique(np.concatenate([trace.addresses for trace in traces]))
    classes = traces[-1].classes
    place = {context: column for column, context in enumerate(contexts)}

    def total(arrays: Sequence[Counts]) -> Counts:
        summed = np.zeros((len(classes) or len(addresses), len(contexts)), dtype=np.uint64)
        for trace, array, weight in zip(traces, arrays, weights, strict=True):
            rows = np.arange(len(classes)) if classes else np.searchsorted(addresses, trace.addresses)
            columns = np.array([place[context] for context in trace.contexts])
            summed[rows[:, None], columns] += array * np.uint64(weight)
        return summed

    low, registers, contents = _deepest_stacks(traces, contexts)
    last = traces[-1]
    return Trace(
        engine=last.engine,
        contexts=contexts,
        addresses=addresses,
        executions=total([trace.executions for trace in traces]),
        skipped=total([trace.skipped for trace in traces]),
        taken=total([trace.taken for trace in traces]),
        stack_low=low,
        stack_registers=registers,
        stack_contents=contents,
        records=tuple(record for trace in traces for record in trace.records),
        memory=last.memory,
        wall_seconds=sum(trace.wall_seconds for trace in traces),
        simulated={
            name: Accesses(
                total([trace.simulated[name].accesses for trace in traces]),
                total([trace.simulated[name].misses for trace in traces]),
            )
            for name in last.simulated
        },
        classes=classes,
    )


def _deepest_stacks(
    traces: Sequence[Trace], contexts: Sequence[Context]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], tuple[bytes, ...]]:
    low, registers, contents = [], [], []
    for context in contexts:
        seen = [(trace, trace.contexts.index(context)) for trace in traces if context in trace.contexts]
        trace, column = min(seen, key=lambda one: int(one[0].stack_low[one[1]]))
        low.append(int(trace.stack_low[column]))
        registers.append(trace.stack_registers[column])
        contents.append(trace.stack_contents[column])
    return np.array(low, dtype=np.uint32), np.array(registers, dtype=np.uint32), tuple(contents)
