"""Pictures of one run's memory: RAM over a training step, the arena as a map, the stack by phase."""

from __future__ import annotations

import itertools
import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.explanation.stack import deepest_by_phase
from harness.explanation.stored_run import StoredRun
from harness.report import palette
from harness.report.drawn import Plot
from harness.report.figure import colour_legend, drawing, finish, head
from harness.result.layout import Layout

_WIDTH_IN = 9.2
_WIDEST_IN = 24.0
_OPERATION_IN = 0.115
_LEFT_IN, _RIGHT_IN = 0.75, 0.15
_HEAD_IN, _ALL_IN, _BETWEEN_IN, _STEP_IN, _MAP_IN = 0.62, 2.1, 0.18, 1.7, 4.4
_STATE_SHADE = 0.45
_NAMED_SHARE = 0.022
_LETTER_IN = 0.066


def _width_in(layout: Layout) -> float:
    """Return a width at which the names of the operations stand apart."""
    wanted = _LEFT_IN + _RIGHT_IN + _OPERATION_IN * len(layout.operations)
    return min(max(_WIDTH_IN, wanted), _WIDEST_IN)


def _places(width_in: float, height_in: float, bottom_in: float, top_in: float) -> tuple[float, float, float, float]:
    return (
        _LEFT_IN / width_in,
        bottom_in / height_in,
        (width_in - _LEFT_IN - _RIGHT_IN) / width_in,
        (height_in - bottom_in - top_in) / height_in,
    )


def _stage(phase: str) -> str:
    """Return what to call a part of a step: selection and backward pass take turns."""
    return "select, backward" if phase in ("select", "backward") else phase


def _time_axis(axes: Axes, layout: Layout, *, named: bool, phases: bool) -> None:
    """Set `axes` to the operations, `named` below it, with the `phases` above it."""
    operations = layout.operations
    inner_in = _width_in(layout) - _LEFT_IN - _RIGHT_IN
    every = math.ceil(_OPERATION_IN * len(operations) / inner_in)
    shown = range(0, len(operations), every)
    names = [f"{one.kernel} {one.layer}" if one.layer_name else one.kernel for one in operations]
    axes.set_xlim(0, len(operations))
    labels = [names[index] if named else "" for index in shown]
    axes.set_xticks([index + 0.5 for index in shown], labels, rotation=90, fontsize=6.5)
    axes.tick_params(axis="x", length=0, pad=2)
    axes.grid(visible=False, axis="x")
    for stage, group in itertools.groupby(range(len(operations)), key=lambda index: _stage(operations[index].phase)):
        members = list(group)
        if members[0]:
            axes.axvline(members[0], color=palette.GRID, linewidth=0.8, zorder=0.5)
        if phases and len(members) / len(operations) * inner_in > 0.075 * len(stage):
            axes.annotate(
                stage,
                ((members[0] + members[-1] + 1) / 2, 1),
                (0, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                color=palette.MUTED,
            )


def _size_axis(axes: Axes, title: str) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 4, 5, 8, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylabel(title)


def _colours(layout: Layout) -> dict[str, str]:
    return palette.parts(
        (tensor.category for tensor in layout.tensors if tensor.offset is not None), palette.CATEGORIES
    )


def _label_room_in(layout: Layout) -> float:
    """Return the height that the names of the operations need below the axis."""
    return 0.056 * max(len(one.kernel) + 2 for one in layout.operations) + 0.45


def ram_plot(run: StoredRun) -> Plot:
    """Return the bytes of the arena alive at each operation of a training step, by category, the peak marked: exact.

    The lower panel shows by itself what lives within a step only.
    """
    layout = run.layout
    colours = _colours(layout)
    live = [sum(layout.live_bytes(index).values()) for index in range(len(layout.operations))]
    peak = layout.peak_operation()
    title = "RAM over a training step"
    width_in, bottom_in = _width_in(layout), _label_room_in(layout)
    height_in = bottom_in + _STEP_IN + _BETWEEN_IN + _ALL_IN + _HEAD_IN
    hints: dict[str, str] = {}
    with drawing():
        figure = Figure(figsize=(width_in, height_in))
        whole = figure.add_axes(_places(width_in, height_in, bottom_in + _STEP_IN + _BETWEEN_IN, _HEAD_IN))
        below = f"{run.label}: live bytes of the arena at each operation, exact; paler: state, which survives a step"
        head(whole, title, below, left_pt=_LEFT_IN * 60, up_pt=10)
        base = _fill(whole, layout, "state", colours, [0] * len(live), hints)
        _fill(whole, layout, "step", colours, base, hints)
        whole.set_ylim(0, max(layout.arena_bytes, live[peak]) / 1024 * 1.2)
        late = peak > len(live) * 0.6
        whole.annotate(
            f"peak {live[peak]:,} B, arena {layout.arena_bytes:,} B",
            (peak + 0.5, live[peak] / 1024),
            (-14 if late else 14, 12),
            textcoords="offset points",
            ha="right" if late else "left",
            fontsize=8,
            fontweight="bold",
            arrowprops={"arrowstyle": "-", "color": palette.INK, "linewidth": 0.8, "shrinkB": 0},
        )
        _time_axis(whole, layout, named=False, phases=True)
        _size_axis(whole, "all [KiB]")
        part = figure.add_axes(_places(width_in, height_in, bottom_in, _HEAD_IN + _ALL_IN + _BETWEEN_IN))
        _fill(part, layout, "step", colours, [0] * len(live), {})
        _time_axis(part, layout, named=True, phases=False)
        _size_axis(part, "without state [KiB]")
        colour_legend(figure, colours, len(colours), 0.12, 0.06)
        caption = (
            "Bytes of the arena that hold something at each operation of a step that closes a minibatch, exact. "
            f"No arena can be smaller than the peak of {live[peak]:,} bytes."
        )
        return finish(figure, "ram-over-time", title, caption, hints, wide=True)


def _fill(
    axes: Axes, layout: Layout, place: str, colours: dict[str, str], base: list[int], hints: dict[str, str]
) -> list[int]:
    """Stack the bytes of the tensors in `place` by category on `base`, and return how high they reach."""
    for category, colour in colours.items():
        sizes = [
            sum(one.size_bytes for one in layout.alive_at(index) if (one.place, one.category) == (place, category))
            for index in range(len(base))
        ]
        # Operations that follow each other with equal bytes are one bar.
        spans = [list(group) for _, group in itertools.groupby(range(len(base)), key=lambda i: (sizes[i], base[i]))]
        for span in spans:
            first, size = span[0], sizes[span[0]]
            if not size:
                continue
            mark = f"{place}-{category}-{first}"
            axes.bar(
                first, size / 1024, len(span), bottom=base[first] / 1024, align="edge", color=colour, linewidth=0,
                alpha=_STATE_SHADE if place == "state" else 1.0,
            )[0].set_gid(mark)  # fmt: skip
            hints[mark] = f"{category}: {size:,} bytes, operations {first} to {span[-1]}"
        base = [low + size for low, size in zip(base, sizes, strict=True)]
    return base


def arena_map_plot(run: StoredRun) -> Plot:
    """Return the arena as rectangles of offset and time, one a tensor: exact."""
    layout = run.layout
    colours = _colours(layout)
    title = "Arena map"
    width_in, bottom_in = _width_in(layout), _label_room_in(layout)
    height_in = bottom_in + _MAP_IN + _HEAD_IN
    inner_in = (width_in - _LEFT_IN - _RIGHT_IN) / len(layout.operations)
    hints: dict[str, str] = {}
    with drawing():
        figure = Figure(figsize=(width_in, height_in))
        axes = figure.add_axes(_places(width_in, height_in, bottom_in, _HEAD_IN))
        below = f"{run.label}: where each tensor lies and when it lives, exact; paler: state, which survives a step"
        head(axes, title, below, left_pt=_LEFT_IN * 60, up_pt=10)
        for number, tensor in enumerate(layout.tensors):
            if tensor.offset is None:
                continue
            width = tensor.last - tensor.first + 1
            mark = f"tensor{number}"
            box = Rectangle(
                (tensor.first, tensor.offset / 1024),
                width,
                tensor.size_bytes / 1024,
                facecolor=colours[tensor.category],
                alpha=_STATE_SHADE if tensor.place == "state" else 1.0,
                edgecolor=palette.SURFACE,
                linewidth=0.4,
                gid=mark,
            )
            axes.add_patch(box)
            hints[mark] = (
                f"{tensor.name}: {tensor.size_bytes:,} bytes at {tensor.offset:,}, {tensor.category}, "
                f"operations {tensor.first} to {tensor.last}"
            )
            tall = tensor.size_bytes >= _NAMED_SHARE * layout.arena_bytes
            if tall and width * inner_in >= _LETTER_IN * len(tensor.name) + 0.06:
                axes.text(
                    tensor.first + width / 2,
                    (tensor.offset + tensor.size_bytes / 2) / 1024,
                    tensor.name,
                    ha="center",
                    va="center",
                    fontsize=6.5,
                )
        peak = layout.peak_operation()
        axes.axvspan(peak, peak + 1, color=palette.INK, alpha=0.08, linewidth=0)
        axes.set_ylim(0, layout.arena_bytes / 1024)
        _time_axis(axes, layout, named=True, phases=True)
        axes.grid(visible=False)
        _size_axis(axes, "offset in the arena [KiB], exact")
        colour_legend(figure, colours, len(colours), 0.12, 0.06)
        caption = "Each rectangle is a tensor: its bytes upwards, the operations it lives through to the right. Exact."
        return finish(figure, "arena-map", title, caption, hints, wide=True)


def stack_plot(run: StoredRun) -> Plot:
    """Return the deepest stack of each phase as the frames of its call chain: exact."""
    stacks = deepest_by_phase(run.stacks)
    functions = dict.fromkeys(frame.origin.function for stack in stacks.values() for frame in stack.frames)
    shades = palette.sequence(functions)
    title = "Stack by phase"
    height_in = _HEAD_IN + 0.3 * len(stacks) + 0.6
    left_in = 0.9
    hints: dict[str, str] = {}
    deepest = max((stack.size_bytes for stack in stacks.values()), default=1)
    scale_in = (_WIDTH_IN - left_in - 0.7) / (deepest * 1.02)
    with drawing():
        figure = Figure(figsize=(_WIDTH_IN, height_in))
        axes = figure.add_axes(
            (
                left_in / _WIDTH_IN,
                0.6 / height_in,
                (_WIDTH_IN - left_in - 0.7) / _WIDTH_IN,
                0.3 * len(stacks) / height_in,
            )
        )
        head(axes, title, f"{run.label}: the call chain where each phase was deepest, exact", left_pt=left_in * 64)
        for row, (phase, stack) in enumerate(stacks.items()):
            start = 0
            for place, frame in enumerate(stack.frames):
                if not frame.size_bytes:
                    continue
                name, mark = frame.origin.function, f"stack{row}x{place}"
                axes.barh(
                    row, frame.size_bytes, 0.78, left=start, color=shades[name], edgecolor=palette.SURFACE,
                    linewidth=0.6,
                )[0].set_gid(mark)  # fmt: skip
                hints[mark] = f"{phase}: {name} {frame.size_bytes:,} bytes ({frame.origin.line})"
                if frame.size_bytes * scale_in > _LETTER_IN * len(name) + 0.08:
                    axes.text(
                        start + frame.size_bytes / 2,
                        row,
                        name,
                        ha="center",
                        va="center",
                        fontsize=6.5,
                        color=palette.on(shades[name]),
                    )
                start += frame.size_bytes
            axes.annotate(
                f"{stack.size_bytes:,} B",
                (stack.size_bytes, row),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=palette.MUTED,
            )
        axes.set_xlim(0, deepest * 1.02)
        axes.set_ylim(len(stacks) - 0.5, -0.5)
        axes.set_yticks(range(len(stacks)), list(stacks))
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("stack [bytes], exact")
        caption = "Bytes that each function of the call chain has on the stack at the deepest point of a phase. Exact."
        return finish(figure, "stack-by-phase", title, caption, hints, wide=True)
