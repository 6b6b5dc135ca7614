"""What a verdict says, gathered for every form of it: what moved in many runs stands there once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.report import notation
from harness.verdict import AccuracyComparison, Comparison, Metric, RunComparison
from harness.verdict.cause import Cause
from harness.verdict.movement import Moved, MovedLine
from harness.verdict.result_set import ResultSet
from harness.verdict.size import MovedBytes

WORDS = {"regression": "WORSE", "improvement": "better", "tolerated": "tolerated"}


@dataclass(frozen=True)
class LineOfRuns:
    """A source line that moved in `runs` runs; `line` is that of the run in which it moved most, called `label`."""

    line: MovedLine
    label: str
    runs: int


@dataclass(frozen=True)
class BytesOfRuns:
    """Bytes that moved in `runs` runs; `part` is that of the run in which they moved most, called `label`."""

    part: MovedBytes
    label: str
    runs: int


def headline(comparison: Comparison) -> str:
    """Return the verdict in one line."""
    total = sum(run.after is not None for run in comparison.runs)
    worse = len(comparison.worse)
    less_accurate = sum(one.change.judgement == "regression" for one in comparison.accuracies)
    if comparison.regressed:
        parts = [f"{worse} of {_runs(total)} worse"] if worse else []
        parts += [f"accuracy worse in {less_accurate} {'group' if less_accurate == 1 else 'groups'}"] * bool(
            less_accurate
        )
        return f"REGRESSION: {', '.join(parts)}"
    better = sum(run.improved for run in comparison.runs)
    moved = sum(bool(run.changes) for run in comparison.runs) - better
    parts = [f"{better} better"] * bool(better) + [f"{moved} changed within the limits"] * bool(moved > 0)
    return f"no regression: {_runs(total)}" + (f", {', '.join(parts)}" if parts else ", nothing moved")


def _runs(number: int) -> str:
    return f"{number} run" if number == 1 else f"{number} runs"


def side(results: ResultSet) -> str:
    """Return what one side of a comparison is: commit, date and where it comes from."""
    commit = results.commit[:10] if results.commit else "commit not known"
    return f"{commit}{' + changes' if results.dirty else ''}  {results.date}  {notation.plain(results.name)}"


def all_causes(comparison: Comparison) -> list[tuple[Cause, int]]:
    """Return what else differs than the firmware, and in how many runs; what differs in most comes first."""
    counts: Counter[Cause] = Counter(cause for run in comparison.runs for cause in run.causes)
    return list(counts.items())


def all_sources(comparison: Comparison) -> list[str]:
    """Return the sources of the firmware that differ in some run."""
    return list(dict.fromkeys(name for run in comparison.runs for name in run.sources))


def all_lines(comparison: Comparison) -> list[LineOfRuns]:
    """Return the source lines that moved, those that grew most first; a line counts by the run it moved most in."""
    best: dict[tuple[str, str], tuple[MovedLine, str]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for run in comparison.runs:
        for line in run.movement.lines if run.movement else ():
            key = (line.place, line.function)
            counts[key] += 1
            if key not in best or abs(line.delta) > abs(best[key][0].delta):
                best[key] = (line, run.label)
    found = [LineOfRuns(line, label, counts[key]) for key, (line, label) in best.items()]
    # Of lines that grew by the same, as the body of a loop that grew, one that was written anew comes first.
    return sorted(found, key=lambda entry: (-entry.line.delta, not entry.line.rewritten, entry.line.place))


def grown_and_shrunk(comparison: Comparison) -> tuple[list[LineOfRuns], list[LineOfRuns]]:
    """Return the lines that grew, the most first, and those that shrank, the most first."""
    lines = all_lines(comparison)
    return [one for one in lines if one.line.delta > 0], [one for one in reversed(lines) if one.line.delta < 0]


def culprits(comparison: Comparison) -> list[str]:
    """Name the line that grew most, and that of those written anew if it is another one, for who reads no further.

    Empty when nothing is worse or no line is known.
    """
    grown, _ = grown_and_shrunk(comparison)
    if not comparison.regressed or not grown:
        return []
    anew = next((entry for entry in grown if entry.line.rewritten), None)
    found = [f"most at {_at(grown[0].line)}"]
    return found + ([f"of the lines written anew, most at {_at(anew.line)}"] if anew and anew != grown[0] else [])


def _at(line: MovedLine) -> str:
    return f"{line.place}, {line.function}, {where(line.where[0])}: {signed(line.delta)} instructions a step"


def all_bytes(comparison: Comparison) -> list[BytesOfRuns]:
    """Return the bytes of RAM, flash and stack that moved, those that grew most first."""
    best: dict[tuple[str, str, str], tuple[MovedBytes, str]] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for run in comparison.runs:
        for part in (*run.sizes, *run.frames):
            key = (part.area, part.part, part.name)
            counts[key] += 1
            if key not in best or abs(part.delta) > abs(best[key][0].delta):
                best[key] = (part, run.label)
    found = [BytesOfRuns(part, label, counts[key]) for key, (part, label) in best.items()]
    return sorted(found, key=lambda entry: (entry.part.area, -entry.part.delta, entry.part.name))


def value(metric: Metric, number: float) -> str:
    """Return a number of a metric; estimates carry their sign."""
    if metric.unit == "share":
        return notation.percent(number, 2)
    if metric.unit == "mJ":
        return f"≈ {notation.significant(number, 4)}"
    return notation.count(number) if metric.exact else f"≈ {notation.count(number)}"


def difference(metric: Metric, delta: float) -> str:
    """Return a difference with its sign: `+1,234`, `-0.5 points`."""
    if metric.unit == "share":
        return f"{delta * 100:+.2f} points"
    return f"{'+' if delta >= 0 else '-'}{value(metric, abs(delta)).removeprefix('≈ ')}"


def signed(delta: float) -> str:
    """Return a difference of counts: `+1,234`; `+0.25` when it is less than ten."""
    return f"{delta:+,.0f}" if abs(delta) >= 10 else f"{delta:+,.3g}"


def growth(share: float | None) -> str:
    """Return a growth in per cent: `+1.2 %`; `new` when there was nothing before."""
    if share is None:
        return "new"
    form = "+.1f" if 0.001 <= abs(share) < 100 else "+.2g"
    return f"{share * 100:{form}} %"


def growth_of(before: float, after: float) -> str:
    """Return the growth from one number to another."""
    return growth((after - before) / before if before else None)


def where(moved: Moved) -> str:
    """Return the names of a place: `forward, 1 max_pool2d`."""
    return ", ".join(moved.names)


def remark(line: MovedLine) -> str:
    """Say what became of the text of a line: new, rewritten, gone; where it stood before."""
    if line.gone:
        return "gone"
    if line.rewritten:
        return f"rewritten, was {line.earlier or line.place}" if line.before else "new"
    return f"was {line.earlier}" if line.earlier else ""


def cycles_note(run: RunComparison) -> str:
    """Say how much of a change of cycles comes from the code, when the model changed as well."""
    change = next((one for one in run.changes if one.metric.name == "cycles_per_step"), None)
    if change is None or run.cycles_by_code is None:
        return ""
    by_model = change.delta - run.cycles_by_code
    return f"of the cycles, {signed(by_model)} come from the model and {signed(run.cycles_by_code)} from the code"


def states(comparison: Comparison) -> dict[str, list[str]]:
    """Return the labels of runs that are not simply compared, by what became of them, with their reason."""
    found: dict[str, list[str]] = {}
    for run in comparison.runs:
        if run.state != "compared":
            reason = f": {run.document.reason}" if run.state in ("broken", "failing") and run.document.reason else ""
            found.setdefault(run.state, []).append(f"{run.label}{reason}")
    return found


def ranked(comparison: Comparison) -> list[RunComparison]:
    """Return the runs in which something moved: the worse before the better, the most moved first."""

    def key(run: RunComparison) -> tuple[int, float, str]:
        grown = max((abs(change.growth or 0.0) for change in run.changes), default=0.0)
        return (0 if run.regressed else 1, -grown, run.label)

    return sorted((run for run in comparison.runs if run.changes), key=key)


def accuracy_label(one: AccuracyComparison) -> str:
    """Return what a group of seeds is called."""
    return one.label if len(one.seeds) == 1 else f"{one.label}, {len(one.seeds)} seeds"
