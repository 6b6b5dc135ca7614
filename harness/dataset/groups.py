"""What the samples of a held-out subject or load are for when a network adapts to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import ADAPT, NEITHER, TEST


def adaptation_use(count: int, overlapping: int) -> npt.NDArray[np.uint8]:
    """Return what each of the `count` windows of one recording, in the order of time, is for.

    The first two thirds adapt the network, the rest tests it. Of the rest, the first `overlapping` windows share
    samples with one that adapts and are for neither.
    """
    use = np.full(count, TEST, dtype=np.uint8)
    first = count - count // 3
    use[:first] = ADAPT
    use[first : first + overlapping] = NEITHER
    return use
