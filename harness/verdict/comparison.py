"""Two result sets held against each other: what is worse, by how much, and where."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from harness.errors import InputError
from harness.explanation.stored_run import StoredRun
from harness.result import SEED, Document, seed_groups
from harness.result.frame import setting_columns
from harness.trace import STEP_PHASES
from harness.verdict.cause import Cause, causes, changed_sources
from harness.verdict.commits import Commit, commits_between
from harness.verdict.metric import ACCURACY, CYCLES, FLASH, INSTRUCTIONS, METRICS, RAM, STACK, Metric
from harness.verdict.movement import Movement, document_movement, run_movement
from harness.verdict.result_set import Pair, ResultSet, matched
from harness.verdict.significance import drop_evidence
from harness.verdict.size import MovedBytes, document_sizes, run_sizes, stack_frames
from harness.verdict.thresholds import Threshold, Thresholds

Judgement = Literal["regression", "improvement", "tolerated"]

_EQUAL = 1e-12


@dataclass(frozen=True)
class Change:
    """One metric that is not what it was. `reason` says by which limit or test it was judged."""

    metric: Metric
    before: float
    after: float
    judgement: Judgement
    reason: str

    @property
    def delta(self) -> float:
        """Return the difference, in the unit of the metric."""
        return self.after - self.before

    @property
    def growth(self) -> float | None:
        """Return the difference as a share of what it was; None when that was nothing."""
        return self.delta / self.before if self.before else None


@dataclass(frozen=True)
class RunComparison:
    """One run on both sides; `before` is None for a new one and `after` for one that is gone.

    `cycles_by_code` is the part of a change of cycles that remains when both traces are priced by the cycle model of
    this version; None when that was not needed, or the traces are gone. `note` says why details are missing.
    """

    before: Document | None
    after: Document | None
    changes: tuple[Change, ...] = ()
    causes: tuple[Cause, ...] = ()
    sources: tuple[str, ...] = ()
    movement: Movement | None = None
    sizes: tuple[MovedBytes, ...] = ()
    frames: tuple[MovedBytes, ...] = ()
    cycles_by_code: float | None = None
    note: str = ""

    @property
    def document(self) -> Document:
        """Return the run as it is now, or as it was when it is gone."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def label(self) -> str:
        """Return what people call it."""
        return self.document.run.label or self.document.run.id

    @property
    def state(self) -> Literal["compared", "new", "gone", "broken", "repaired", "failing"]:
        """Return what became of it: `broken` failed only now, `repaired` only before, `failing` both times."""
        if self.before is None:
            return "broken" if self.document.status == "failed" else "new"
        if self.after is None:
            return "gone"
        if self.after.status == "failed":
            return "failing" if self.before.status == "failed" else "broken"
        return "repaired" if self.before.status == "failed" else "compared"

    @property
    def regressed(self) -> bool:
        """Say whether it is worse."""
        return self.state == "broken" or any(change.judgement == "regression" for change in self.changes)

    @property
    def improved(self) -> bool:
        """Say whether something is better and nothing worse."""
        better = self.state == "repaired" or any(change.judgement == "improvement" for change in self.changes)
        return better and not self.regressed


@dataclass(frozen=True)
class AccuracyComparison:
    """The mean test accuracies of runs that differ only in their seed.

    `p` is how likely the difference is by chance (one-sided) by `test`; None for a single seed.
    """

    label: str
    scenario: str
    seeds: tuple[int, ...]
    change: Change
    p: float | None
    test: str


@dataclass(frozen=True)
class Comparison:
    """Everything that a verdict says."""

    before: ResultSet
    after: ResultSet
    runs: tuple[RunComparison, ...]
    accuracies: tuple[AccuracyComparison, ...]

    @property
    def regressed(self) -> bool:
        """Say whether anything is worse than it may be."""
        return bool(self.worse) or any(one.change.judgement == "regression" for one in self.accuracies)

    @property
    def worse(self) -> list[RunComparison]:
        """Return the runs that are worse."""
        return [run for run in self.runs if run.regressed]

    @cached_property
    def commits(self) -> list[Commit]:
        """Return the commits between the two sides, as far as git knows them."""
        if not self.before.commit or not self.after.commit:
            return []
        return commits_between(self.before.commit, self.after.commit)


def compare(before: ResultSet, after: ResultSet, thresholds: Thresholds) -> Comparison:
    """Return what differs between two result sets, judged by `thresholds`.

    Raises InputError when they have no run in common.
    """
    pairs = matched(before.documents, after.documents)
    if not any(old and new for old, new in pairs):
        raise InputError(
            f"{before.name} and {after.name} have no run in common; expected results of the same scenarios"
        )
    sides = _Sides(before, after)
    runs = tuple(_compare_run(old, new, sides, thresholds) for old, new in pairs)
    return Comparison(before, after, runs, tuple(_accuracies(pairs, before, after, thresholds)))


def _compare_run(old: Document | None, new: Document | None, sides: _Sides, thresholds: Thresholds) -> RunComparison:
    plain = RunComparison(old, new)
    if plain.state != "compared" or old is None or new is None:
        return plain if old is None or new is None else replace(plain, causes=tuple(causes(old, new)))
    changes = [
        change
        for metric in METRICS.values()
        if metric.name != ACCURACY and (change := _change(metric, old, new, thresholds))
    ]
    names = {change.metric.name for change in changes}
    found = replace(plain, changes=tuple(changes), causes=tuple(causes(old, new)))
    return _explained(found, names, sides) if names else found


def _change(metric: Metric, old: Document, new: Document, thresholds: Thresholds) -> Change | None:
    before, after = metric.of(old), metric.of(new)
    if before is None or after is None or math.isclose(before, after, rel_tol=_EQUAL, abs_tol=0.0):
        return None
    limit = thresholds.of(metric.name, new)
    worsening = metric.worsening(before, after)
    judgement: Judgement = "improvement" if worsening < 0 else "tolerated"
    if limit.exceeded(before, worsening):
        judgement = "regression"
    return Change(metric, before, after, judgement, _limit_text(limit))


def _limit_text(limit: Threshold) -> str:
    if not limit.judge:
        return "not judged"
    limits = [f"{limit.growth * 100:g} %"] if limit.growth else []
    limits += [f"{limit.amount:g}"] if limit.amount else []
    return f"limit {' and '.join(limits)}" if limits else "any growth counts"


def _explained(found: RunComparison, names: set[str], sides: _Sides) -> RunComparison:
    """Add where the numbers that moved did so: from the documents, and from what was stored as far as it is there."""
    old, new = found.before, found.after
    assert old is not None
    assert new is not None
    if names & {INSTRUCTIONS, CYCLES}:
        found = replace(found, movement=document_movement(old, new))
    if names & {RAM, FLASH}:
        found = replace(found, sizes=tuple(document_sizes(old, new)))
    try:
        before, after = StoredRun(old, sides.before.folder), StoredRun(new, sides.after.folder)
        same = _same_counts(old, new)
        found = replace(found, sources=tuple(changed_sources(before, after)))
        if names & {RAM, FLASH}:
            found = replace(found, sizes=(*found.sizes, *run_sizes(before, after)))
        if INSTRUCTIONS in names:
            found = replace(found, movement=run_movement(before, after))
        if CYCLES in names and same:
            found = replace(found, cycles_by_code=0.0, causes=_with_model(found.causes))
        elif CYCLES in names and any(cause.what == "cycle model" for cause in found.causes):
            found = replace(found, cycles_by_code=_priced(after) - _priced(before))
        if STACK in names:
            found = replace(found, frames=tuple(stack_frames(before, after)))
    except InputError as error:
        return replace(found, note=str(error))
    return found


def _same_counts(old: Document, new: Document) -> bool:
    """Say whether the same firmware did exactly the same, so that only a model can have changed the costs."""
    assert old.evidence is not None
    assert new.evidence is not None
    return (old.evidence.firmware.content, old.evidence.trace.content) == (
        new.evidence.firmware.content,
        new.evidence.trace.content,
    )


def _with_model(found: tuple[Cause, ...]) -> tuple[Cause, ...]:
    if any(cause.what == "cycle model" for cause in found):
        return found
    return (Cause("cycle model", "its numbers then", "other numbers of the same name now"), *found)


def _priced(run: StoredRun) -> float:
    """Return the cycles of a mean step by the model of this version."""
    in_step = [context.phase in STEP_PHASES for context in run.trace.contexts]
    return float(run.cycles.by_address[:, in_step].sum()) / run.steps


@dataclass(frozen=True)
class _Sides:
    before: ResultSet
    after: ResultSet


def _accuracies(
    pairs: Sequence[Pair], before: ResultSet, after: ResultSet, thresholds: Thresholds
) -> list[AccuracyComparison]:
    """Return the groups of runs of equal settings but for the seed whose accuracies are not all what they were."""
    partners = {new.run.id: old for old, new in pairs if old and new}
    old_side = [document for document in before.documents if document.accuracy]
    new_side = [document for document in after.documents if document.accuracy]
    found = []
    for group in seed_groups([*old_side, *new_side]):
        old = [old_side[index] for index in group if index < len(old_side)]
        new = [new_side[index - len(old_side)] for index in group if index >= len(old_side)]
        if new and not old:  # the settings changed, so that only the names tell what belongs together
            old = [partner for document in new if (partner := partners.get(document.run.id)) and partner.accuracy]
        if old and new and (change := _accuracy(old, new, thresholds.of(ACCURACY, new[0]))):
            found.append(change)
    return found


def _seed(document: Document) -> int:
    seed = setting_columns(document.settings).get(SEED)
    return seed if isinstance(seed, int) else 0


def _accuracy(old: Sequence[Document], new: Sequence[Document], limit: Threshold) -> AccuracyComparison | None:
    metric = METRICS[ACCURACY]
    old, new = sorted(old, key=_seed), sorted(new, key=_seed)
    paired = [_seed(document) for document in old] == [_seed(document) for document in new]
    before, after = ([metric.of(document) or 0.0 for document in side] for side in (old, new))
    if paired and before == after:
        return None
    drop_test, gain_test = drop_evidence(before, after, paired=paired), drop_evidence(after, before, paired=paired)
    was, now = statistics.fmean(before), statistics.fmean(after)
    drop = metric.worsening(was, now)
    test = drop_test if drop >= 0 else gain_test
    if test.p is None:
        worse = limit.judge and drop > limit.single
        better = -drop > limit.single
        reason = f"{test.test}; limit {limit.single * 100:g} points"
    else:
        real = test.p <= limit.significance
        worse = real and limit.exceeded(was, drop)
        better = real and -drop > limit.amount
        reason = f"{test.test}, p = {test.p:.3g}; limit {limit.amount * 100:g} points at p <= {limit.significance:g}"
    judgement: Judgement = "regression" if worse else "improvement" if better else "tolerated"
    return AccuracyComparison(
        label=new[0].run.label if len(new) == 1 else _common_label(new),
        scenario=new[0].run.scenario,
        seeds=tuple(_seed(document) for document in new),
        change=Change(metric, was, now, judgement, reason),
        p=test.p,
        test=test.test,
    )


def _common_label(documents: Sequence[Document]) -> str:
    """Return the first label without its seed, and how many seeds there are."""
    labels = [document.run.label for document in documents]
    parts = [label.replace("[", ",").replace("]", "").split(",") for label in labels]
    same = [words[0].strip() for words in zip(*parts, strict=False) if len({word.strip() for word in words}) == 1]
    return f"{same[0]}[{','.join(same[1:])}]" if len(same) > 1 else (same[0] if same else labels[0])
