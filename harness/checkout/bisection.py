"""The commit that moved a metric, found by halving the commits between a good and a bad one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checkout.process import run_suite_process
from harness.checkout.worktree import checked_out
from harness.errors import HarnessError, InputError, nearest
from harness.result.store import DOCUMENTS
from harness.verdict.commits import Commit
from harness.verdict.metric import Metric

_LINES_OF_REASON = 1


@dataclass(frozen=True)
class Probe:
    """What a commit came to: the metric of each run by its label, or why there is none."""

    commit: Commit
    folder: Path
    values: dict[str, float]
    reason: str = ""


@dataclass(frozen=True)
class Bisection:
    """Where a metric of one run moved: between `last_good` and `first_bad`; `untested` commits between cannot tell."""

    run: str
    good: float
    bad: float
    last_good: Probe
    first_bad: Probe
    untested: tuple[Probe, ...]
    probes: tuple[Probe, ...]

    @property
    def share(self) -> float:
        """Return how much of the whole difference is between these two commits."""
        return (self.first_bad.values[self.run] - self.last_good.values[self.run]) / (self.bad - self.good)


def probe(repository: Path, commit: Commit, scenario: Path, metric: Metric, output: Path) -> Probe:
    """Run `scenario` with the harness and the firmware of `commit`, into `output`.

    A commit that does not run, refuses the scenario or lacks the metric has no values and a reason.
    """
    try:
        with checked_out(repository, commit.hash) as folder:
            run_suite_process([str(scenario.resolve())], output, folder, quiet=True)
        values = read_values(output, metric)
    except HarnessError as error:
        return Probe(commit, output, {}, " ".join(str(error).splitlines()[-_LINES_OF_REASON:]))
    return Probe(commit, output, values, "" if values else f"its results have no {metric.name}")


def read_values(folder: Path, metric: Metric) -> dict[str, float]:
    """Return the metric of each finished run in results.json of any version. Raises InputError when it is none."""
    path = folder / DOCUMENTS
    try:
        entries = json.loads(path.read_bytes())["documents"]
        found = {entry["run"].get("label") or entry["run"]["id"]: metric.of_json(entry) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no results that can be read: {error}") from error
    return {label: value for label, value in found.items() if value is not None}


def bisect(commits: Sequence[Commit], measure: Callable[[Commit], Probe], wanted: str | None = None) -> Bisection:
    """Find where the metric of a run moved; `commits` go from the good one to the bad one, both included.

    `wanted` is the label of the run; without it the one that differs most is taken. A commit is bad when its value is
    nearer to that of the bad end. Raises InputError when the ends cannot be measured or do not differ.
    """
    probes = {0: measure(commits[0]), len(commits) - 1: measure(commits[-1])}
    good, bad = probes[0], probes[len(commits) - 1]
    for end in (good, bad):
        if not end.values:
            raise InputError(f"{end.commit}: cannot be measured: {end.reason}")
    run = _run(good, bad, wanted)
    low, high = 0, len(commits) - 1
    good_value, bad_value = good.values[run], bad.values[run]
    while True:
        left = [index for index in range(low + 1, high) if index not in probes]
        if not left:
            break
        middle = min(left, key=lambda index: abs(2 * index - low - high))
        found = probes[middle] = measure(commits[middle])
        value = found.values.get(run)
        if value is None:
            continue
        if abs(value - bad_value) < abs(value - good_value):
            high = middle
        else:
            low = middle
    return Bisection(
        run,
        good_value,
        bad_value,
        probes[low],
        probes[high],
        tuple(probes[index] for index in range(low + 1, high)),
        tuple(probes[index] for index in sorted(probes)),
    )


def _run(good: Probe, bad: Probe, wanted: str | None) -> str:
    common = [label for label in good.values if label in bad.values]
    if wanted is not None and wanted not in common:
        raise InputError(f"--run {wanted}: no run of that label at both commits; {nearest(wanted, common)}")
    if not common:
        raise InputError(f"{good.commit} and {bad.commit} have no run in common")
    run = wanted or max(common, key=lambda label: abs(bad.values[label] - good.values[label]))
    if good.values[run] == bad.values[run]:
        raise InputError(f"{run}: is {good.values[run]:,.10g} at {good.commit} and at {bad.commit}: nothing to find")
    return run
