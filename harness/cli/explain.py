"""`harness explain`: where the cycles and the memory of a run go."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

if TYPE_CHECKING:
    from harness.explanation.breakdown import By, Scope
    from harness.explanation.stored_run import StoredRun

PICTURES = "explain"


class Grouping(StrEnum):
    """What `--by` takes."""

    PHASE = "phase"
    LAYER = "layer"
    FUNCTION = "function"
    INLINED = "inlined"
    LINE = "line"


def explain(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Output folder of `harness run`, its results.json, or a scenario that was run.",
            show_default=False,
        ),
    ],
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Label or id of a run, or words of its label; not needed for one run."),
    ] = None,
    by: Annotated[Grouping | None, typer.Option("--by", help="Show this table of cycles only.")] = None,
    top: Annotated[int, typer.Option("--top", "-n", min=0, help="Rows of a table; 0: all.")] = 12,
    phase: Annotated[str | None, typer.Option("--phase", help="Look at one phase only.")] = None,
    layer: Annotated[str | None, typer.Option("--layer", help="Look at one layer only: its number or name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object instead of tables.")] = False,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", help="Folder for the pictures; FOLDER/explain/RUN when not given."),
    ] = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="Draw no pictures.")] = False,
    collapsed: Annotated[
        Path | None, typer.Option("--collapsed", help="File for collapsed stacks: exact instructions.")
    ] = None,
    collapsed_cycles: Annotated[
        Path | None, typer.Option("--collapsed-cycles", help="File for collapsed stacks: estimated cycles.")
    ] = None,
    perfetto: Annotated[
        Path | None, typer.Option("--perfetto", help="File for a timeline of a mean step (trace events, JSON).")
    ] = None,
) -> None:
    """Say where the cycles and the memory of a run go, without emulating it again.

    Tables go to the terminal, pictures to FOLDER/explain/RUN. Collapsed stacks are for flamegraph.pl and speedscope,
    the timeline for ui.perfetto.dev.
    """
    from harness.cli.run import results_folder
    from harness.explanation.breakdown import By, scope_of
    from harness.explanation.stored_run import StoredRun, select_run
    from harness.result import read_results

    folder = results_folder(folder)
    documents = read_results(folder)
    base = folder if folder.is_dir() else folder.parent
    stored = StoredRun(select_run(base, documents, run), base)
    scope = scope_of(stored, phase, layer)
    _export(stored, scope, collapsed, collapsed_cycles, perfetto)
    tables: list[By] = [by.value] if by else [name for name in get_args(By) if name != "inlined"]

    from harness.report.explanation import explanation_json, explanation_text

    if as_json:
        typer.echo(json.dumps(explanation_json(stored, scope, tables, top), indent=1, ensure_ascii=False))
        return
    whole = by is None and phase is None and layer is None
    typer.echo(explanation_text(stored, scope, tables, top, memory=whole), nl=False)
    if whole and not text_only:
        from harness.report.drawn import write_plots
        from harness.report.plot import explanation_plots

        target = pictures or base / PICTURES / stored.document.run.id
        write_plots(target, explanation_plots(stored))
        typer.echo(f"pictures: {target}")


def _export(
    run: StoredRun, scope: Scope, collapsed: Path | None, collapsed_cycles: Path | None, perfetto: Path | None
) -> None:
    from harness.assets import write_atomically
    from harness.explanation import collapsed as stacks
    from harness.explanation.timeline import timeline

    if collapsed:
        write_atomically(collapsed, stacks.collapsed_stacks(run, scope).encode())
    if collapsed_cycles:
        write_atomically(collapsed_cycles, stacks.collapsed_cycles(run, scope).encode())
    if perfetto:
        write_atomically(perfetto, (json.dumps(timeline(run), indent=1) + "\n").encode())
