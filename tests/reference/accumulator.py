"""Gradients in 8 or 16 bits: the accumulators of a structure share an exponent (block floating point)."""

from __future__ import annotations

import numpy as np


def rounded_shift(values: np.ndarray, shift: int) -> np.ndarray:
    """Return values / 2^shift, rounded half up."""
    return (values + (1 << shift >> 1)) >> shift


def accumulated(held: np.ndarray, exponent: int, added: np.ndarray) -> tuple[np.ndarray, int]:
    """Add to the accumulators of one structure, in units of 2^exponent, in order; return them and the new exponent.

    When one would overflow, the exponent grows by as much as it needs, and all are rounded to it.
    """
    limits, values, added = np.iinfo(held.dtype), held.astype(np.int64), added.astype(np.int64)
    done = 0
    while done < len(values):
        sums = values[done:] + rounded_shift(added[done:], exponent)
        too_large = np.flatnonzero((sums < limits.min) | (sums > limits.max))
        fitting = int(too_large[0]) if too_large.size else len(sums)
        values[done : done + fitting] = sums[:fitting]
        done += fitting
        if done < len(values):
            growth = 1
            while (
                not limits.min
                <= rounded_shift(values[done], growth) + rounded_shift(added[done], exponent + growth)
                <= limits.max
            ):
                growth += 1
            values = rounded_shift(values, growth)
            exponent += growth
    return values.astype(held.dtype), exponent
