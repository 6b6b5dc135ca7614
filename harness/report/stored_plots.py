"""The plots of a suite from the cache: equal results draw equal pictures."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from harness.cache import Output, code_hash, user_cache
from harness.report.drawn import Plot
from harness.report.suite import Suite

_TEXTS = ("name", "title", "caption", "wide", "hints")


def stored_plots(suite: Suite) -> list[Plot]:
    """Return every plot of `suite`, drawn now unless the cache has those of the same results."""
    inputs = {
        "documents": [document.model_dump(mode="json", exclude={"provenance"}) for document in suite.documents],
        "matplotlib": metadata.version("matplotlib"),
        "code": code_hash("report", "result"),
    }
    entry = user_cache().get("plots", inputs, lambda: _drawn(suite))
    plots: Any = entry.values["plots"]
    return [
        Plot(**plot, svg=entry.read(f"{plot['name']}.svg").decode(), png=entry.read(f"{plot['name']}.png"))
        for plot in plots
    ]


def _drawn(suite: Suite) -> Output:
    from harness.report.plot import suite_plots  # here: Matplotlib takes a while to import

    plots = suite_plots(suite)
    files = {f"{plot.name}.svg": plot.svg.encode() for plot in plots}
    files |= {f"{plot.name}.png": plot.png for plot in plots}
    return Output({"plots": [{name: getattr(plot, name) for name in _TEXTS} for plot in plots]}, files)
