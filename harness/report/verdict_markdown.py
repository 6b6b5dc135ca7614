"""A verdict as Markdown, short enough for a comment on a pull request: its headline, tables, and the whole text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report import notation
from harness.report.verdict import (
    WORDS,
    accuracy_label,
    all_causes,
    culprits,
    difference,
    grown_and_shrunk,
    growth,
    growth_of,
    headline,
    ranked,
    remark,
    side,
    signed,
    value,
    where,
)
from harness.report.verdict_text import verdict_text
from harness.verdict import Comparison

_LONGEST_TEXT = 40_000
"""A comment on GitHub may have 65,536 characters."""


def verdict_markdown(comparison: Comparison, most: int = 10) -> str:
    """Return the verdict; lists are cut after `most` rows, and the plain text follows folded away."""
    sign = "❌" if comparison.regressed else "✅"
    blocks = [
        f"### {sign} {_plain(headline(comparison))}",
        *(_plain(one) for one in culprits(comparison)),
        f"before: `{_code(side(comparison.before))}`  \nafter: `{_code(side(comparison.after))}`",
        *_causes(comparison),
        *_lines(comparison, most),
        *_accuracies(comparison),
        *_runs(comparison, most),
        _folded(verdict_text(comparison)),
    ]
    return "\n\n".join(blocks) + "\n"


def _plain(text: str) -> str:
    """Return a name as Markdown shows it literally, in a table as well."""
    escaped = "".join(f"\\{char}" if char in "\\`*_{}[]<>#|!~" else char for char in notation.plain(text, 300))
    return escaped.replace("@", "@\u200b")  # a name must notify nobody


def _code(text: str) -> str:
    return notation.plain(text, 300).replace("`", "'").replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    aligned = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, aligned, *rows))


def _causes(comparison: Comparison) -> list[str]:
    rows = [
        (_plain(cause.what), _plain(cause.before), _plain(cause.after), str(runs))
        for cause, runs in all_causes(comparison)
    ]
    return ["**What else changed than the code**", _table(("what", "before", "after", "runs"), rows)] if rows else []


def _lines(comparison: Comparison, most: int) -> list[str]:
    blocks = []
    for title, entries in zip(("grew", "shrank"), grown_and_shrunk(comparison), strict=True):
        rows = [
            (
                f"`{_code(entry.line.place)}` in `{_code(entry.line.function)}`"
                + f" {_plain(remark(entry.line))}".rstrip(),
                _plain(where(entry.line.where[0])),
                signed(entry.line.delta),
                growth_of(entry.line.before, entry.line.after),
                str(entry.runs),
            )
            for entry in entries[:most]
        ]
        if rows:
            head = ("line", "most in", "instructions a step", "growth", "runs")
            blocks += [f"**Source lines that {title}** (exact; {len(entries)} in all)", _table(head, rows)]
    return blocks


def _accuracies(comparison: Comparison) -> list[str]:
    rows = [
        (
            _plain(accuracy_label(one)),
            value(one.change.metric, one.change.before),
            value(one.change.metric, one.change.after),
            difference(one.change.metric, one.change.delta),
            f"{WORDS[one.change.judgement]}: {_plain(one.change.reason)}",
        )
        for one in comparison.accuracies
    ]
    head = ("test accuracy", "before", "after", "difference", "judged")
    return [_table(head, rows)] if rows else []


def _runs(comparison: Comparison, most: int) -> list[str]:
    runs = ranked(comparison)
    rows = [
        (
            _plain(run.label) if first else "",
            change.metric.title,
            value(change.metric, change.before),
            value(change.metric, change.after),
            growth(change.growth),
            f"**{WORDS[change.judgement]}**" if change.judgement == "regression" else WORDS[change.judgement],
        )
        for run in runs[:most]
        for first, change in zip((True, *(False,) * len(run.changes)), run.changes, strict=False)
    ]
    if not rows:
        return []
    left = [f"{len(runs) - most} more runs changed."] if len(runs) > most else []
    return [_table(("run", "metric", "before", "after", "growth", "judged"), rows), *left]


def _folded(text: str) -> str:
    shown = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}\n..."
    fence = "```"
    while fence in shown:
        fence += "`"
    return f"<details><summary>The whole verdict as text</summary>\n\n{fence}text\n{shown}{fence}\n\n</details>"
