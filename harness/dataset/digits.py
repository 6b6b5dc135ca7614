"""Handwritten digits, 8x8, from scikit-learn; one pool without a published split."""

from __future__ import annotations

from functools import cache

import numpy as np

from harness.dataset.catalogue import dataset_info
from harness.dataset.sample import Images, Labels, SampleSet, draw_from_pool

_LARGEST_VALUE = 16


@cache
def _pool() -> tuple[Images, Labels]:
    """Return images (1797, 8, 8, 1) with values 0..16, and labels (1797,)."""
    from sklearn.datasets import load_digits  # here: scikit-learn takes a second to import

    digits = load_digits()
    return digits.images.astype(np.uint8)[..., np.newaxis], digits.target.astype(np.uint8)


def is_present() -> bool:
    """Return True: scikit-learn ships the samples."""
    return True


def fetch() -> None:
    """Do nothing, for nothing is missing."""


def load(train: int, test: int, seed: int) -> SampleSet:
    """Return `train` and `test` samples from opposite ends of one stratified order; real values are 0..1."""
    return draw_from_pool(dataset_info("digits"), _pool(), train, test, seed, scale=1 / _LARGEST_VALUE, zero_point=0)
