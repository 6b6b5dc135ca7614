"""Samples that are equal byte by byte, which must not stand on both sides of a split."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import Arrays


def _digest(sample: npt.NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(sample.tobytes(), digest_size=16).digest()


def without_copies(arrays: Arrays) -> tuple[Arrays, int]:
    """Return the arrays without training samples that equal a test sample or an earlier training sample.

    The number of those left out comes with them. Labels do not matter: a copy with another label is one, too. The test
    part stays as published.
    """
    seen = {_digest(sample) for sample in arrays.test_x}
    kept = []
    for index, sample in enumerate(arrays.train_x):
        content = _digest(sample)
        if content not in seen:
            seen.add(content)
            kept.append(index)
    copies = len(arrays.train_x) - len(kept)
    if not copies:
        return arrays, 0
    chosen = np.array(kept, dtype=np.int64)
    return replace(arrays, train_x=arrays.train_x[chosen], train_y=arrays.train_y[chosen]), copies
