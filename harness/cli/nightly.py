"""`harness nightly`: run the suite, store the results, and hold them against the baseline or the night before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.compare import ThresholdsOption
from harness.cli.history import HISTORY, HistoryOption
from harness.errors import EXIT_FAILURE, EXIT_REGRESSION

if TYPE_CHECKING:
    from harness.history import History, StoredSet

SUITE = "scenarios/nightly"
OUTPUT = Path("out/nightly")


def nightly(
    suite: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE]... [-- OPTIONS]",
            help=f"Scenario files, folders or patterns, {SUITE} if not given; behind -- options of harness run.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results, report and verdict.")] = OUTPUT,
    folder: HistoryOption = HISTORY,
    thresholds: ThresholdsOption = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Commit, #NUMBER, last or baseline; the baseline if one is set, else last."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the suite in the history.")] = None,
) -> None:
    """Run a suite, store its results in the history, and say what is worse than before.

    The verdict goes to the terminal and, as text, Markdown, HTML with trends, JSON, JUnit XML and BMF, to the output
    folder. The exit status is 1 for a regression, else 3 when a run failed.
    """
    from harness.checkout.process import run_suite_process
    from harness.cli.verdict_files import write_verdict
    from harness.history import History
    from harness.report.verdict_text import verdict_text
    from harness.verdict import compare, default_thresholds, read_result_set, read_thresholds

    limits = read_thresholds(thresholds or default_thresholds())
    places, options = _divided(suite or [])
    called = name or "+".join(Path(place).stem for place in places or [SUITE])
    history = History(folder)
    earlier = _earlier(history, called, against)
    well = run_suite_process([*(places or [SUITE]), *options], output)
    results = read_result_set(output)
    number = history.add(called, results)
    typer.echo(f"stored as #{number} of {called} in {history.path}")
    if earlier is None:
        typer.echo("nothing to hold it against yet; the next night is held against this one")
    else:
        comparison = compare(history.load(earlier), history.load(history.find(f"#{number}", called)), limits)
        write_verdict(output, comparison, history.series(suite=called))
        typer.echo(f"\n{verdict_text(comparison)}\nverdict: {output / 'verdict.html'}")
        if comparison.regressed:
            raise typer.Exit(EXIT_REGRESSION)
    if not well:
        raise typer.Exit(EXIT_FAILURE)


def _divided(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the suites, and from the first option on what is for `harness run`."""
    first = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    return words[:first], words[first:]


def _earlier(history: History, suite: str, against: str | None) -> StoredSet | None:
    """Return what to hold the night against; None in the first night."""
    if against is not None:
        return history.find(against, suite)
    sets = history.sets(suite)
    baselines = [one for one in sets if one.is_baseline]
    return next(iter(baselines or sets[::-1]), None)
