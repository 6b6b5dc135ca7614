"""The mean over a whole training from a random sample of it, and how far off it may be.

A training is a row of blocks: whole minibatches, so that each has its share of the update. The row is cut into strata,
spans that follow each other; some blocks of each are drawn without replacement. Blocks need not have equally many
steps (the last minibatch of an epoch may be smaller), so the mean per step is a combined ratio estimate: Cochran,
Sampling Techniques, 3rd edition, Wiley 1977, section 6.11. Where all blocks are equally long it is the stratified mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Stratum:
    """A span of `blocks` blocks and what those drawn from it came to: their `costs`, in any unit, and their `steps`."""

    blocks: int
    costs: tuple[float, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Mean:
    """A mean per step with its standard error and confidence interval, in the unit of the costs."""

    value: float
    standard_error: float
    degrees_of_freedom: float
    low: float
    high: float


def mean_per_step(strata: Sequence[Stratum], total_steps: int) -> Mean:
    """Return the mean cost per step over all `total_steps` steps, with an interval of `CONFIDENCE` by Student's t.

    With N blocks in a stratum, n of them drawn, costs y and steps x, the mean is

        R = sum(N mean(y)) / sum(N mean(x)),

    and with s^2 the sample variance of d = y - R x within a stratum, the square of its standard error is

        sum(N (N - n) s^2 / n) / total_steps^2,

    which has the finite population correction in it (Cochran, 5.3 and 6.11). Its degrees of freedom are those of
    Satterthwaite (Cochran, 5.4): (sum g s^2)^2 / sum(g^2 s^4 / (n - 1)), g = N (N - n) / n. With one block drawn of
    each stratum, neighbours are collapsed into pairs, the last into three when their number is odd (Cochran, 5A.12):
    with L strata in a group, of which e = N d are the totals, a group adds L / (L - 1) sum((e - mean(e))^2). That is
    too much rather than too little, and has L - 1 degrees of freedom a group.

    Raises ValueError when a single block was drawn of more.
    """
    ratio = _weighted(strata, "costs") / _weighted(strata, "steps")
    residuals = [[cost - ratio * steps for cost, steps in zip(one.costs, one.steps, strict=True)] for one in strata]
    if all(len(one.costs) == one.blocks for one in strata):
        variance, freedom = 0.0, float(max(1, sum(one.blocks - 1 for one in strata)))
    elif all(len(one.costs) > 1 or one.blocks == 1 for one in strata):
        variance, freedom = _within(strata, residuals)
    else:
        variance, freedom = _collapsed(strata, residuals)
    error = math.sqrt(variance) / total_steps
    reach = error * _student(freedom)
    return Mean(ratio, error, freedom, max(0.0, ratio - reach), ratio + reach)


def _weighted(strata: Sequence[Stratum], what: str) -> float:
    return math.fsum(one.blocks * math.fsum(getattr(one, what)) / len(one.costs) for one in strata)


def _within(strata: Sequence[Stratum], residuals: Sequence[Sequence[float]]) -> tuple[float, float]:
    parts = []
    for one, values in zip(strata, residuals, strict=True):
        drawn = len(values)
        if drawn < one.blocks:
            parts.append((one.blocks * (one.blocks - drawn) / drawn * _squares(values) / (drawn - 1), drawn - 1))
    variance = math.fsum(part for part, _ in parts)
    if variance == 0.0:
        return 0.0, float(sum(freedom for _, freedom in parts))
    return variance, variance**2 / math.fsum(part**2 / freedom for part, freedom in parts)


def _collapsed(strata: Sequence[Stratum], residuals: Sequence[Sequence[float]]) -> tuple[float, float]:
    if len(strata) < 2:
        raise ValueError("one block says nothing of how much blocks vary; expected two, or two strata")
    totals = [one.blocks * math.fsum(values) / len(values) for one, values in zip(strata, residuals, strict=True)]
    groups = [totals[start : start + 2] for start in range(0, len(totals), 2)]
    if len(groups[-1]) == 1:
        last = groups.pop()
        groups[-1] = groups[-1] + last
    variance = math.fsum(len(group) / (len(group) - 1) * _squares(group) for group in groups)
    return variance, float(sum(len(group) - 1 for group in groups))


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _student(freedom: float) -> float:
    from scipy.special import stdtrit  # here: SciPy takes a while to import

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
