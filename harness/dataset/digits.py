"""Handwritten digits, 8x8, from scikit-learn; one pool without a published split."""

from __future__ import annotations

from functools import cache
from importlib import metadata

import numpy as np

from harness.dataset.arrays import Arrays

_LARGEST_VALUE = 16


@cache
def arrays() -> Arrays:
    """Return the pool of images (1797, 8, 8, 1) with values 0..16; real values are 0..1."""
    from sklearn.datasets import load_digits  # here: scikit-learn takes a second to import

    digits = load_digits()
    images = digits.images.astype(np.uint8)[..., np.newaxis]
    return Arrays.pool(images, digits.target.astype(np.uint8), scale=1 / _LARGEST_VALUE, zero_point=0)


def is_present() -> bool:
    """Return True: scikit-learn ships the samples."""
    return True


def edition() -> str:
    """Return the version of scikit-learn, which brings the samples."""
    return f"scikit-learn {metadata.version('scikit-learn')}"


def fetch() -> None:
    """Do nothing, for nothing is missing."""
