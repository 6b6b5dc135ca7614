"""What the memories of a board add to the cycles of its core: wait states, cache misses, contention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.platform import Platform
from harness.trace.instruction import Listing
from harness.trace.trace import Trace


@dataclass(frozen=True)
class Waits:
    """Estimated core cycles beyond those of memory without wait states.

    `low`, `by_address` (the estimate) and `high` are float64 (n, c), like the arrays of the trace they were made from,
    with `low <= by_address <= high`. `model` names the model of the memories and `error` says how far off it may be.
    """

    model: str
    error: str
    low: npt.NDArray[np.float64]
    by_address: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


class MemorySystem(Protocol):
    """The memories of a board as the core sees them."""

    def waits(self, trace: Trace, listing: Listing, platform: Platform) -> Waits:
        """Return the waits of all fetches, loads and stores in `trace`, at the address of their instruction."""
        ...
