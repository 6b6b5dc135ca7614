"""Drawing the samples of a run from all there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import Arrays
from harness.dataset.info import DatasetInfo
from harness.dataset.sample import SampleSet, stratified_order

Indexes = npt.NDArray[np.int64]


def draw(info: DatasetInfo, arrays: Arrays, train: int, test: int, seed: int) -> SampleSet:
    """Return `train` and `test` samples in a seeded stratified order.

    Of a pool, they come from opposite ends of one order of all samples; otherwise from an order of the training part
    and one of the test part.
    """
    first = stratified_order(arrays.train_y, seed)
    if info.split:
        return _chosen(info, arrays, first[:train], stratified_order(arrays.test_y, seed)[:test])
    pool = replace(arrays, test_x=arrays.train_x, test_y=arrays.train_y)
    return _chosen(info, pool, first[:train], first[len(first) - test :])


def _chosen(info: DatasetInfo, arrays: Arrays, train: Indexes, test: Indexes) -> SampleSet:
    return SampleSet(
        info,
        arrays.train_x[train],
        arrays.train_y[train],
        arrays.test_x[test],
        arrays.test_y[test],
        arrays.scale,
        arrays.zero_point,
    )
