"""Marsaglia's xorshift32: the random numbers that all of a training shares."""

from __future__ import annotations

import numpy as np

MASK = 0xFFFFFFFF


class Generator:
    """`state` is the last number, never 0."""

    def __init__(self, state: int) -> None:
        self.state = state

    def numbers(self, count: int) -> np.ndarray:
        drawn = np.empty(count, dtype=np.int64)
        for i in range(count):
            self.state ^= self.state << 13 & MASK
            self.state ^= self.state >> 17
            self.state ^= self.state << 5 & MASK
            drawn[i] = self.state
        return drawn

    def shares(self, count: int) -> np.ndarray:
        """Return float32 from 0 up to, but not including, 1."""
        return ((self.numbers(count) >> 8) / 2.0**24).astype(np.float32)
