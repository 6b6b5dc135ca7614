"""Colours, by what they stand for, in light and in dark.

Data types are told apart by colour and by lightness, so they stay apart in grey and for colour-blind readers; platforms
by the shape of the marker and update ratios by its filling. The other sets are Paul Tol's "bright" scheme, which is
made to be safe for colour-blind readers (https://sronpersonalpages.nl/~pault/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

INK = "#1f2328"
MUTED = "#59636e"
GRID = "#dfe4ea"
SURFACE = "#ffffff"
OTHER = "#bbbbbb"
_LIGHT = 0.5

_DARK = {
    INK: "#e6edf3",
    MUTED: "#9aa4af",
    GRID: "#2b323b",
    SURFACE: "#11161d",
    OTHER: "#6b7280",
    "#0b5cad": "#58a6ff",
    "#00846b": "#3fc7a4",
    "#df8600": "#ffb454",
    "#7a5195": "#c297e0",
    "#4477aa": "#6c9fd4",
    "#228833": "#4bb15d",
    "#aa3377": "#d069a3",
}

DTYPES = {"uint8": "#0b5cad", "mixed": "#00846b", "float32": "#df8600"}
_UNKNOWN_DTYPE = "#7a5195"

PHASES = {
    "load": OTHER,
    "forward": "#4477aa",
    "loss": "#aa3377",
    "select": "#ccbb44",
    "backward": "#ee6677",
    "update": "#228833",
}
CATEGORIES = {
    "weights": "#4477aa",
    "gradients": "#ee6677",
    "activations": "#228833",
    "errors": "#ccbb44",
    "quantization": "#aa3377",
    "selection": "#66ccee",
    "scratch": "#999933",
}
_SPARE = ("#cc7755", "#7788cc", "#55aa99")

_SHAPES = {"nrf52840": "o", "rp2040": "s", "imxrt1062": "^", "stm32l4r5zi": "D"}
_SPARE_SHAPES = ("v", "P", "X", "p", "h", "<", ">")


def dtype_colour(dtype: str) -> str:
    """Return the colour of a data type."""
    return DTYPES.get(dtype, _UNKNOWN_DTYPE)


def shapes(platforms: Iterable[str]) -> dict[str, str]:
    """Return a Matplotlib marker for each of `platforms`; those that ship with the harness always keep theirs."""
    chosen: dict[str, str] = {}
    spare = 0
    for platform in platforms:
        if platform in _SHAPES:
            chosen[platform] = _SHAPES[platform]
        elif platform not in chosen:
            chosen[platform] = _SPARE_SHAPES[spare % len(_SPARE_SHAPES)]
            spare += 1
    return chosen


def filling(ratio: float | None) -> str:
    """Return the Matplotlib fill style that stands for an update ratio: full, half (below 3/4), none (below 1/4)."""
    if ratio is None or ratio >= 0.75:
        return "full"
    return "bottom" if ratio >= 0.25 else "none"


def parts(names: Iterable[str], known: dict[str, str]) -> dict[str, str]:
    """Return a colour for each part of a stack, in the order of `known` and then of appearance."""
    present = list(dict.fromkeys(names))
    unknown = [name for name in present if name not in known]
    ordered = {name: colour for name, colour in known.items() if name in present}
    return ordered | {name: _SPARE[index % len(_SPARE)] for index, name in enumerate(unknown)}


def sequence(names: Iterable[str]) -> dict[str, str]:
    """Return colours for things that have an order, such as layers: evenly spaced over the middle of viridis."""
    from matplotlib import colormaps  # here: Matplotlib takes a while to import, and a page needs no such colours
    from matplotlib.colors import to_hex

    ordered = list(dict.fromkeys(names))
    low, high = 0.22, 0.9
    step = (high - low) / max(1, len(ordered) - 1)
    return {name: to_hex(colormaps["viridis"](low + index * step)) for index, name in enumerate(ordered)}


def on(colour: str) -> str:
    """Return the colour of text that can be read on `colour`: ink on light ones, the surface on dark ones."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > _LIGHT else SURFACE


def themed(svg: str) -> str:
    """Return `svg` with its colours as CSS variables that have a dark variant; the light colour is the fallback."""
    pattern = re.compile("|".join(_DARK))
    return pattern.sub(lambda match: f"var(--c{match[0][1:]}, {match[0]})", svg)


def dark_variables() -> str:
    """Return the CSS declarations that turn what `themed` returned dark."""
    return "".join(f"--c{light[1:]}:{dark};" for light, dark in _DARK.items())
