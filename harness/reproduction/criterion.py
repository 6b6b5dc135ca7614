"""What it takes for a trend to count as reproduced: pure functions of numbers, the same for paper and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

ORDER = ("uint8", "mixed", "float32")
"""The data types from the least to the most precise."""


def ordered(accuracies: Mapping[str, float], tolerance: float) -> bool:
    """Say whether no data type is better than a more precise one by more than `tolerance` (points)."""
    values = [accuracies[dtype] for dtype in ORDER if dtype in accuracies]
    return all(coarse <= fine + tolerance for at, coarse in enumerate(values) for fine in values[at + 1 :])


def close(value: float, reference: float, tolerance: float) -> bool:
    """Say whether two numbers differ by at most `tolerance`."""
    return abs(value - reference) <= tolerance


def within(value: float, low: float, high: float) -> bool:
    """Say whether a number lies in a range, its ends included; it is taken with the two decimals of a publication."""
    return low <= round(value, 2) <= high


def grows(values: Sequence[float], tolerance: float) -> bool:
    """Say whether numbers end higher than they begin and never fall by more than `tolerance` on the way."""
    steps = pairwise(values)
    return values[-1] > values[0] + tolerance and all(after >= before - tolerance for before, after in steps)


def saturates(curve: Sequence[float], share: float, tolerance: float) -> bool:
    """Say whether a rising curve has flattened out.

    It has when the mean of its last quarter is above that of the quarter before by at most `share` of the rise from the
    first value to the best, or by at most `tolerance`.
    """
    quarter = max(len(curve) // 4, 1)
    if len(curve) < 2 * quarter + 1:
        return False
    last = sum(curve[-quarter:]) / quarter
    before = sum(curve[-2 * quarter : -quarter]) / quarter
    return last - before <= max(share * (max(curve) - curve[0]), tolerance)


def interpolated(curve: Mapping[float, float], at: float) -> float:
    """Return the value at `at` on the straight lines between the points of `curve`, the end points outside of it."""
    points = sorted(curve.items())
    if at <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]
