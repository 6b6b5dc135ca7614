"""One self-contained HTML page: verdicts first, then each figure beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.assets import asset_dir
from harness.report import palette
from harness.report.drawn import Plot
from harness.reproduction.making import Made
from harness.reproduction.outcome import Outcome, Trend, Verdict
from harness.reproduction.table import HEADINGS, NOTE, cells, trend_cells

_MARKS = {Verdict.REPRODUCED: "yes", Verdict.NOT_REPRODUCED: "no", Verdict.NOT_RUN: "none"}


def render(outcomes: Sequence[Outcome], plots: Mapping[str, Plot], made: Made) -> str:
    """Return the page; `plots` by the name of their chart. It loads nothing and runs no script."""
    environment = Environment(
        loader=FileSystemLoader(asset_dir("reports")), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    style = environment.get_template("page.css").render(dark_variables=Markup(palette.dark_variables()))  # noqa: S704
    trends = [trend for outcome in outcomes for trend in outcome.trends]
    counts = {verdict: sum(trend.verdict is verdict for trend in trends) for verdict in Verdict}
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    if made.quick:
        summary = "not settled by a quick reproduction"
    return environment.get_template("reproduction.html.j2").render(
        style=Markup(style),  # noqa: S704
        made=made,
        trends=f"{len(trends)} published trend{'' if len(trends) == 1 else 's'}",
        summary=summary,
        good=not counts[Verdict.NOT_REPRODUCED] and not made.failed,
        figures=[_figure(outcome, plots, settled=not made.quick) for outcome in outcomes],
        headings=HEADINGS,
        note=NOTE,
    )


def _figure(outcome: Outcome, plots: Mapping[str, Plot], *, settled: bool) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "title": outcome.title,
        "place": outcome.place,
        "differs": outcome.differs,
        "notes": outcome.notes,
        "trends": [_trend(trend, settled=settled) for trend in outcome.trends],
        "rows": [cells(row) for row in outcome.rows],
        "plots": [
            {
                "title": chart.title,
                "caption": chart.caption,
                "svg": Markup(plots[chart.name].inline()),  # noqa: S704
            }
            for chart in outcome.charts
        ],
    }


def _trend(trend: Trend, *, settled: bool) -> dict[str, Any]:
    statement, criterion, verdict = trend_cells(trend, settled=settled)
    return {
        "statement": statement,
        "criterion": criterion,
        "verdict": verdict,
        "mark": _MARKS[trend.verdict if settled else Verdict.NOT_RUN],
        "cases": [
            (case.name, case.paper or "-", _holds(case.paper_holds), case.ours or "-", _holds(case.ours_holds))
            for case in trend.cases
        ],
    }


def _holds(value: bool | None) -> str:
    return "" if value is None else "holds" if value else "does not hold"
