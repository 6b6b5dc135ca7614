"""`harness compare`: what is worse than it was, by how much, and which source line it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.history import HISTORY, HistoryOption, SuiteOption
from harness.errors import EXIT_REGRESSION

if TYPE_CHECKING:
    from harness.verdict import ResultSet

_SIDE = "Folder or results.json of `harness run`; or of the history: a commit, branch, tag, #NUMBER, last or baseline."

ThresholdsOption = Annotated[
    Path | None,
    typer.Option("--thresholds", help="What counts as a regression (YAML); the project's own if not given."),
]


def result_set(name: str, folder: Path, suite: str | None) -> ResultSet:
    """Return the results that a name means: a path, when there is one of that name, or else those of the history."""
    from harness.history import History
    from harness.verdict import read_result_set

    if Path(name).exists():
        return read_result_set(Path(name))
    history = History(folder)
    return history.load(history.find(name, suite))


def compare(
    before: Annotated[str, typer.Argument(metavar="[BEFORE]", help=_SIDE)] = "baseline",
    after: Annotated[str, typer.Argument(metavar="[AFTER]", help="The same, later.")] = "last",
    thresholds: ThresholdsOption = None,
    folder: HistoryOption = HISTORY,
    suite: SuiteOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the verdict as text, Markdown, HTML, JSON, JUnit XML and BMF."),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Leave nothing out of the lists.")] = False,
) -> None:
    """Hold results against earlier ones: instructions, cycles, energy, memory, accuracy.

    What moved is named by scenario, phase, layer, function and source line. The exit status is 1 for a regression.
    """
    from harness.cli.verdict_files import write_verdict
    from harness.history import History
    from harness.report.verdict_text import verdict_text
    from harness.verdict import compare as compare_results
    from harness.verdict import default_thresholds, read_thresholds

    limits = read_thresholds(thresholds or default_thresholds())
    comparison = compare_results(result_set(before, folder, suite), result_set(after, folder, suite), limits)
    typer.echo(verdict_text(comparison, 0 if show_all else 8), nl=False)
    if output:
        write_verdict(output, comparison, History(folder).series(suite=suite))
        typer.echo(f"\nverdict: {output / 'verdict.html'}")
    if comparison.regressed:
        raise typer.Exit(EXIT_REGRESSION)
