"""`harness compare`: what is worse than it was, by how much, and which source line it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import EXIT_REGRESSION


def compare(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="Output folder of `harness run`, or its results.json.")
    ],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The same, later.")],
    thresholds: Annotated[
        Path | None,
        typer.Option("--thresholds", help="What counts as a regression (YAML); the project's own if not given."),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Leave nothing out of the lists.")] = False,
) -> None:
    """Hold results against earlier ones: instructions, cycles, energy, memory, accuracy.

    What moved is named by scenario, phase, layer, function and source line. The exit status is 1 for a regression.
    """
    from harness.report.verdict_text import verdict_text
    from harness.verdict import compare as compare_results
    from harness.verdict import default_thresholds, read_result_set, read_thresholds

    limits = read_thresholds(thresholds or default_thresholds())
    comparison = compare_results(read_result_set(before), read_result_set(after), limits)
    typer.echo(verdict_text(comparison, 0 if show_all else 8), nl=False)
    if comparison.regressed:
        raise typer.Exit(EXIT_REGRESSION)
