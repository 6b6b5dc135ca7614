"""Figures from runs to files: pictures, tables and one page in an output folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.assets import write_atomically
from harness.reproduction.figure import Figure
from harness.reproduction.making import Made
from harness.reproduction.measurement import Measurements
from harness.reproduction.outcome import Outcome
from harness.reproduction.table import as_csv, as_latex, as_markdown
from harness.result import Document

PAGE = "reproduction.html"


def evaluate(figures: Sequence[Figure], documents: Sequence[Document], missing: dict[str, str]) -> list[Outcome]:
    """Return the outcome of each figure from finished runs."""
    measured = Measurements(documents, missing)
    return [figure.evaluate(measured) for figure in figures]


def write_reproduction(folder: Path, outcomes: Sequence[Outcome], made: Made) -> Path:
    """Write pictures (SVG, PDF, PNG), tables (CSV, Markdown, LaTeX) and the page into `folder`; return the page."""
    from harness.reproduction.drawing import draw  # here: Matplotlib takes a while to import
    from harness.reproduction.page import render

    plots = {}
    for outcome in outcomes:
        for chart in outcome.charts:
            drawn = draw(chart)
            plots[chart.name] = drawn.plot
            for ending, data in (("svg", drawn.plot.svg.encode()), ("pdf", drawn.pdf), ("png", drawn.plot.png)):
                write_atomically(folder / "figures" / f"{chart.name}.{ending}", data)
        for ending, text in (
            ("csv", as_csv(outcome.rows)),
            ("md", as_markdown(outcome, made.warning)),
            ("tex", as_latex(outcome)),
        ):
            write_atomically(folder / "tables" / f"{outcome.name}.{ending}", text.encode())
    page = folder / PAGE
    write_atomically(page, render(outcomes, plots, made).encode())
    return page
