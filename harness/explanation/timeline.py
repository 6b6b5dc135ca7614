"""A timeline of one mean training step as Chrome trace events, which Perfetto opens.

The format is the "Trace Event Format" in its JSON object form: complete events (`X`) nest by time on one thread,
counter events (`C`) stack their arguments, metadata events (`M`) name process and threads; times are microseconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from harness.cost import time_ms
from harness.explanation.operations import OperationCost, operation_costs
from harness.explanation.stored_run import StoredRun

Event = dict[str, Any]

_PROCESS, _PHASES, _LAYERS, _KERNELS = 1, 1, 2, 3
_THREADS = {_PHASES: "phases", _LAYERS: "layers", _KERNELS: "kernels"}


def timeline(run: StoredRun) -> dict[str, Any]:
    """Return the trace of a mean training step: phases, layers and kernels, and the arena by category.

    Durations come from the cycle model, which `otherData` names with its error; they sum to the time per step of the
    results. The update, which runs once a minibatch, has the share of it that falls on one step.
    """
    costs = operation_costs(run)
    events = [_named(_PROCESS, None, run.label), *(_named(_PROCESS, thread, name) for thread, name in _THREADS.items())]
    events += _slices(run, costs)
    events += _counters(run, costs)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {
            "run": run.label,
            "platform": run.platform.name,
            "time": "estimate",
            "model": run.cycles.model,
            "error": run.cycles.error,
            "arena": "exact",
            "of": f"a mean training step over the {run.steps} emulated ones",
        },
    }


def _named(process: int, thread: int | None, name: str) -> Event:
    event: Event = {"ph": "M", "pid": process, "name": "process_name" if thread is None else "thread_name"}
    return event | ({} if thread is None else {"tid": thread}) | {"args": {"name": name}}


def _microseconds(run: StoredRun, cycles: float) -> float:
    return time_ms(cycles, run.platform) * 1e3


def _slices(run: StoredRun, costs: list[OperationCost]) -> Iterator[Event]:
    def slice_of(thread: int, name: str, category: str, begin: float, group: list[OperationCost]) -> Event:
        cycles = sum(cost.cycles for cost in group)
        exact = all(cost.is_exact for cost in group) or thread != _KERNELS
        return {
            "ph": "X",
            "pid": _PROCESS,
            "tid": thread,
            "name": name,
            "cat": category,
            "ts": _microseconds(run, begin),
            "dur": _microseconds(run, cycles),
            "args": {
                "instructions": sum(cost.instructions for cost in group),
                "instructions_are": "exact" if exact else "exact for the layer, split between its kernels by calls",
                "cycles": cycles,
                "cycles_low": sum(cost.low_cycles for cost in group),
                "cycles_high": sum(cost.high_cycles for cost in group),
                "cycles_model": run.cycles.model,
                "cycles_error": run.cycles.error,
            },
        }

    begin = 0.0
    for phase, in_phase in itertools.groupby(costs, key=lambda cost: cost.operation.phase):
        of_phase = list(in_phase)
        yield slice_of(_PHASES, phase, "phase", begin, of_phase)
        for layer, in_layer in itertools.groupby(of_phase, key=lambda cost: cost.operation.layer):
            of_layer = list(in_layer)
            yield slice_of(_LAYERS, run.layer_name(layer), "layer", begin, of_layer)
            for cost in of_layer:
                yield slice_of(_KERNELS, cost.operation.kernel or phase, "kernel", begin, [cost])
                begin += cost.cycles


def _counters(run: StoredRun, costs: list[OperationCost]) -> Iterator[Event]:
    categories = dict.fromkeys(tensor.category for tensor in run.layout.tensors if tensor.offset is not None)
    begin = 0.0
    for cost in costs:
        if cost.index is not None:
            live = run.layout.live_bytes(cost.index)
            yield {
                "ph": "C",
                "pid": _PROCESS,
                "name": "arena bytes",
                "ts": _microseconds(run, begin),
                "args": {category: live.get(category, 0) for category in categories},
            }
        begin += cost.cycles
