"""Charts as pictures: the paper's panel left, ours right; SVG, PDF and PNG."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.report import notation, palette
from harness.report.drawn import Plot
from harness.report.figure import drawing, finish, head
from harness.reproduction.criterion import ORDER
from harness.reproduction.outcome import BarPanel, Chart, LinePanel

_HEIGHT_IN = 3.3
_WIDTH_IN = 9.0
_BAR_SHARE = 0.8
_LABEL_WIDTH = 9
_HATCHES = {"mixed": "...."}  # its colour is as dark as that of uint8
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Drawing:
    """A chart as a plot of the report, and as PDF."""

    plot: Plot
    pdf: bytes = field(repr=False)


def draw(chart: Chart) -> Drawing:
    """Return `chart` drawn; equal charts give equal files."""
    with drawing():
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN))
        kinds = _kinds(chart)
        colours = _colours(kinds)
        shares = [_width(panel) for panel in chart.panels]
        grid = figure.add_gridspec(1, len(chart.panels), width_ratios=shares, left=0.075, right=0.99, top=0.86)
        grid.update(bottom=0.27, wspace=0.12 if chart.shared else 0.24)
        first: Axes | None = None
        panels: tuple[BarPanel | LinePanel, ...] = chart.panels
        for column, panel in enumerate(panels):
            axes = figure.add_subplot(grid[0, column], sharey=first if chart.shared else None)
            first = first or axes
            if isinstance(panel, BarPanel):
                _bars(axes, panel, kinds, colours)
                axes.set_ylabel(chart.unit)
            else:
                _lines(axes, panel, kinds, colours)
            if chart.shared and axes is not first:
                axes.tick_params(labelleft=False)
                axes.set_ylabel("")
            if chart.logarithmic:
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: notation.tick(value)))
            head(axes, panel.title)
        _legend(figure, chart, kinds, colours)
        vector = io.BytesIO()
        plot = finish(figure, chart.name, chart.title, chart.caption, wide=True)
        mpl.rcParams["pdf.fonttype"] = 42
        figure.savefig(vector, format="pdf", metadata={"CreationDate": None, "Creator": None, "Title": chart.title})
    return Drawing(plot, vector.getvalue())


def _kinds(chart: Chart) -> list[str]:
    found: list[str] = []
    for panel in chart.panels:
        if isinstance(panel, BarPanel):
            found += [kind for group in panel.bars.values() for kind in group]
        else:
            found += [line.kind for line in panel.lines]
    ordered = [dtype for dtype in ORDER if dtype in found]
    return list(dict.fromkeys([*ordered, *found]))


def _colours(kinds: Sequence[str]) -> dict[str, str]:
    """Return the colour of each kind: that of the data type it is or begins with, others in a sequence."""
    others = palette.sequence(kind for kind in kinds if kind.split()[0] not in palette.DTYPES)
    alone = {kind.split()[0] for kind in kinds}
    if len(alone) < len(kinds):  # several kinds of one data type
        return palette.sequence(kinds)
    return {kind: palette.DTYPES.get(kind.split()[0]) or others[kind] for kind in kinds}


def _width(panel: BarPanel | LinePanel) -> float:
    return max(len(panel.bars), 2) if isinstance(panel, BarPanel) else 2 if panel.lines else 1


def _wrapped(label: str) -> str:
    return fill(label.replace("_", "_ ").replace("-", "- ", 1), _LABEL_WIDTH).replace("_ ", "_").replace("- ", "-")


def _bars(axes: Axes, panel: BarPanel, kinds: Sequence[str], colours: dict[str, str]) -> None:
    width = _BAR_SHARE / max(len(kinds), 1)
    for at, group in enumerate(panel.bars.values()):
        present = [kind for kind in kinds if kind in group]
        for number, kind in enumerate(present):
            bar, x = group[kind], at + (number - (len(present) - 1) / 2) * width
            look: dict[str, Any] = {"color": colours[kind], "edgecolor": palette.SURFACE, "hatch": _HATCHES.get(kind)}
            axes.bar(x, bar.height, width * 0.94, linewidth=0.4, **look)
            if bar.upper:
                axes.bar(
                    x,
                    bar.upper,
                    width * 0.94,
                    bottom=bar.height - bar.upper,
                    color=colours[kind],
                    edgecolor=palette.SURFACE,
                    hatch="////",
                    linewidth=0,
                )
            if bar.deviation:
                axes.errorbar(x, bar.height, bar.deviation, ecolor=palette.INK, elinewidth=0.9, capsize=2)
    axes.set_xticks(range(len(panel.bars)), [_wrapped(label) for label in panel.bars])
    axes.set_xlim(-0.6, max(len(panel.bars), 1) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    if not panel.bars:
        _say_nothing(axes, "no numbers")


def _lines(axes: Axes, panel: LinePanel, kinds: Sequence[str], colours: dict[str, str]) -> None:
    for line in panel.lines:
        number = kinds.index(line.kind)
        colour = colours[line.kind]
        low = [y - d for y, d in zip(line.y, line.deviation, strict=True)]
        high = [y + d for y, d in zip(line.y, line.deviation, strict=True)]
        axes.fill_between(line.x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            line.x,
            line.y,
            color=colour,
            linestyle=_DASHES[number % len(_DASHES)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=3.5,
            linewidth=1.4,
        )
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    points = sorted({x for line in panel.lines for x in line.x})
    if panel.log_x:
        axes.set_xscale("log")
        axes.set_xticks(points, [f"{x:,g}" for x in points])
        axes.minorticks_off()
    elif points and all(float(x).is_integer() for x in points):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not panel.lines:
        _say_nothing(axes, "the published numbers\nare not at hand")


def _say_nothing(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=palette.MUTED)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("")
    axes.set_ylabel("")


def _legend(figure: Figure, chart: Chart, kinds: Iterable[str], colours: dict[str, str]) -> None:
    ordered = list(kinds)
    handles: list[Patch | Line2D]
    if isinstance(chart.panels[0], BarPanel):
        handles = [
            Patch(facecolor=colours[kind], edgecolor=palette.SURFACE, hatch=_HATCHES.get(kind), linewidth=0, label=kind)
            for kind in ordered
        ]
        if chart.upper:
            hatched = Patch(facecolor=palette.MUTED, edgecolor=palette.SURFACE, hatch="////", label=chart.upper)
            handles += [hatched, Patch(facecolor=palette.MUTED, label=chart.lower)]
    else:
        handles = [
            Line2D(
                [],
                [],
                color=colours[kind],
                linestyle=_DASHES[at % len(_DASHES)],
                marker=_MARKERS[at % len(_MARKERS)],
                markersize=3.5,
                label=kind,
            )
            for at, kind in enumerate(ordered)
        ]
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.065, 0.0), ncols=8, borderaxespad=0.2)
