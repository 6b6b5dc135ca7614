"""The history as plain text: its result sets, and series with their steps."""

from __future__ import annotations

from collections.abc import Sequence

from harness.history import Series, StoredSet, step_changes
from harness.report import notation
from harness.report.verdict import difference, growth, value

_DAY = 16


def sets_text(sets: Sequence[StoredSet]) -> str:
    """Return a table of result sets, the newest first."""
    rows = [("number", "commit", "date", "suite", "runs", "harness", "machine")]
    rows += [
        (
            f"#{one.id}",
            one.name,
            one.date[:_DAY].replace("T", " "),
            one.suite + (", baseline" if one.is_baseline else ""),
            str(one.runs) + (f", {one.failed} failed" if one.failed else ""),
            one.harness,
            one.machine,
        )
        for one in reversed(sets)
    ]
    return _aligned(rows)


def series_text(series: Sequence[Series]) -> str:
    """Return each series, the oldest value first; an arrow marks where it changed, and by how much."""
    blocks = []
    for one in series:
        steps = {step.after.result_set: step for step in step_changes(one.points)}
        rows = []
        for point in one.points:
            step = steps.get(point.result_set)
            said = ""
            if step:
                delta = point.value - step.before.value
                said = f"<- {difference(one.metric, delta)}"
                said += "" if one.metric.unit == "share" else f" ({growth(step.growth)})"
                said += ", another model" if step.model_changed else ""
            rows.append((point.date[:_DAY].replace("T", " "), str(point), value(one.metric, point.value), said))
        blocks.append(f"{notation.plain(one.label)}: {one.metric.title}\n{_aligned(rows, right=(2,))}")
    return "\n".join(blocks)


def _aligned(rows: Sequence[Sequence[str]], right: tuple[int, ...] = ()) -> str:
    plain = [[notation.plain(cell, 60) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in plain) for column in range(len(plain[0]))] if plain else []
    lines = [
        "  " + "  ".join(f"{cell:{'>' if at in right else '<'}{widths[at]}}" for at, cell in enumerate(row)).rstrip()
        for row in plain
    ]
    return "\n".join(lines) + "\n"
