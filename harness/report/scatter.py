"""Accuracy against what a training step costs: one point a run, or for runs that differ only in their seed one mean."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from harness.report import notation, palette
from harness.report.drawn import Plot
from harness.report.figure import drawing, finish, head, label_axis
from harness.report.suite import Suite, Tradeoff

_WIDTH_IN = 4.7
_PANEL_IN = 2.7
_LEFT_IN = 0.62
_RIGHT_IN = 0.18
_TOP_IN = 0.55
_AXIS_IN = 0.62
_ROW_IN = 0.19
_SAME_PLACE_PT = 1.0
_DODGE_PT = 10.5
_RING_PT = 11.5
_FRONT: dict[str, Any] = {"color": palette.MUTED, "linewidth": 1, "linestyle": (0, (4, 2))}
_LABEL_SPOTS: tuple[tuple[float, float, str, str], ...] = (
    (7, -5, "left", "top"),
    (-7, 5, "right", "bottom"),
    (9, 0, "left", "center"),
    (-9, 0, "right", "center"),
    (7, 5, "left", "bottom"),
    (-7, -5, "right", "top"),
    (0, 9, "center", "bottom"),
    (0, -9, "center", "top"),
)


def tradeoff_plot(suite: Suite, tradeoff: Tradeoff) -> Plot:
    """Return accuracy (%) against `tradeoff` for the runs of `suite` that came to their end, a panel a data set.

    Colour is the data type, shape the platform, filling the smallest update ratio. The axis is logarithmic when the
    costs span more than a decade.
    """
    points = _points(suite, tradeoff)
    legend = _legend_groups(suite, points)
    rows = max(len(entries) for _, entries in legend) + 1
    bottom_in = _AXIS_IN + 0.14 * (len(_model_lines(suite, tradeoff)) - 1)
    panels = [name for name in suite.datasets if any(point["dataset"] == name for point in points)]
    panel_in = _TOP_IN + _PANEL_IN + bottom_in
    legend_in = rows * _ROW_IN + 0.06
    height_in = panel_in * len(panels) + legend_in
    title = f"Accuracy against {tradeoff.title}"
    with drawing():
        figure = Figure(figsize=(_WIDTH_IN, height_in))
        for number, dataset in enumerate(panels):
            base_in = height_in - panel_in * (number + 1) + bottom_in
            axes = figure.add_axes(
                (
                    _LEFT_IN / _WIDTH_IN,
                    base_in / height_in,
                    (_WIDTH_IN - _LEFT_IN - _RIGHT_IN) / _WIDTH_IN,
                    _PANEL_IN / height_in,
                )
            )
            here = [point for point in points if point["dataset"] == dataset]
            kind = "accuracy exact, cost estimated" if tradeoff.estimated else "both exact"
            head(axes, title, f"on {dataset}; {kind}")
            _draw(axes, suite, tradeoff, here)
        for place, (name, entries) in zip((0.12, 0.40, 0.70), legend, strict=True):
            figure.legend(
                handles=[handle for handle, _ in entries],
                labels=[text for _, text in entries],
                title=name,
                loc="upper left",
                bbox_to_anchor=(place - 0.02, legend_in / height_in),
                alignment="left",
                borderpad=0,
                borderaxespad=0,
                handletextpad=0.4,
                labelspacing=0.35,
            )
        caption = (
            f"Test accuracy (exact) against {_kind(tradeoff)} {tradeoff.title}. "
            "Points in the same place stand side by side; runs on the Pareto front are outlined."
        )
        if suite.has_seeds:
            caption += " A point is the mean over seeds, its bar reaches one sample deviation to each side."
        hints = {point["mark"]: point["hint"] for point in points}
        name = f"accuracy-{tradeoff.title.replace(' ', '-').lower()}"
        return finish(figure, name, title, caption, hints)


def _kind(tradeoff: Tradeoff) -> str:
    return "estimated" if tradeoff.estimated else "exact"


def _model_lines(suite: Suite, tradeoff: Tradeoff) -> list[str]:
    if not tradeoff.estimated:
        return ["as linked, with the reserved stack"]
    return textwrap.wrap(f"models: {suite.model_line(tradeoff.column)}", 74)


def _points(suite: Suite, tradeoff: Tradeoff) -> list[dict[str, Any]]:
    points = []
    for number, group in enumerate(suite.groups):
        if not group.finished:
            continue
        index = group.finished[0]
        x, y = suite.mean(number, tradeoff.column) * tradeoff.scale, suite.mean(number, "accuracy_test") * 100
        around = suite.deviation(number, "accuracy_test") * 100
        full = suite.setting(index, "update_policy") == "full"  # which has no use for a ratio
        ratio = "full" if full else suite.setting(index, "update_min_ratio")
        cost = f"{'≈ ' if tradeoff.estimated else ''}{notation.significant(x)} {tradeoff.unit}"
        accuracy = f"{y:.1f} ± {around:.1f} %" if around else f"{y:.1f} %"
        points.append(
            {
                "x": x,
                "y": y,
                "around": around,
                "dataset": suite.setting(index, "dataset"),
                "dtype": suite.setting(index, "dtype"),
                "platform": suite.setting(index, "platform"),
                "ratio": ratio,
                "fill": palette.filling(_number(ratio)),
                "front": index in suite.fronts[tradeoff.column],
                "words": tuple(suite.setting(index, name) for name in suite.telling if name != "dataset"),
                "mark": f"mark{index}",
                "hint": f"{suite.group_label(number)}: {accuracy}, {cost}",
            }
        )
    return points


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _draw(axes: Axes, suite: Suite, tradeoff: Tradeoff, points: Sequence[dict[str, Any]]) -> None:
    xs, ys = np.array([point["x"] for point in points]), np.array([point["y"] for point in points])
    around = np.array([point["around"] for point in points])
    _scale(axes, xs, np.concatenate([ys - around, ys + around]))
    axes.set_ylabel("test accuracy [%]")
    unit = f"{tradeoff.title} [{tradeoff.unit}]"
    title = f"estimated {unit}" if tradeoff.estimated else f"{unit}, exact"
    label_axis(axes, title, "\n".join(_model_lines(suite, tradeoff)))
    shapes = palette.shapes(_platforms(suite))
    order = sorted((point for point in points if point["front"]), key=lambda point: (point["x"], point["y"]))
    if order:
        right = axes.get_xlim()[1]
        corners = [*((point["x"], point["y"]) for point in order), (right, order[-1]["y"])]
        axes.plot([x for x, _ in corners], [y for _, y in corners], drawstyle="steps-post", zorder=2, **_FRONT)
    figure = axes.figure
    places = axes.transData.transform(np.column_stack([xs, ys])) / figure.dpi * 72
    shifts = _dodged(places)
    for point, shift in zip(points, shifts, strict=True):
        colour = palette.dtype_colour(point["dtype"])
        transform = axes.transData + ScaledTranslation(shift[0] / 72, shift[1] / 72, figure.dpi_scale_trans)
        common: dict[str, Any] = {
            "marker": shapes[point["platform"]],
            "linestyle": "none",
            "transform": transform,
            "clip_on": False,
        }
        if point["around"]:
            axes.plot(
                [point["x"]] * 2, [point["y"] - point["around"], point["y"] + point["around"]], color=colour,
                linewidth=1.2, transform=transform, clip_on=False, zorder=3,
            )  # fmt: skip
        if point["front"]:
            axes.plot(
                [point["x"]], [point["y"]], **common, color=palette.MUTED, markersize=_RING_PT, fillstyle="none",
                markeredgewidth=0.9, zorder=3,
            )  # fmt: skip
        axes.plot(
            [point["x"]], [point["y"]], **common, color=colour, fillstyle=point["fill"], markeredgewidth=1.4,
            markerfacecoloralt=palette.SURFACE, zorder=4, gid=point["mark"],
        )  # fmt: skip
    _label_front(axes, order, places + shifts)


def _scale(axes: Axes, xs: np.ndarray[Any, Any], ys: np.ndarray[Any, Any]) -> None:
    low, high = float(xs.min()), float(xs.max())
    if low > 0 and high / low > 10:
        axes.set_xscale("log")
        margin = (high / low) ** 0.07
        axes.set_xlim(low / margin, high * margin)
        decades = math.log10(high / low)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: notation.tick(value)))
    else:
        margin = (high - low) * 0.1 or high * 0.2 or 1.0
        axes.set_xlim(max(0.0, low - margin), high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: notation.tick(value)))
    span = float(ys.max() - ys.min())
    margin = span * 0.14 or 1.0
    axes.set_ylim(float(ys.min()) - margin, float(ys.max()) + margin)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def _dodged(places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return shifts in points, float (n, 2), that put points of the same place side by side, in rows when many."""
    shifts = np.zeros_like(places)
    left = list(range(len(places)))
    while left:
        first = left[0]
        same = [index for index in left if np.abs(places[index] - places[first]).max() <= _SAME_PLACE_PT]
        columns = max(min(3, len(same)), math.ceil(math.sqrt(len(same))))
        rows = math.ceil(len(same) / columns)
        for position, index in enumerate(same):
            row, column = divmod(position, columns)
            shifts[index] = ((column - (columns - 1) / 2) * _DODGE_PT, ((rows - 1) / 2 - row) * _DODGE_PT)
        left = [index for index in left if index not in same]
    return shifts


def _label_front(axes: Axes, front: Sequence[dict[str, Any]], places_pt: np.ndarray[Any, Any]) -> None:
    """Name the runs on the front where there is room: inside the axes, on no point and on no other name."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    scale = figure.dpi / 72
    reach = 5 * scale
    taken = [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in places_pt * scale]
    inside = axes.get_window_extent()
    taken += _front_boxes(axes, front, inside.x1)
    groups: dict[tuple[float, float], list[tuple[str, ...]]] = {}
    for point in front:
        groups.setdefault((point["x"], point["y"]), []).append(point["words"])
    for place, members in groups.items():
        # Runs in the same place share a name: what all of them have in common.
        name = ", ".join(words[0] for words in zip(*members, strict=True) if len(set(words)) == 1)
        for dx, dy, horizontal, vertical in _LABEL_SPOTS:
            note = axes.annotate(
                name,
                place,
                (dx, dy),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                fontsize=7.5,
                color=palette.MUTED,
                zorder=5,
            )
            box = note.get_window_extent()
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if fits and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            note.remove()


def _front_boxes(axes: Axes, front: Sequence[dict[str, Any]], right: float) -> list[Bbox]:
    """Return thin boxes around the line of the front, in pixels, up to `right`."""
    if not front:
        return []
    corners = axes.transData.transform([(point["x"], point["y"]) for point in front])
    boxes = []
    for number, (x, y) in enumerate(corners):
        x_next, y_next = corners[number + 1] if number + 1 < len(corners) else (right, y)
        boxes += [Bbox.from_extents(x, y - 1, x_next, y + 1), Bbox.from_extents(x_next - 1, y, x_next + 1, y_next)]
    return boxes


def _platforms(suite: Suite) -> list[str]:
    return [suite.setting(index, "platform") for index in range(len(suite.documents))]


def _handle(**style: Any) -> Line2D:
    return Line2D([], [], linestyle="none", markeredgewidth=1.4, markerfacecoloralt=palette.SURFACE, **style)


def _legend_groups(suite: Suite, points: Sequence[dict[str, Any]]) -> list[tuple[str, list[tuple[Line2D, str]]]]:
    def present(key: str) -> list[str]:
        return list(dict.fromkeys(point[key] for point in points))

    shapes = palette.shapes(_platforms(suite))
    dtypes = [(_handle(marker="o", color=palette.dtype_colour(name)), name) for name in present("dtype")]
    platforms = [
        (_handle(marker=shapes[name], color=palette.MUTED, fillstyle="none"), notation.plain(name, 18))
        for name in present("platform")
    ]
    fillings: dict[str, list[str]] = {}
    for point in points:
        values = fillings.setdefault(point["fill"], [])
        if point["ratio"] not in values:
            values.append(point["ratio"])
    ratios = [
        (_handle(marker="o", color=palette.MUTED, fillstyle=fill), ", ".join(sorted(values)))
        for fill, values in fillings.items()
    ]
    front = Line2D([], [], **_FRONT)
    return [("data type", [*dtypes, (front, "Pareto front")]), ("platform", platforms), ("min update ratio", ratios)]
