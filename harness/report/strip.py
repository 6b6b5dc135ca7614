"""Small pictures for the page, one of each for every run, written directly: those of Matplotlib would make it heavy."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from harness.report import notation, palette
from harness.result import NO_LAYER, Document
from harness.result.layout import Layout

_WIDTH, _HEIGHT = 600, 150
_LABEL, _ROW, _BAR, _END = 140, 24, 17, 130
_NAME_LENGTH = 18
_STATE_SHADE = 0.45


@dataclass(frozen=True)
class Strip:
    """A picture as an element of a page: `svg` is safe to put there, `legend` its colours by name."""

    title: str
    svg: str
    legend: Mapping[str, str]
    note: str


def _svg(body: Iterable[str], height: float, label: str) -> str:
    head = f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{escape(label, quote=True)}">'
    return palette.themed(f"{head}{''.join(body)}</svg>")


def ram_strip(layout: Layout) -> Strip:
    """Return the live bytes of the arena over the operations of a step, by category, the peak marked: exact."""
    count = len(layout.operations)
    peak = layout.peak_operation()
    live = [sum(layout.live_bytes(index).values()) for index in range(count)]
    used = (tensor.category for tensor in layout.tensors if tensor.offset is not None)
    colours = palette.parts(used, palette.CATEGORIES)
    top = max(layout.arena_bytes, live[peak])
    scale = _HEIGHT / top
    body: list[str] = []
    base = [0] * count
    for place, (category, colour) in itertools.product(("state", "step"), colours.items()):
        sizes = [
            sum(one.size_bytes for one in layout.alive_at(index) if (one.place, one.category) == (place, category))
            for index in range(count)
        ]
        if any(sizes):
            shade = f";opacity:{_STATE_SHADE}" if place == "state" else ""
            what = f"{category} of the {place}: at most {max(sizes):,} bytes"
            body.append(_area(base, sizes, scale, f"fill:{colour}{shade}", what))
        base = [low + size for low, size in zip(base, sizes, strict=True)]
    width = _WIDTH / count
    said = f"peak {live[peak]:,} bytes: {layout.operations[peak].kernel} {layout.operations[peak].layer_name}".rstrip()
    body.append(
        f'<rect x="{peak * width:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT}" '
        f'style="fill:none;stroke:{palette.INK}"><title>{escape(said)}</title></rect>'
    )
    note = f"From load to update, {count} operations; paler: state, which survives a step. Exact; {said}."
    return Strip("RAM over a training step", _svg(body, _HEIGHT, f"RAM over a training step, {said}"), colours, note)


def _area(base: Sequence[int], sizes: Sequence[int], scale: float, style: str, title: str) -> str:
    """Return a stepped area between `base` and what lies `sizes` above it."""
    width = _WIDTH / len(base)
    upper = [low + size for low, size in zip(base, sizes, strict=True)]

    def steps(heights: Sequence[int], indices: Iterable[int], *, back: bool) -> Iterable[str]:
        for index in indices:
            y = _HEIGHT - heights[index] * scale
            ends = (index + 1, index) if back else (index, index + 1)
            yield from (f"{end * width:.1f},{y:.1f}" for end in ends)

    count = len(base)
    points = [*steps(upper, range(count), back=False), *steps(base, reversed(range(count)), back=True)]
    return f'<path d="M{"L".join(_straight(points))}Z" style="{style}"><title>{escape(title)}</title></path>'


def _straight(points: Sequence[str]) -> list[str]:
    """Return `points` without those in the middle of a horizontal line."""
    heights = [point.partition(",")[2] for point in points]
    last = len(points) - 1
    return [
        point
        for index, point in enumerate(points)
        if index in (0, last) or not heights[index - 1] == heights[index] == heights[index + 1]
    ]


def layer_strip(document: Document) -> Strip:
    """Return the estimated cycles of a mean step by layer, in parts by phase."""
    assert document.counts is not None
    assert document.estimates is not None
    layers: dict[int, dict[str, float]] = {}
    names: dict[int, str] = {}
    for part in document.counts.by_layer:
        names[part.layer] = part.layer_name or ("no layer" if part.layer == NO_LAYER else str(part.layer))
        phases = layers.setdefault(part.layer, {})
        phases[part.phase] = phases.get(part.phase, 0.0) + part.cycles_per_step
    colours = palette.parts((phase for phases in layers.values() for phase in phases), palette.PHASES)
    widest = max((sum(phases.values()) for phases in layers.values()), default=0.0) or 1.0
    whole = sum(sum(phases.values()) for phases in layers.values()) or 1.0
    scale = (_WIDTH - _LABEL - _END) / widest
    body = []
    for row, layer in enumerate(sorted(layers)):
        x, y = float(_LABEL), row * _ROW
        middle = y + _ROW / 2
        name = notation.plain(names[layer], _NAME_LENGTH)
        body.append(_text(_LABEL - 6, middle, name, f"fill:{palette.INK};text-anchor:end"))
        for phase, colour in colours.items():
            cycles = layers[layer].get(phase, 0.0)
            if cycles:
                said = f"{name}: {phase} ≈ {notation.prefixed(cycles)} cycles"
                body.append(
                    f'<rect x="{x:.1f}" y="{y + (_ROW - _BAR) / 2:g}" width="{cycles * scale:.1f}" height="{_BAR}" '
                    f'style="fill:{colour}"><title>{escape(said)}</title></rect>'
                )
                x += cycles * scale
        sum_of_layer = sum(layers[layer].values())
        end = f"≈ {notation.prefixed(sum_of_layer)} ({notation.percent(sum_of_layer / whole, 0)})"
        body.append(_text(x + 4, middle, end, f"fill:{palette.MUTED}"))
    estimate = document.estimates.cycles_per_step
    note = f"Estimated cycles of a mean step: {estimate.model} ({notation.error_figures(estimate.error)})."
    return Strip("Where the cycles go", _svg(body, len(layers) * _ROW, "Cycles by layer"), colours, note)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" dy=".35em" style="font-size:14px;{style}">{escape(text)}</text>'
