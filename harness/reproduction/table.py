"""The rows of a figure as CSV, Markdown and LaTeX, and how their numbers are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.report import notation
from harness.reproduction.outcome import Outcome, Row, Spread, Trend

HEADINGS = ("quantity", "paper's case", "our case", "kind", "paper", "ours", "runs")
NOTE = "An asterisk: derived from bar heights or arithmetic; ± sample deviation over seeds; ≈ estimated by a cost model"
_LATEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "_": r"\_",
        "#": r"\#",
        "$": r"\$",
        "±": r"$\pm$",
        "≈": r"$\approx$",
        "{": r"\{",
        "}": r"\}",
    }
)


def number(value: float, unit: str) -> str:
    """Return a number as a table has it: accuracies with one decimal, others with three digits."""
    return f"{value:.1f}" if unit == "%" else notation.significant(value)


def paper_text(row: Row) -> str:
    """Return the paper's number, `*` behind one that was derived, `-` for none."""
    if row.paper is None:
        return "-"
    return (f"{row.paper:.1f}" if row.unit == "%" else f"{row.paper:g}") + ("*" if row.derived else "")


def our_text(row: Row) -> str:
    """Return our mean with its deviation, behind a `≈` when it is estimated; `-` for none."""
    if row.ours is None:
        return "-"
    return ("≈ " if row.estimated else "") + _spread(row.ours, row.unit)


def _spread(value: Spread, unit: str) -> str:
    if not value.deviation:
        return number(value.mean, unit)
    deviation = f"{value.deviation:.1f}" if unit == "%" else notation.significant(value.deviation, 2)
    return f"{number(value.mean, unit)} ± {deviation}"


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row in the order of `HEADINGS`."""
    quantity = f"{row.quantity}, {row.unit}" if row.unit else row.quantity
    runs = str(row.ours.count) if row.ours else "0"
    return (quantity, row.paper_case, row.our_case, row.kind, paper_text(row), our_text(row), runs)


def as_csv(rows: Sequence[Row]) -> str:
    """Return the rows with plain numbers, a column each for mean, deviation and count of ours."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("quantity", "unit", "paper_case", "our_case", "kind", "paper", "paper_derived")
    writer.writerow((*names, "ours", "ours_deviation", "ours_estimated", "runs"))
    for row in rows:
        ours = (row.ours.mean, row.ours.deviation, row.estimated, row.ours.count) if row.ours else ("", "", "", 0)
        paper = "" if row.paper is None else row.paper
        writer.writerow((row.quantity, row.unit, row.paper_case, row.our_case, row.kind, paper, row.derived, *ours))
    return out.getvalue()


def as_markdown(outcome: Outcome, warning: str = "") -> str:
    """Return trends and rows of a figure as Markdown, below a `warning`."""
    lines = [
        f"# {outcome.title}",
        "",
        *([f"**{warning}**", ""] if warning else []),
        f"Paper: {outcome.place}.",
        "",
        *(f"- {text}" for text in outcome.differs),
        "",
    ]
    lines += _markdown(
        ("trend", "criterion", "verdict"), [trend_cells(trend, settled=not warning) for trend in outcome.trends]
    )
    lines += ["", *_markdown(HEADINGS, [cells(row) for row in outcome.rows]), "", NOTE]
    return "\n".join(lines) + "\n"


def trend_cells(trend: Trend, *, settled: bool) -> tuple[str, str, str]:
    """Return statement, criterion, and verdict with its tally; runs that settle nothing have no verdict."""
    if not trend.tested:
        return trend.statement, trend.criterion, str(trend.verdict)
    verdict = str(trend.verdict) if settled else "not settled; holds in"
    return trend.statement, trend.criterion, f"{verdict} ({trend.tally})" if settled else f"{verdict} {trend.tally}"


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(texts: Sequence[str]) -> str:
        return "| " + " | ".join(text.replace("|", r"\|") for text in texts) + " |"

    return [line(headings), line(["---"] * len(headings)), *(line(row) for row in rows)]


def as_latex(outcome: Outcome) -> str:
    """Return the rows of a figure as a LaTeX table for the package booktabs."""
    rows = [" & ".join(text.translate(_LATEX) for text in cells(row)) + r" \\" for row in outcome.rows]
    head = " & ".join(text.translate(_LATEX) for text in HEADINGS) + r" \\"
    lines = [r"\begin{tabular}{llllrrr}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"
