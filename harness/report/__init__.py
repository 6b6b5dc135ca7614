"""Reports of a suite: the terminal table, plots and one HTML page."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from harness.assets import write_atomically
from harness.errors import InputError
from harness.report.drawn import write_plots
from harness.report.page import render_page, write_page
from harness.report.pareto import pareto_front
from harness.report.stored_plots import stored_plots
from harness.report.suite import Suite
from harness.report.table import print_table, table_text
from harness.result import Document
from harness.result.evidence import read_layout
from harness.result.layout import Layout

PAGE = "report.html"
PLOTS = "plots"


def write_report(folder: Path, documents: Sequence[Document]) -> Path:
    """Write `report.html` and `plots/*.svg, *.png` of `documents` into `folder`; return the page's path.

    The page shows the RAM of the runs whose memory layouts are in `folder`.
    """
    suite = Suite(documents)
    plots = stored_plots(suite)
    write_plots(folder / PLOTS, plots)
    page = folder / PAGE
    write_atomically(page, render_page(suite, plots, _layouts(folder, documents)).encode())
    return page


def _layouts(folder: Path, documents: Sequence[Document]) -> dict[str, Layout]:
    layouts = {}
    for document in documents:
        if document.evidence is not None:
            with contextlib.suppress(InputError):  # a page without this picture is better than none
                layouts[document.run.id] = read_layout(folder, document.evidence.layout)
    return layouts


__all__ = ["pareto_front", "print_table", "table_text", "write_page", "write_plots", "write_report"]
