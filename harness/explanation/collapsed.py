"""Collapsed stacks for flame graphs: a line each, `phase;layer;function;inlined;line count`.

The format is that of flamegraph.pl and speedscope: frames joined by semicolons, a space, a whole number.
"""

from __future__ import annotations

import numpy as np

from harness.explanation.breakdown import Scope, line_name
from harness.explanation.stored_run import StoredRun


def collapsed_stacks(run: StoredRun, scope: Scope) -> str:
    """Return the executed instructions of `scope`, exact, over all of the emulated steps."""
    return _text(run, scope, run.trace.executions, ())


def collapsed_cycles(run: StoredRun, scope: Scope) -> str:
    """Return the estimated cycles of `scope`, whole ones; the outermost frame names the model and its error."""
    return _text(run, scope, run.cycles.by_address, (f"estimated cycles: {run.cycles.model}, {run.cycles.error}",))


def _text(
    run: StoredRun, scope: Scope, weights: np.ndarray[tuple[int, ...], np.dtype[np.generic]], root: tuple[str, ...]
) -> str:
    stacks: dict[tuple[str, ...], float] = {}
    for column in scope.columns:
        context = run.trace.contexts[column]
        head = (*root, context.phase, run.layer_name(context.layer))
        for row in np.flatnonzero(weights[:, column]).tolist():
            origin = run.origins[row]
            inlined = (call.function for call in origin.inlined)
            stack = (*head, origin.function, *inlined, line_name(origin.line, origin.innermost))
            stacks[stack] = stacks.get(stack, 0) + weights[row, column].item()
    lines = (f"{';'.join(frame.replace(';', ',') for frame in stack)} {round(n)}\n" for stack, n in stacks.items())
    return "".join(line for line in sorted(lines) if not line.endswith(" 0\n"))
