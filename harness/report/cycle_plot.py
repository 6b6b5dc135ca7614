"""Pictures of where one run's cycles go: by layer and phase, and by function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from harness.explanation.breakdown import Scope, parts, total
from harness.explanation.stored_run import StoredRun
from harness.report import notation, palette
from harness.report.drawn import Plot
from harness.report.figure import colour_legend, drawing, finish, head, label_axis, lay_bars
from harness.trace import STEP_PHASES

_WIDTH_IN = 7.6
_BAR_IN = 0.27
_TOP_IN, _AXIS_IN, _LEGEND_IN = 0.62, 0.66, 0.3
_FUNCTIONS = 15

Bars = Sequence[tuple[str, Mapping[str, float]]]


def layer_cycles_plot(run: StoredRun) -> Plot:
    """Return the estimated cycles of a mean step, a bar a layer, its parts the phases."""
    columns: dict[str, dict[str, list[int]]] = {}
    order: dict[str, int] = {}
    for column, context in enumerate(run.trace.contexts):
        if context.phase in STEP_PHASES:
            name = run.layer_name(context.layer)
            order[name] = context.layer
            columns.setdefault(name, {}).setdefault(context.phase, []).append(column)
    bars = [
        (name, {phase: _per_step(run, inside) for phase, inside in columns[name].items()})
        for name in sorted(columns, key=lambda name: order[name])
    ]
    return _bars(run, bars, "cycles-by-layer", "Cycles by layer and phase")


def function_cycles_plot(run: StoredRun) -> Plot:
    """Return the estimated cycles of a mean step of the dearest functions, its parts the phases."""
    phases = {phase: _scope(run, phase) for phase in STEP_PHASES}
    sums: dict[str, dict[str, float]] = {}
    for phase, scope in phases.items():
        for part in parts(run, scope, "function") if scope.columns else ():
            sums.setdefault(part.name, {})[phase] = part.cycles / scope.divisor
    dearest = sorted(sums, key=lambda name: -sum(sums[name].values()))
    bars: list[tuple[str, Mapping[str, float]]] = [(name, sums[name]) for name in dearest[:_FUNCTIONS]]
    if rest := dearest[_FUNCTIONS:]:
        others = {phase: sum(sums[name].get(phase, 0.0) for name in rest) for phase in STEP_PHASES}
        bars.append((f"{len(rest)} more", others))
    return _bars(run, bars, "cycles-by-function", "Cycles by function and phase")


def _scope(run: StoredRun, phase: str) -> Scope:
    inside = (column for column, context in enumerate(run.trace.contexts) if context.phase == phase)
    return Scope(tuple(inside), phase, run.steps)


def _per_step(run: StoredRun, columns: Sequence[int]) -> float:
    return total(run, Scope(tuple(columns), "", run.steps)).cycles / run.steps


def _bars(run: StoredRun, bars: Bars, name: str, title: str) -> Plot:
    colours = palette.parts(
        (phase for phase in STEP_PHASES if any(parts.get(phase) for _, parts in bars)), palette.PHASES
    )
    left_in = 0.2 + 0.07 * max(len(label) for label, _ in bars)
    height_in = _TOP_IN + _BAR_IN * len(bars) + _AXIS_IN + _LEGEND_IN
    whole = sum(sum(parts.values()) for _, parts in bars)
    hints: dict[str, str] = {}
    with drawing():
        figure = Figure(figsize=(_WIDTH_IN, height_in))
        size = (
            left_in / _WIDTH_IN,
            (_AXIS_IN + _LEGEND_IN) / height_in,
            (_WIDTH_IN - left_in - 0.2) / _WIDTH_IN,
            _BAR_IN * len(bars) / height_in,
        )
        axes = figure.add_axes(size)
        below = f"{run.label}: a mean training step, ≈ {notation.prefixed(whole)} cycles in all"
        head(axes, title, below, left_pt=(left_in - 0.12) * 72)
        widest = max(sum(parts.values()) for _, parts in bars)
        for row, (label, parts_of_bar) in enumerate(bars):
            start = 0.0
            for place, (phase, colour) in enumerate(colours.items()):
                width = parts_of_bar.get(phase, 0.0)
                if not width:
                    continue
                mark = f"cycles{row}x{place}"
                axes.barh(
                    row, width, 0.76, left=start, color=colour, edgecolor=palette.SURFACE, linewidth=0.4
                )[0].set_gid(mark)  # fmt: skip
                hints[mark] = f"{label}: {phase} ≈ {notation.prefixed(width)} cycles"
                start += width
            axes.annotate(
                f"≈ {notation.prefixed(start)} ({notation.percent(start / whole if whole else 0.0)})",
                (start, row),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=palette.MUTED,
            )
        axes.set_xlim(0, widest * 1.27 or 1.0)
        lay_bars(axes, [label for label, _ in bars])
        axes.grid(visible=False, axis="y")
        model = f"model: {notation.model_name(run.cycles.model)} ({notation.error_figures(run.cycles.error)})"
        label_axis(axes, "estimated cycles per step", model)
        colour_legend(figure, colours, len(colours), 0.12, 0.06)
        return finish(figure, name, title, f"Estimated cycles of a mean training step, {model}.", hints, wide=True)
