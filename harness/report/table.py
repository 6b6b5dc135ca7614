"""The table of a suite in the terminal, and as plain text."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.report import notation
from harness.report.suite import TRADEOFFS, Suite, column_title
from harness.result import Document

_WIDEST = 100_000
_LEGEND_WIDTH = 100


@dataclass(frozen=True)
class _Column:
    title: str
    kind: str
    text: Callable[[Suite, int], str]
    """What stands in the row of a group with finished runs."""
    keep: int
    """Columns go from the lowest number on when the terminal is too narrow."""


def _exact(title: str, keep: int, column: str, form: Callable[[float], str]) -> _Column:
    return _Column(title, "exact", lambda suite, group: _spread(suite, group, column, form), keep)


def _spread(suite: Suite, group: int, column: str, form: Callable[[float], str]) -> str:
    return notation.spread(suite.mean(group, column), suite.deviation(group, column), form)


def _estimate(
    title: str,
    column: str,
    keep: int,
    form: Callable[[float], str] = notation.significant,
    ranged: Callable[[float, float, float], str] = notation.ranged,
) -> _Column:
    def text(suite: Suite, group: int) -> str:
        if suite.deviation(group, column):
            return f"≈ {_spread(suite, group, column, form)}"
        return f"≈ {ranged(*(suite.mean(group, f'{column}{part}') for part in ('', '_low', '_high')))}"

    return _Column(title, "estimate", text, keep)


def _accuracy(suite: Suite, group: int) -> str:
    several = len(suite.groups[group].finished) > 1
    return _spread(suite, group, "accuracy_test", lambda share: notation.percent(share, 2 if several else 1))


def _ram(suite: Suite, group: int) -> str:
    used, budget = suite.mean(group, "ram_bytes"), suite.mean(group, "ram_budget_bytes")
    text = notation.kib(used)
    return f"{text} ({notation.percent(used / budget, 0)})" if budget else text


_DEPLOYED = _exact("as deployed", 9, "accuracy_deployed", notation.percent)
_COLUMNS = (
    _Column("accuracy", "exact", _accuracy, 9),
    _exact("instr/step", 8, "instructions_per_step", notation.count),
    _estimate("cycles/step", "cycles_per_step", 3, notation.prefixed, notation.ranged_prefixed),
    _estimate("ms/step", "time_ms_per_step", 7),
    _estimate("mJ/step", "energy_mj_per_step", 5),
    _Column("RAM (of budget)", "exact", _ram, 6),
    _exact("flash", 2, "flash_bytes", notation.kib),
    _exact("stack peak", 1, "stack_peak_bytes", lambda size: f"{notation.count(size)} B"),
)


def _table(suite: Suite, columns: Sequence[_Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in suite.telling or ("run",):
        table.add_column(Text(column_title(name), style="bold"), no_wrap=True, vertical="bottom")
    if suite.has_seeds:
        table.add_column(Text("seeds", style="bold"), justify="right", no_wrap=True, vertical="bottom")
    for column in columns:
        style = "italic" if column.kind == "estimate" else ""
        title = Text.assemble((column.title, "bold"), "\n", (column.kind, f"dim {style}"))
        table.add_column(title, justify="right", no_wrap=True, style=style)
    table.add_column(Text("front", style="bold"), no_wrap=True)
    notes = {index: number for number, index in enumerate(suite.failed_indices, 1)}
    for number, group in enumerate(suite.groups):
        first = group.indices[0]
        names = [suite.setting(first, name) for name in suite.telling] or [suite.group_label(number)]
        failures = "".join(f"[{notes[index]}]" for index in group.indices if index in notes)
        if suite.has_seeds:
            of_all = f" of {len(group.indices)} {failures}" if failures else ""
            names.append(f"{len(group.finished)}{of_all}")
        if not group.finished:
            results = [f"failed {failures}", *("-" for _ in columns[1:])]
            table.add_row(*(Text(text) for text in (*names, *results, "")), style="red")
            continue
        marks = suite.marks(group.finished[0])
        results = [column.text(suite, number) for column in columns]
        table.add_row(*(Text(text) for text in (*names, *results, marks)), style="bold green" if marks else "")
    return table


def _fitting(suite: Suite, console: Console, width: int) -> tuple[Table, list[_Column]]:
    """Return the table without the columns, least wanted first, that `width` has no room for, and these columns."""
    shown, dropped = list(_COLUMNS), []
    if suite.adapts:
        shown.insert(1, _DEPLOYED)
    table = _table(suite, shown)
    while len(shown) > 1 and Measurement.get(console, console.options.update(width=_WIDEST), table).maximum > width:
        least = min(shown, key=lambda column: column.keep)
        shown.remove(least)
        dropped.append(least)
        table = _table(suite, shown)
    return table, dropped


def _heading(suite: Suite) -> Text:
    common = [f"{column_title(name)} {value}" for name, value in suite.common.items()]
    runs = f"{len(suite.documents)} run{'' if len(suite.documents) == 1 else 's'}"
    return Text.assemble((suite.names, "bold"), f": {', '.join([runs, *common])}")


def _legend(suite: Suite, dropped: Sequence[_Column]) -> list[Text]:
    lines = []
    if suite.ok:
        time, cycles = suite.model_line("time_ms_per_step"), suite.model_line("cycles_per_step")
        both = f"cycles and time: {cycles}" if time == cycles else f"cycles: {cycles}; time: {time}"
        lines += [
            Text("exact: accuracy, instructions, RAM, flash, stack peak"),
            Text(f"≈ estimate: {both}; energy: {suite.model_line('energy_mj_per_step')}"),
            Text(
                "front: no other run on the data set is as accurate for less "
                + ", ".join(f"{one.title} ({one.letter})" for one in TRADEOFFS)
            ),
        ]
    if any(document.sampling for document in suite.ok):
        lines.append(
            Text(
                "sampled: instructions, cycles, time and energy are means over whole trainings, from samples; their "
                "95 % confidence intervals are in results.csv"
            )
        )
    if suite.has_seeds:
        lines.append(
            Text(
                "seeds: a row is the mean over runs that differ only in training.seed, ± their sample deviation; "
                "each run by itself is in results.csv"
            )
        )
    if dropped:
        names = ", ".join(column.title for column in dropped)
        lines.append(Text(f"too narrow for: {names} (all in results.csv)"))
    lines = [Text.assemble((line.plain, "dim")) for line in lines]
    for number, document in enumerate(suite.failed, 1):
        reason = notation.lines(document.reason or "").replace("\n", "\n    ")
        lines.append(Text(f"[{number}] {notation.plain(document.run.label or document.run.id)}: {reason}", style="red"))
    return lines


def result_table(documents: Sequence[Document], console: Console, width: int) -> RenderableType:
    """Return the table of `documents` for `console`, at most `width` characters wide as far as that can be.

    Shows what varies between the runs, the results, the runs on a Pareto front, which numbers are exact and which
    estimates (with model and error), and why a run failed.
    """
    if not documents:
        return Text("no runs")
    suite = Suite(documents)
    table, dropped = _fitting(suite, console, width)
    return Group(_heading(suite), Text(), table, Text(), *_legend(suite, dropped))


def table_text(documents: Sequence[Document], width: int | None = None) -> str:
    """Return the table of `documents` as plain text: at most `width` characters wide, or with all its columns."""
    console = Console(file=io.StringIO(), width=_WIDEST, color_system=None, force_terminal=False, highlight=False)
    table = result_table(documents, console, width or _WIDEST)
    if not isinstance(table, Group):
        return f"{table}\n"
    with console.capture() as capture:
        for part in table.renderables:
            limit = width or (_WIDEST if isinstance(part, Table) else _LEGEND_WIDTH)
            console.print(part, width=limit)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def print_table(console: Console, documents: Sequence[Document]) -> None:
    """Print the table of `documents`: coloured and as wide as the terminal, or plain with all columns elsewhere."""
    if console.is_terminal:
        console.print(result_table(documents, console, console.width))
    else:
        console.print(Text(table_text(documents)), soft_wrap=True, end="")
