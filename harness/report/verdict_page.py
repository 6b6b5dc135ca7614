"""A verdict as one HTML page that needs nothing else: what moved, and how every metric went over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.assets import asset_dir
from harness.history import Series, step_changes
from harness.report import notation, palette
from harness.report.trend import step_rows, trend_picture
from harness.report.verdict import (
    WORDS,
    LineOfRuns,
    accuracy_label,
    all_bytes,
    all_causes,
    all_sources,
    culprits,
    cycles_note,
    difference,
    grown_and_shrunk,
    growth,
    growth_of,
    headline,
    ranked,
    remark,
    side,
    signed,
    states,
    value,
    where,
)
from harness.verdict import Comparison, RunComparison

Row = dict[str, Any]

_MOST_ROWS = 40
_STATES = {
    "broken": "Failed, and did not before",
    "repaired": "Works again",
    "failing": "Failed, as before",
    "new": "New",
    "gone": "Gone",
}


def verdict_page(comparison: Comparison, series: Sequence[Series]) -> str:
    """Return the page; `series` are its trends."""
    environment = Environment(
        loader=FileSystemLoader(asset_dir("reports")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # A file of this project, not text from a scenario.
    style = environment.get_template("page.css").render(dark_variables=Markup(palette.dark_variables()))  # noqa: S704
    return environment.get_template("verdict.html.j2").render(
        style=Markup(style),  # noqa: S704
        page=_page(comparison, series),
    )


def _page(comparison: Comparison, series: Sequence[Series]) -> Row:
    grown, shrunk = grown_and_shrunk(comparison)
    return {
        "title": headline(comparison),
        "culprits": culprits(comparison),
        "good": not comparison.regressed,
        "sides": [("before", side(comparison.before)), ("after", side(comparison.after))],
        "commits": [(commit.hash[:10], commit.subject) for commit in reversed(comparison.commits)],
        "states": [(_STATES[state], labels) for state, labels in states(comparison).items()],
        "causes": [(cause.what, cause.before, cause.after, runs) for cause, runs in all_causes(comparison)],
        "sources": all_sources(comparison),
        "lines": [
            {
                "title": f"Source lines that {title}",
                "rows": [_line(entry) for entry in entries[:_MOST_ROWS]],
                "left": max(0, len(entries) - _MOST_ROWS),
            }
            for title, entries in (("grew", grown), ("shrank", shrunk))
            if entries
        ],
        "bytes": [
            (
                part.area,
                f"{part.part} {part.name}".strip(),
                f"{part.before:,}",
                f"{part.after:,}",
                f"{part.delta:+,}",
                runs,
            )
            for part, runs in sorted(
                ((entry.part, entry.runs) for entry in all_bytes(comparison)), key=lambda row: -abs(row[0].delta)
            )[:_MOST_ROWS]
        ],
        "accuracies": [
            {
                "label": accuracy_label(one),
                "numbers": " → ".join(value(one.change.metric, mean) for mean in (one.change.before, one.change.after)),
                "delta": difference(one.change.metric, one.change.delta),
                "word": WORDS[one.change.judgement],
                "kind": one.change.judgement,
                "reason": one.change.reason,
            }
            for one in comparison.accuracies
        ],
        "runs": [_run(run) for run in ranked(comparison)],
        "trends": _trends(series),
    }


def _line(entry: LineOfRuns) -> Row:
    line = entry.line
    return {
        "place": line.place,
        "text": line.text,
        "function": line.function + ("" if line.symbol == line.function else f", inlined in {line.symbol}"),
        "where": where(line.where[0]),
        "remark": remark(line),
        "delta": signed(line.delta),
        "growth": growth_of(line.before, line.after),
        "runs": entry.runs,
        "label": entry.label,
    }


def _run(run: RunComparison) -> Row:
    movement = run.movement
    return {
        "label": run.label,
        "worse": run.regressed,
        "changes": [
            {
                "title": change.metric.title,
                "estimated": not change.metric.exact,
                "before": value(change.metric, change.before),
                "after": value(change.metric, change.after),
                "growth": growth(change.growth),
                "word": WORDS[change.judgement],
                "kind": change.judgement,
                "reason": change.reason,
            }
            for change in run.changes
        ],
        "note": "; ".join(note for note in (cycles_note(run), run.note) if note),
        "places": [
            (where(moved), signed(moved.delta), growth_of(moved.before, moved.after))
            for moved in ((movement.functions or movement.layers) if movement else ())[:_MOST_ROWS]
        ],
    }


def _trends(series: Sequence[Series]) -> list[Row]:
    """Return the runs with their pictures; those in which something changed come first and unfolded."""
    runs: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        runs.setdefault((one.scenario, one.label), []).append(one)
    found = [
        {
            "label": notation.plain(label),
            "changes": sum(len(step_changes(one.points)) for one in of_run),
            "nights": max(len(one.points) for one in of_run),
            "metrics": [
                {
                    "title": one.metric.title,
                    "estimated": not one.metric.exact,
                    "value": value(one.metric, one.points[-1].value),
                    # Built from escaped texts and numbers only.
                    "picture": Markup(trend_picture(one)),  # noqa: S704
                    "steps": step_rows(one)[:5],
                }
                for one in of_run
            ],
        }
        for (_, label), of_run in runs.items()
    ]
    return sorted(found, key=lambda run: run["changes"] == 0)
