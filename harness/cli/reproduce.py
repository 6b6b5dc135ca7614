"""`harness reproduce`: the figures of the paper beside ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import EXIT_FAILURE, InputError

OUTPUT = Path("out")


def _complete(incomplete: str) -> list[str]:
    from harness.reproduction.catalogue import ALL, FIGURES

    return [name for name in (ALL, *(figure.name for figure in FIGURES)) if name.startswith(incomplete)]


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIGURE...|all", help="Figures to make.", show_default=False, autocompletion=_complete),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the figures with their runs; make none.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="One seed, few epochs and samples: shows that it draws, settles nothing.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for page, figures and tables; out/reproduce[-quick].")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, max=256, help="Runs at a time; 0: one a processor.")] = 0,
) -> None:
    """Make figures of the paper again, side by side with the published ones, with a verdict on each trend.

    The runs go through the cache: after Ctrl-C, the same command goes on where it was. The exit status is 3 when a run
    failed; a trend that is not reproduced is a result, not a failure.
    """
    from harness.reproduction.catalogue import ALL, FIGURES, chosen
    from harness.reproduction.scenarios import runs_of

    figures = chosen(names or [ALL] if listed else names or [])
    if not figures:
        known = ", ".join((*(figure.name for figure in FIGURES), ALL))
        raise InputError(f"harness reproduce: no figure is named; expected one of: {known}")
    if listed:
        for figure in figures:
            runs = runs_of([figure], quick=quick)
            missing = f", {len(runs.missing)} scenarios without data" if runs.missing else ""
            typer.echo(f"{figure.name:<10} {figure.title} ({len(runs.scenarios)} runs{missing})")
        return
    # Slow imports come after the names are known to be good.
    from harness.cli.progress import make_progress
    from harness.cli.run import make_writable, stop_on_termination
    from harness.pipeline.suite import Suite
    from harness.reproduction.making import made_by
    from harness.reproduction.reproduction import evaluate, write_reproduction
    from harness.reproduction.table import trend_cells
    from harness.result import write_results

    folder = output or OUTPUT / ("reproduce-quick" if quick else "reproduce")
    runs = runs_of(figures, quick=quick)
    suite = Suite(runs.scenarios)
    make_writable(folder)
    stop_on_termination()
    with make_progress(len(runs.scenarios)) as progress:
        documents = suite.run(progress, jobs or len(os.sched_getaffinity(0)), folder / "runs")
    write_results(folder / "runs", documents)
    command = " ".join(["harness reproduce", *(names or []), *(["--quick"] if quick else [])])
    outcomes = evaluate(figures, documents, runs.missing)
    made = made_by(command, documents, runs.missing, quick=quick)
    page = write_reproduction(folder, outcomes, made)
    for outcome in outcomes:
        typer.echo(outcome.title)
        for trend in outcome.trends:
            statement, criterion, verdict = trend_cells(trend, settled=not quick)
            typer.echo(f"  {statement}: {verdict}; criterion: {criterion}")
    for line in (*([made.warning] if quick else []), *(f"not run: {text}" for text in made.missing)):
        typer.echo(line)
    typer.echo(f"page: {page}")
    suite.keep_cache_small()
    if made.failed:
        raise typer.Exit(EXIT_FAILURE)
