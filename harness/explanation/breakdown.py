"""Where instructions and cycles go: by phase, layer, function, inlined function or source line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.build import SourceLine
from harness.errors import InputError, nearest
from harness.explanation.stored_run import StoredRun
from harness.trace import NO_LAYER, STEP_PHASES, Context

By = Literal["phase", "layer", "function", "inlined", "line"]
NO_LINE = "(no line)"


@dataclass(frozen=True)
class Part:
    """One row: `instructions` are exact, `low_cycles` <= `cycles` <= `high_cycles` an estimate; totals, not means.

    `detail` says more about it: the text of a line, or what is inlined in a function and its share in it.
    """

    name: str
    instructions: int
    low_cycles: float
    cycles: float
    high_cycles: float
    detail: str = ""


@dataclass(frozen=True)
class Scope:
    """What part of a run is looked at: the columns of its trace, what they are called, and by what to divide totals.

    A scope within the training step is divided by the emulated steps, which gives means per step; one outside it
    (start-up, evaluation, records) is the whole of the emulation.
    """

    columns: tuple[int, ...]
    name: str
    divisor: int


def scope_of(run: StoredRun, phase: str | None = None, layer: str | None = None) -> Scope:
    """Return the scope of a phase and a layer, both optional; a layer is its number, its name, or `none`.

    Raises InputError with the nearest choice.
    """
    contexts = run.trace.contexts
    phases = list(dict.fromkeys(context.phase for context in contexts))
    if phase is not None and phase not in phases:
        raise InputError(f"--phase {phase}: {run.label} has no such phase; {nearest(phase, phases)}")
    number = None if layer is None else _layer(run, layer)
    chosen = tuple(
        column
        for column, context in enumerate(contexts)
        if (context.phase == phase if phase else context.phase in STEP_PHASES)
        and (number is None or context.layer == number)
    )
    if not chosen:
        raise InputError(f"--phase {phase} --layer {layer}: {run.label} executes nothing there")
    in_step = phase is None or phase in STEP_PHASES
    where = "a mean training step" if in_step else "the whole emulation"
    words = ([f"phase {phase}"] if phase else []) + ([f"layer {run.layer_name(number)}"] if number is not None else [])
    return Scope(chosen, ", ".join([*words, where]), run.steps if in_step else 1)


def _layer(run: StoredRun, wanted: str) -> int:
    names = {NO_LAYER: "none", **run.layer_names}
    for number, name in names.items():
        if wanted in (name, str(number)):
            return number
    alike = [number for number, name in names.items() if name.partition(" ")[2] == wanted]
    if len(alike) == 1:
        return alike[0]
    raise InputError(f"--layer {wanted}: {run.label} has no such layer; {nearest(wanted, names.values())}")


def total(run: StoredRun, scope: Scope) -> Part:
    """Return everything in `scope`."""
    columns = list(scope.columns)
    cycles = run.cycles
    return Part(
        "total",
        int(run.trace.executions[:, columns].sum()),
        float(cycles.low[:, columns].sum()),
        float(cycles.by_address[:, columns].sum()),
        float(cycles.high[:, columns].sum()),
    )


def parts(run: StoredRun, scope: Scope, by: By) -> list[Part]:
    """Return the parts of `scope`, the one with the most cycles first; together they are `total`."""
    found = _by_context(run, scope, by) if by in ("phase", "layer") else _by_address(run, scope, by)
    return sorted(found, key=lambda part: (-part.cycles, part.name))


def _by_context(run: StoredRun, scope: Scope, by: By) -> list[Part]:
    def name(context: Context) -> str:
        return context.phase if by == "phase" else run.layer_name(context.layer)

    groups: dict[str, list[int]] = {}
    for column in scope.columns:
        groups.setdefault(name(run.trace.contexts[column]), []).append(column)
    found = []
    for group, columns in groups.items():
        part = total(run, Scope(tuple(columns), group, scope.divisor))
        inner = [run.trace.contexts[column] for column in columns]
        weights = run.cycles.by_address[:, columns].sum(axis=0)
        other = [one.phase if by == "layer" else run.layer_name(one.layer) for one in inner]
        detail = _shares(other, weights.tolist()) if len(set(other)) > 1 else ""
        found.append(Part(group, part.instructions, part.low_cycles, part.cycles, part.high_cycles, detail))
    return found


def _shares(names: Sequence[str], weights: Sequence[float], most: int = 4) -> str:
    """Return the largest shares in words: `add_dot_lanes 62 %, copy_patch 12 %`."""
    sums: dict[str, float] = {}
    for name, weight in zip(names, weights, strict=True):
        sums[name] = sums.get(name, 0.0) + weight
    whole = sum(sums.values())
    shown = sorted(sums.items(), key=lambda entry: -entry[1])[:most]
    return ", ".join(f"{name} {weight / whole * 100:.0f} %" for name, weight in shown if weight >= 0.005 * whole)


def _by_address(run: StoredRun, scope: Scope, by: By) -> list[Part]:
    columns = list(scope.columns)
    instructions = run.trace.executions[:, columns].sum(axis=1)
    low, cycles, high = (
        values[:, columns].sum(axis=1) for values in (run.cycles.low, run.cycles.by_address, run.cycles.high)
    )
    groups: dict[str, list[int]] = {}
    name = _namer(run, by)
    for row in np.flatnonzero(instructions).tolist():
        groups.setdefault(name(row), []).append(row)
    origins = run.origins
    found = []
    for group, rows in groups.items():
        detail = ""
        if by == "line":
            line = origins[rows[0]].line
            detail = run.text(line) if line else ""
        elif by == "function":
            inlined = [origins[row].innermost for row in rows]
            detail = _shares(inlined, cycles[rows].tolist()) if set(inlined) != {group} else ""
        elif by == "inlined":
            around = [origins[row].function for row in rows]
            detail = f"in {', '.join(sorted(set(around)))}" if set(around) != {group} else ""
        sums = [float(values[rows].sum()) for values in (low, cycles, high)]
        found.append(Part(group, int(instructions[rows].sum()), sums[0], sums[1], sums[2], detail))
    return found


def _namer(run: StoredRun, by: By) -> Callable[[int], str]:
    origins = run.origins
    if by == "function":
        return lambda row: origins[row].function
    if by == "inlined":
        return lambda row: origins[row].innermost
    return lambda row: line_name(origins[row].line, origins[row].function)


def line_name(line: SourceLine | None, function: str) -> str:
    """Return `kernels/dot.h:31`; for code without lines, the function and that it has none."""
    return f"{line.file}:{line.number}" if line else f"{function} {NO_LINE}"
