"""`harness bisect`: the commit that moved a metric, and what moved in it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.compare import ThresholdsOption
from harness.errors import InputError, nearest

if TYPE_CHECKING:
    from harness.checkout.bisection import Bisection, Probe
    from harness.verdict import Metric, Thresholds
    from harness.verdict.commits import Commit


def bisect(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file, as it stands now.")],
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Such as instructions_per_step.")],
    good: Annotated[str, typer.Argument(metavar="GOOD", help="Commit, branch or tag before the change.")],
    bad: Annotated[str, typer.Argument(metavar="[BAD]", help="Commit, branch or tag after it.")] = "HEAD",
    run: Annotated[
        str | None, typer.Option("--run", help="Label of the run; the one that moved most if not given.")
    ] = None,
    repository: Annotated[
        Path | None, typer.Option("--repository", help="Checkout of the harness; this one if not given.")
    ] = None,
    thresholds: ThresholdsOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the verdict on the commit that was found.")
    ] = None,
) -> None:
    """Find the commit between GOOD and BAD that moved a metric of a scenario.

    Each commit that is tried is checked out into a temporary folder, where its own harness runs the scenario. Commits
    that do not run or refuse the scenario are left out. With merges, that of the main line is found.
    """
    from harness.checkout.bisection import bisect as find
    from harness.checkout.bisection import probe
    from harness.scenario import read_scenarios
    from harness.verdict import METRICS, default_thresholds, read_thresholds
    from harness.verdict.commits import ROOT

    if metric not in METRICS:
        raise InputError(f"METRIC: unknown metric '{metric}'; {nearest(metric, METRICS)}")
    read_scenarios(scenario)
    limits = read_thresholds(thresholds or default_thresholds())
    root = repository or ROOT
    commits = _commits(root, good, bad)
    typer.echo(
        f"{len(commits) - 1} commits between, about {max(1, (len(commits) - 1).bit_length()) + 1} runs", err=True
    )
    with tempfile.TemporaryDirectory(prefix="harness-bisect-") as place:

        def measure(commit: Commit) -> Probe:
            found = probe(root, commit, scenario, METRICS[metric], Path(place) / commit.hash)
            values = ", ".join(f"{value:,.10g}" for value in found.values.values())
            typer.echo(f"  {commit}: {found.reason or values}", err=True)
            return found

        result = find(commits, measure, run)
        _print(result, METRICS[metric])
        _explain(result, limits, output)


def _commits(root: Path, good: str, bad: str) -> list[Commit]:
    """Return the commits of the main line from `good` to `bad`, both included."""
    from harness.verdict.commits import Commit, commits_between, git, resolve

    ends = []
    for name in (good, bad):
        commit = resolve(name, root)
        if commit is None:
            raise InputError(f"{root}: no commit '{name}'; expected a commit, branch or tag of this repository")
        ends.append(commit)
    if git("merge-base", "--is-ancestor", *ends, root=root) is None or ends[0] == ends[1]:
        raise InputError(f"{good} is no ancestor of {bad}; expected the older commit first")
    subject = git("log", "-1", "--format=%s", ends[0], root=root) or ""
    return [Commit(ends[0], subject), *commits_between(ends[0], ends[1], root, first_parent=True)]


def _print(result: Bisection, metric: Metric) -> None:
    from harness.report.verdict import difference, growth_of, value

    before, after = (probe.values[result.run] for probe in (result.last_good, result.first_bad))
    typer.echo(f"first bad commit: {result.first_bad.commit}")
    typer.echo(f"last good commit: {result.last_good.commit}")
    for one in result.untested:
        typer.echo(f"cannot tell:      {one.commit}: {one.reason}")
    typer.echo(
        f"{result.run}: {metric.title}: {value(metric, before)} -> {value(metric, after)}, "
        f"{difference(metric, after - before)} ({growth_of(before, after)})"
    )
    if not 0.999 < result.share < 1.001:
        typer.echo(f"that is {result.share * 100:.0f} % of the whole difference; other commits between moved the rest")


def _explain(result: Bisection, limits: Thresholds, output: Path | None) -> None:
    from harness.cli.verdict_files import write_verdict
    from harness.report.verdict_text import verdict_text
    from harness.verdict import compare, read_result_set

    try:
        before, after = (
            replace(read_result_set(probe.folder), name=probe.commit.subject)
            for probe in (result.last_good, result.first_bad)
        )
        comparison = compare(before, after, limits)
    except InputError as error:
        typer.echo(f"\nwhat moved cannot be told: {error}")
        return
    typer.echo(f"\n{verdict_text(comparison)}", nl=False)
    if output:
        write_verdict(output, comparison, [])
