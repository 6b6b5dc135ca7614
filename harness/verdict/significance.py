"""Whether an accuracy over several seeds has really dropped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

PERMUTED_PAIRS = 5
"""Below this many pairs no arrangement of signs is rarer than 1 in 20, so that the exact test could find nothing."""

_MOST_PAIRS = 16
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Evidence:
    """How likely a difference at least as bad as this is if nothing changed (one-sided), and by which test.

    `p` is None when there is nothing to test with.
    """

    p: float | None
    test: str


def drop_evidence(before: Sequence[float], after: Sequence[float], *, paired: bool) -> Evidence:
    """Return how likely a drop from `before` to `after` is chance.

    Values of equal seeds (`paired`, in the same order) go through an exact permutation of the signs of their
    differences (Fisher 1935) from 5 pairs on and through a paired t-test below; others through Welch's t-test
    (Welch 1947).
    """
    if paired and len(before) > 1:
        differences = [new - old for old, new in zip(before, after, strict=True)]
        if not any(differences):
            return Evidence(1.0, "all seeds equal")
        if PERMUTED_PAIRS <= len(differences) <= _MOST_PAIRS:
            return Evidence(_permuted(differences), f"exact paired permutation, {len(differences)} seeds")
        deviation = float(np.std(differences))
        if deviation <= _ROUNDING:
            return Evidence(0.0 if differences[0] < 0 else 1.0, f"the same difference in {len(differences)} seeds")
        p = float(stats.ttest_1samp(differences, 0.0, alternative="less").pvalue)
        return Evidence(p, f"paired t-test, {len(differences)} seeds")
    if len(before) > 1 and len(after) > 1:
        if np.std(before) <= _ROUNDING and np.std(after) <= _ROUNDING:
            return Evidence(0.0 if np.mean(after) < np.mean(before) else 1.0, "no deviation between seeds")
        p = float(stats.ttest_ind(after, before, equal_var=False, alternative="less").pvalue)
        return Evidence(p, f"Welch's t-test, {len(before)} and {len(after)} seeds")
    return Evidence(None, "one seed: no test")


def _permuted(differences: Sequence[float]) -> float:
    """Return the share of all arrangements of signs whose sum is at least as low."""
    seen = math.fsum(differences) + _ROUNDING
    sums = (
        math.fsum(sign * abs(value) for sign, value in zip(signs, differences, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    )
    return float(sum(total <= seen for total in sums)) / float(2 ** len(differences))
