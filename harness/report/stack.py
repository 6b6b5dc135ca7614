"""Stacked bars, one a run: where the cycles of a training step go, and what the arena holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from harness.report import notation, palette
from harness.report.drawn import Plot
from harness.report.figure import colour_legend, drawing, finish, head, label_axis, lay_bars
from harness.report.suite import Suite
from harness.result import NO_LAYER

_WIDTH_IN = 5.2
_MARGIN_IN = 0.12
_BAR_IN = 0.25
_TOP_IN = 0.42
_AXIS_IN = 0.62
_UNUSED = "unused"


@dataclass(frozen=True)
class _Bar:
    label: str
    parts: Mapping[str, float]
    end: str
    tick: float | None = None


@dataclass(frozen=True)
class _Panel:
    title: str
    axis: str
    note: str
    bars: Sequence[_Bar]


def phase_plot(suite: Suite) -> Plot:
    """Return the estimated cycles of a training step by phase, a panel a platform."""
    return _cycle_plot(suite, "cycles-by-phase", "Cycles per step by phase", by_layer=False)


def layer_plot(suite: Suite) -> Plot:
    """Return the estimated cycles of a training step by layer over all phases, a panel a platform."""
    return _cycle_plot(suite, "cycles-by-layer", "Cycles per step by layer", by_layer=True)


def _cycle_plot(suite: Suite, name: str, title: str, *, by_layer: bool) -> Plot:
    panels: dict[str, list[_Bar]] = {}
    layers: dict[tuple[int, str], None] = {}
    phases: dict[str, None] = {}
    for index in suite.examples:
        document = suite.documents[index]
        assert document.counts is not None
        assert document.estimates is not None
        parts: dict[str, float] = {}
        for part in document.counts.by_layer:
            layer = "no layer" if part.layer == NO_LAYER else notation.plain(part.layer_name or part.layer, 24)
            key = layer if by_layer else part.phase
            parts[key] = parts.get(key, 0.0) + part.cycles_per_step
            layers[(part.layer, layer)] = None
            phases[part.phase] = None
        end = f"≈ {notation.prefixed(document.estimates.cycles_per_step.value)}"
        platform = suite.setting(index, "platform")
        panels.setdefault(platform, []).append(_Bar(_label(suite, index, without="platform"), parts, end))
    if by_layer:
        inside = palette.sequence(layer for number, layer in sorted(layers) if number != NO_LAYER)
        colours = inside | {layer: palette.OTHER for number, layer in layers if number == NO_LAYER}
    else:
        colours = palette.parts(phases, palette.PHASES)
    caption = f"Estimated cycles of a mean training step; each platform has its own model and scale.{_seeds(suite)}"
    drawn = [
        _Panel(
            f"{title}, {platform}" if len(panels) > 1 else title,
            "estimated cycles per step",
            f"model: {suite.model_line('cycles_per_step', platform)}",
            bars,
        )
        for platform, bars in panels.items()
    ]
    return _stack(drawn, colours, name, title, caption, lambda value: f"≈ {notation.prefixed(value)} cycles")


def arena_plot(suite: Suite) -> Plot:
    """Return the bytes of the arena by category (exact), with the lower bound as a tick.

    Bars that are equal on several platforms are drawn once.
    """
    bars: dict[tuple[str, tuple[tuple[str, int], ...], int], tuple[list[str], _Bar]] = {}
    categories: dict[str, None] = {}
    for index in suite.examples:
        memory = suite.documents[index].memory
        assert memory is not None
        sizes = {name: size for name, size in memory.arena_by_category.items() if size and name != _UNUSED}
        categories.update(dict.fromkeys(sizes))
        label = _label(suite, index, without="platform")
        key = (label, tuple(sorted(sizes.items())), memory.arena_bytes)
        unused = max(0, memory.arena_bytes - sum(sizes.values()))
        parts = {name: size / 1024 for name, size in sizes.items()} | ({_UNUSED: unused / 1024} if unused else {})
        bar = _Bar(label, parts, notation.kib(memory.arena_bytes), memory.arena_lower_bound_bytes / 1024)
        bars.setdefault(key, ([], bar))[0].append(suite.setting(index, "platform"))
    labels = [label for label, _, _ in bars]
    shown = [
        bar if labels.count(label) == 1 else _Bar(f"{label}, {'/'.join(places)}", bar.parts, bar.end, bar.tick)
        for (label, _, _), (places, bar) in bars.items()
    ]
    colours = palette.parts(categories, palette.CATEGORIES)
    if any(_UNUSED in bar.parts for bar in shown):
        colours |= {_UNUSED: palette.OTHER}
    caption = (
        f"Arena at its fullest moment, exact. The tick is the lower bound that no placement can beat.{_seeds(suite)}"
    )
    title = "Arena by category"
    panel = _Panel(title, "arena [KiB], exact", "as planned; the tick is the lower bound", shown)
    return _stack([panel], colours, "arena-by-category", title, caption, lambda value: notation.kib(value * 1024))


def _seeds(suite: Suite) -> str:
    return " Of runs that differ only in their seed, the first." if suite.has_seeds else ""


def _label(suite: Suite, index: int, without: str) -> str:
    names = [name for name in suite.telling if name != without]
    words = ", ".join(suite.setting(index, name) for name in names)
    return notation.plain(words or suite.group_label(suite.group_of(index)), 34)


def _stack(
    panels: Sequence[_Panel],
    colours: Mapping[str, str],
    name: str,
    title: str,
    caption: str,
    form: Callable[[float], str],
) -> Plot:
    """Return horizontal stacked bars, a panel for each entry of `panels`, each with its own scale."""
    hints: dict[str, str] = {}
    longest = max((len(bar.label) for panel in panels for bar in panel.bars), default=0)
    left_in = 2 * _MARGIN_IN + 0.068 * longest
    rows = math.ceil(len(colours) / 5)
    columns = math.ceil(len(colours) / max(1, rows))
    legend_in = 0.2 * rows + 0.1
    heights = [_TOP_IN + _BAR_IN * len(panel.bars) + _AXIS_IN for panel in panels]
    height_in = sum(heights) + legend_in
    with drawing():
        figure = Figure(figsize=(_WIDTH_IN, height_in))
        top_in = height_in
        for number, (panel, panel_in) in enumerate(zip(panels, heights, strict=True)):
            size = (
                left_in / _WIDTH_IN,
                (top_in - panel_in + _AXIS_IN) / height_in,
                (_WIDTH_IN - left_in - 0.2) / _WIDTH_IN,
                _BAR_IN * len(panel.bars) / height_in,
            )
            top_in -= panel_in
            axes = figure.add_axes(size)
            head(axes, panel.title, left_pt=(left_in - _MARGIN_IN) * 72)
            axes.grid(visible=False, axis="y")
            widest = 0.0
            for row, bar in enumerate(panel.bars):
                start = 0.0
                for part in colours:
                    width = bar.parts.get(part, 0.0)
                    if not width:
                        continue
                    mark = f"part{number}x{row}x{list(colours).index(part)}"
                    axes.barh(
                        row, width, 0.72, left=start, color=colours[part], edgecolor=palette.SURFACE, linewidth=0.4,
                        gid=mark,
                    )[0].set_gid(mark)  # fmt: skip
                    share = width / sum(bar.parts.values())
                    hints[mark] = f"{bar.label}: {part} {form(width)} ({notation.percent(share)})"
                    start += width
                if bar.tick is not None:
                    axes.plot([bar.tick, bar.tick], [row - 0.42, row + 0.42], color=palette.INK, linewidth=1.4)
                axes.annotate(
                    bar.end, (start, row), (4, 0), textcoords="offset points", va="center", fontsize=8,
                    color=palette.MUTED,
                )  # fmt: skip
                widest = max(widest, start)
            axes.set_xlim(0, widest * 1.16 or 1.0)
            lay_bars(axes, [bar.label for bar in panel.bars])
            label_axis(axes, panel.axis, panel.note)
        colour_legend(figure, colours, columns, _MARGIN_IN, 0.05)
        return finish(figure, name, title, caption, hints, wide=True)
