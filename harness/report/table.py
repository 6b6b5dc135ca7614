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
from harness.result import Document, Estimate

_WIDEST = 100_000
_LEGEND_WIDTH = 100


@dataclass(frozen=True)
class _Column:
    title: str
    kind: str
    text: Callable[[Document], str]
    keep: int
    """Columns go from the lowest number on when the terminal is too narrow."""


def _exact(title: str, keep: int, text: Callable[[Document], str]) -> _Column:
    return _Column(title, "exact", text, keep)


def _estimate(
    title: str, column: str, keep: int, form: Callable[[float, float, float], str] = notation.ranged
) -> _Column:
    def text(document: Document) -> str:
        estimate: Estimate = getattr(document.estimates, column)
        return f"≈ {form(estimate.value, estimate.low, estimate.high)}"

    return _Column(title, "estimate", text, keep)


def _accuracy(document: Document) -> str:
    assert document.accuracy is not None
    return notation.percent(document.accuracy.test)


def _instructions(document: Document) -> str:
    assert document.counts is not None
    return notation.count(document.counts.instructions_per_step)


def _ram(document: Document) -> str:
    memory = document.memory
    assert memory is not None
    used = notation.kib(memory.ram_bytes)
    if not memory.ram_budget_bytes:
        return used
    return f"{used} ({notation.percent(memory.ram_bytes / memory.ram_budget_bytes, 0)})"


def _flash(document: Document) -> str:
    assert document.memory is not None
    return notation.kib(document.memory.flash_bytes)


def _stack(document: Document) -> str:
    assert document.memory is not None
    return f"{notation.count(document.memory.stack_peak_bytes)} B"


_COLUMNS = (
    _exact("accuracy", 9, _accuracy),
    _exact("instr/step", 8, _instructions),
    _estimate("cycles/step", "cycles_per_step", 3, notation.ranged_prefixed),
    _estimate("ms/step", "time_ms_per_step", 7),
    _estimate("mJ/step", "energy_mj_per_step", 5),
    _exact("RAM (of budget)", 6, _ram),
    _exact("flash", 2, _flash),
    _exact("stack peak", 1, _stack),
)


def _table(suite: Suite, columns: Sequence[_Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in suite.varying or ("run",):
        table.add_column(Text(column_title(name), style="bold"), no_wrap=True, vertical="bottom")
    for column in columns:
        style = "italic" if column.kind == "estimate" else ""
        title = Text.assemble((column.title, "bold"), "\n", (column.kind, f"dim {style}"))
        table.add_column(title, justify="right", no_wrap=True, style=style)
    table.add_column(Text("front", style="bold"), no_wrap=True)
    failures = 0
    for index, document in enumerate(suite.documents):
        names = [suite.setting(index, name) for name in suite.varying] or [suite.label(index)]
        if document.status == "failed":
            failures += 1
            results = [f"failed [{failures}]", *("-" for _ in columns[1:])]
            table.add_row(*(Text(text) for text in (*names, *results, "")), style="red")
            continue
        marks = suite.marks(index)
        results = [column.text(document) for column in columns]
        table.add_row(*(Text(text) for text in (*names, *results, marks)), style="bold green" if marks else "")
    return table


def _fitting(suite: Suite, console: Console, width: int) -> tuple[Table, list[_Column]]:
    """Return the table without the columns, least wanted first, that `width` has no room for, and these columns."""
    shown, dropped = list(_COLUMNS), []
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
