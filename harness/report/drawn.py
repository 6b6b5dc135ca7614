"""A finished plot: on a page, and as files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from harness.assets import write_atomically
from harness.report import palette


@dataclass(frozen=True)
class Plot:
    """One finished plot. `hints` are texts by the id of the mark (`gid`) in `svg` that they belong to."""

    name: str
    title: str
    caption: str
    svg: str
    png: bytes = field(repr=False)
    wide: bool = False
    hints: Mapping[str, str] = field(default_factory=dict)

    def inline(self) -> str:
        """Return the SVG as an element of a page: light and dark, its ids its own, hints as tooltips."""
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
        for mark, hint in self.hints.items():
            body = body.replace(f'<g id="{mark}">', f'<g id="{mark}" class="mark"><title>{escape(hint)}</title>', 1)
        prefix = f"{self.name}-"
        body = re.sub(r'(<[^<>]*?\sid=")', rf"\g<1>{prefix}", body)
        body = re.sub(r'((?:xlink:href|href)="#)', rf"\g<1>{prefix}", body)
        body = body.replace("url(#", f"url(#{prefix}")
        head, rest = body.split(">", 1)
        view = re.search(r'viewBox="[^"]*"', head)
        assert view is not None, "Matplotlib writes a view box"
        label = escape(f"{self.title}. {self.caption}", quote=True)
        # Inside HTML an SVG needs no namespace declarations.
        rest = rest.replace("xlink:href", "href")
        return palette.themed(f'<svg {view[0]} role="img" aria-label="{label}">{rest}')


def write_plots(folder: Path, plots: Sequence[Plot]) -> list[Path]:
    """Write `plots` into `folder` as SVG and PNG, and return the files."""
    files = []
    for plot in plots:
        for ending, data in (("svg", plot.svg.encode()), ("png", plot.png)):
            path = folder / f"{plot.name}.{ending}"
            write_atomically(path, data)
            files.append(path)
    return files
