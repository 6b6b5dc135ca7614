"""Matplotlib figures that come out the same in every bit, as SVG and as PNG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.report import notation, palette
from harness.report.drawn import Plot

_PNG_DPI = 160
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": palette.MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": palette.INK,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": palette.SURFACE,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": palette.GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.title_fontsize": 8.5,
    "lines.markersize": 7,
    "svg.fonttype": "none",
    "text.color": palette.INK,
    "text.parse_math": False,  # labels come from scenario files: a dollar sign is a dollar sign
    "xtick.color": palette.MUTED,
    "xtick.labelcolor": palette.INK,
    "xtick.labelsize": 8.5,
    "ytick.color": palette.MUTED,
    "ytick.labelcolor": palette.INK,
    "ytick.labelsize": 8.5,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw and save inside this: sets the style of all plots, whatever the user's Matplotlib settings are."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the SVG has the text, not the glyph
        yield


def finish(
    figure: Figure, name: str, title: str, caption: str, hints: Mapping[str, str] | None = None, *, wide: bool = False
) -> Plot:
    """Return `figure` as a plot, without date or random ids, so that equal results give equal files."""
    vector, raster = io.StringIO(), io.BytesIO()
    mpl.rcParams["svg.hashsalt"] = name
    figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    figure.savefig(raster, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return Plot(name, title, caption, vector.getvalue(), raster.getvalue(), wide, hints or {})


def head(axes: Axes, title: str, below: str = "", left_pt: float = 0, up_pt: float = 0) -> None:
    """Put a title, and a quieter line below it, over `axes`: `left_pt` left of its edge, `up_pt` higher than usual."""
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    above_pt = up_pt + (20 if below else 8)
    axes.annotate(title, (0, 1), (-left_pt, above_pt), **place, fontsize=10.5, fontweight="bold")
    if below:
        axes.annotate(below, (0, 1), (-left_pt, up_pt + 8), **place, fontsize=8, color=palette.MUTED)


def label_axis(axes: Axes, title: str, below: str) -> None:
    """Name the horizontal axis of `axes`, with a quieter line below that says where its numbers come from."""
    axes.set_xlabel(title)
    axes.annotate(
        below,
        (0.5, 0),
        (0, -32),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=7.5,
        color=palette.MUTED,
    )


def lay_bars(axes: Axes, labels: Sequence[str]) -> None:
    """Give `axes` a row for each horizontal bar, the first on top, and a scale of short round numbers below."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: notation.tick(value)))


def colour_legend(figure: Figure, colours: Mapping[str, str], columns: int, left_in: float, up_in: float) -> None:
    """Say below the axes what each colour is, `left_in` and `up_in` inches from the corner of `figure`."""
    width_in, height_in = figure.get_size_inches()
    figure.legend(
        handles=[Patch(facecolor=colour, edgecolor="none") for colour in colours.values()],
        labels=list(colours),
        loc="lower left",
        bbox_to_anchor=(left_in / width_in, up_in / height_in),
        ncols=columns,
        borderaxespad=0,
        handlelength=1.0,
        handletextpad=0.5,
        columnspacing=1.2,
    )
