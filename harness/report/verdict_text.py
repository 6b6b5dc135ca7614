"""A verdict as plain text that an e-mail can carry: at most 78 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from harness.report import notation
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
from harness.verdict.movement import Moved

WIDTH = 78
_NUMBERS, _JUDGED = 32, 20
_FUNCTIONS = 3

_STATES = {
    "broken": "failed, and did not before",
    "repaired": "works again",
    "failing": "failed, as before",
    "new": "new, with nothing to hold against",
    "gone": "gone",
}


def verdict_text(comparison: Comparison, most: int = 8) -> str:
    """Return the verdict; of lists that are longer than `most`, the rest is counted (0: everything is shown)."""
    blocks = [
        [headline(comparison), *_culprits(comparison)],
        _sides(comparison),
        *_states_block(comparison),
        _causes(comparison),
        _lines(comparison, most),
        _bytes(comparison, most),
        _accuracies(comparison),
        *_runs(comparison, most),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block) + "\n"


def _wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    initial = indent if first is None else first
    return textwrap.wrap(
        text, WIDTH, initial_indent=initial, subsequent_indent=indent, break_long_words=True, break_on_hyphens=False
    )


def _cut(text: str, width: int) -> str:
    return notation.plain(text, width)


def _culprits(comparison: Comparison) -> Iterator[str]:
    for one in culprits(comparison):
        yield from _wrapped(one, "  ", "")


def _sides(comparison: Comparison) -> list[str]:
    lines = [_cut(f"before  {side(comparison.before)}", WIDTH), _cut(f"after   {side(comparison.after)}", WIDTH)]
    commits = comparison.commits
    if commits:
        lines += ["", f"{len(commits)} {'commit' if len(commits) == 1 else 'commits'} between"]
        shown = commits if len(commits) <= 10 else commits[-10:]
        lines += [_cut(f"  {commit}", WIDTH) for commit in reversed(shown)]
        lines += [f"  and {len(commits) - len(shown)} earlier ones"] if len(shown) < len(commits) else []
    return lines


def _states_block(comparison: Comparison) -> Iterator[list[str]]:
    for state, labels in states(comparison).items():
        lines = [f"{len(labels)} {'run' if len(labels) == 1 else 'runs'} {_STATES[state]}"]
        for label in labels[:10]:
            lines += _wrapped(notation.plain(label, 300), "    ", "  ")
        lines += [f"  and {len(labels) - 10} more"] if len(labels) > 10 else []
        yield lines


def _causes(comparison: Comparison) -> list[str]:
    found = all_causes(comparison)
    lines = ["What else changed than the code; look here first"] if found else []
    for cause, runs in found:
        text = f"{cause.what}: {cause.before} -> {cause.after} (in {runs} {'run' if runs == 1 else 'runs'})"
        lines += _wrapped(notation.plain(text, 600), "      ", "  ")
    if sources := all_sources(comparison):
        lines += ["Firmware sources that changed"]
        lines += _wrapped(", ".join(sources), "  ")
    return lines


def _lines(comparison: Comparison, most: int) -> list[str]:
    grown, shrunk = grown_and_shrunk(comparison)
    lines: list[str] = []
    for title, entries in (("grew", grown), ("shrank", shrunk)):
        if entries:
            lines += [*([""] if lines else []), f"Source lines that {title}, instructions a step (exact)"]
            for entry in entries[: most or None]:
                lines += _line(entry)
            lines += _rest(entries, most)
    return lines


def _rest(entries: Sequence[LineOfRuns], most: int) -> list[str]:
    left = entries[most:] if most else []
    return [f"  {signed(sum(entry.line.delta for entry in left))} in {len(left)} more lines"] if left else []


def _line(entry: LineOfRuns) -> Iterator[str]:
    line = entry.line
    amount = f"{signed(line.delta)} ({growth_of(line.before, line.after)})"
    yield f"  {_cut(line.place, WIDTH - len(amount) - 5):{WIDTH - len(amount) - 4}}  {amount}"
    inlined = "" if line.symbol == line.function else f", inlined in {line.symbol}"
    yield from _wrapped(f"in {line.function}{inlined}; {where(line.where[0])}", "      ")
    others = len(line.where) - 1
    said = [f"{others} more {'place' if others == 1 else 'places'}"] if others else []
    said += [f"most in {notation.plain(entry.label)}" + (f", {entry.runs} runs" if entry.runs > 1 else "")]
    said += [note] if (note := remark(line)) else []
    yield from _wrapped("; ".join(said), "      ")
    if line.text:
        yield _cut(f"      | {line.text}", WIDTH)


def _bytes(comparison: Comparison, most: int) -> list[str]:
    lines: list[str] = []
    entries = all_bytes(comparison)
    for area in dict.fromkeys(entry.part.area for entry in entries):
        rows = [entry for entry in entries if entry.part.area == area]
        rows.sort(key=lambda entry: -abs(entry.part.delta))
        lines += [*([""] if lines else []), f"Bytes of {area} (exact)"]
        for entry in rows[: 2 * most or None]:
            part = entry.part
            name = f"{part.part} {part.name}".strip()
            amount = f"{part.before:,} -> {part.after:,}"
            lines.append(f"  {_cut(name, 36):36} {amount:>21} {part.delta:>+10,}")
        if most and len(rows) > 2 * most:
            lines.append(f"  and {len(rows) - 2 * most} more")
    return lines


def _accuracies(comparison: Comparison) -> list[str]:
    lines = ["Test accuracy"] if comparison.accuracies else []
    for one in comparison.accuracies:
        change = one.change
        numbers = f"{value(change.metric, change.before)} -> {value(change.metric, change.after)}"
        lines += _wrapped(notation.plain(accuracy_label(one)), "    ", "  ")
        lines += _wrapped(f"{numbers}, {difference(change.metric, change.delta)}: {WORDS[change.judgement]}", "      ")
        lines += _wrapped(change.reason, "      ")
    return lines


def _runs(comparison: Comparison, most: int) -> Iterator[list[str]]:
    runs = ranked(comparison)
    for run in runs[: most or None]:
        yield [*_run(run)]
    if most and len(runs) > most:
        yield [f"{len(runs) - most} more runs in which something moved; harness compare --all shows them"]


def _run(run: RunComparison) -> Iterator[str]:
    yield from _wrapped(notation.plain(run.label), "  ", "")
    for change in run.changes:
        name = f"{change.metric.title}{_unit(change.metric.unit)}"
        numbers = f"{value(change.metric, change.before)} -> {value(change.metric, change.after)}"
        judged = f"{growth(change.growth)} {WORDS[change.judgement]}"
        fits = len(numbers) <= _NUMBERS
        yield f"  {name:20} {numbers if fits else '':>{_NUMBERS}} {judged:>{_JUDGED}}"
        if not fits:
            yield f"    {numbers}"
    if note := cycles_note(run):
        yield from _wrapped(note, "    ")
    if run.movement:
        yield from _movement(run)
    if run.note:
        yield from _wrapped(f"no functions and lines: {run.note}", "    ")


def _unit(unit: str) -> str:
    return {"mJ": ", mJ", "bytes": ", bytes"}.get(unit, "")


def _movement(run: RunComparison) -> Iterator[str]:
    movement = run.movement
    assert movement is not None
    for phase in movement.phases:
        yield _row(4, phase)
        for layer in (one for one in movement.layers if one.names[0] == phase.names[0]):
            yield _row(6, layer)
            functions = [one for one in movement.functions if one.names[:2] == layer.names]
            for function in functions[:_FUNCTIONS]:
                yield _row(8, function)
    if movement.lines and not movement.texts_known:
        yield "    the sources of one side are not kept: lines are matched by number"


def _row(indent: int, moved: Moved) -> str:
    numbers = f"{signed(moved.delta):>12} {growth_of(moved.before, moved.after):>10}"
    room = WIDTH - indent - len(numbers) - 2
    return f"{'':{indent}}{_cut(moved.names[-1], room):{room}}  {numbers}"
