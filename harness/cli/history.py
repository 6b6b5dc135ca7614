"""`harness history` and `harness baseline`: what the history holds, and what the next night is held against."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import InputError, nearest

if TYPE_CHECKING:
    from harness.history import Series

HISTORY = Path("out/history")

HistoryOption = Annotated[Path, typer.Option("--history", help="Folder of the history.")]
SuiteOption = Annotated[str | None, typer.Option("--suite", help="Only results of this suite.")]

baseline_app = typer.Typer(no_args_is_help=True, help="Choose what `harness nightly` holds results against.")


def history(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="Scenario, or label of a run; all of them if not given.")
    ] = None,
    metric: Annotated[
        str | None, typer.Argument(metavar="[METRIC]", help="One metric; all of them if not given.")
    ] = None,
    folder: HistoryOption = HISTORY,
    suite: SuiteOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the stored result sets, or how the metrics of a scenario went; changes are marked."""
    from harness.history import History
    from harness.report.history_text import series_text, sets_text
    from harness.verdict import METRICS

    if metric is not None and metric not in METRICS:
        raise InputError(f"METRIC: unknown metric '{metric}'; {nearest(metric, METRICS)}")
    store = History(folder)
    sets = store.sets(suite)
    if not sets:
        raise InputError(
            f"{store.path}: holds no results{f' of {suite}' if suite else ''}; store some with: harness nightly"
        )
    if scenario is None and not as_json:
        typer.echo(sets_text(sets), nl=False)
        return
    metrics = [METRICS[metric]] if metric else list(METRICS.values())
    series = store.series(scenario, metrics, suite)
    if not series:
        known = dict.fromkeys(name for one in store.series(suite=suite) for name in (one.scenario, one.label))
        raise InputError(f"SCENARIO: no run of '{scenario}' in the history; {nearest(scenario or '', known)}")
    typer.echo(json.dumps(_document(series), indent=1) if as_json else series_text(series), nl=as_json)


def _document(series: list[Series]) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "series": [
            {
                "scenario": one.scenario,
                "label": one.label,
                "metric": one.metric.name,
                "exact": one.metric.exact,
                "points": [asdict(point) for point in one.points],
            }
            for one in series
        ]
    }


@baseline_app.command("set")
def set_baseline(
    commit: Annotated[
        str, typer.Argument(metavar="[COMMIT]", help="Commit, branch, tag, #NUMBER of a result set, or last.")
    ] = "last",
    folder: HistoryOption = HISTORY,
    suite: SuiteOption = None,
) -> None:
    """Hold the results of the next nights against those of COMMIT."""
    from harness.history import History

    store = History(folder)
    stored = store.find(commit, suite)
    store.set_baseline(stored)
    typer.echo(f"baseline of {stored.suite}: #{stored.id}, {stored.name}, {stored.date}")
