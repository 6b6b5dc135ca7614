"""Drawing the samples of a run from all there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import ADAPT, TEST, Arrays
from harness.dataset.info import DatasetInfo
from harness.dataset.sample import SampleSet, stratified_order
from harness.errors import InputError

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


def training_part(info: DatasetInfo, arrays: Arrays, test: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return all samples (n, height, width, channels) that `draw` of `test` test samples could draw for training."""
    if info.split:
        return arrays.train_x
    order = stratified_order(arrays.train_y, seed)
    return arrays.train_x[order[: len(order) - test]]


def draw_groups(
    info: DatasetInfo, arrays: Arrays, groups: tuple[int, ...], train: int, test: int, seed: int
) -> SampleSet:
    """Return samples of held-out subjects or loads: the earlier part of each recording trains, the later part tests.

    Raises InputError when there are fewer.
    """
    x, y = arrays.test_x, arrays.test_y
    here = np.isin(arrays.test_group, groups)
    first, second = here & (arrays.test_use == ADAPT), here & (arrays.test_use == TEST)
    part = replace(arrays, train_x=x[first], train_y=y[first], test_x=x[second], test_y=y[second])
    there = replace(info, train_samples=len(part.train_x), test_samples=len(part.test_x))
    listed = ", ".join(map(str, groups))
    for key, wanted, most in (("train", train, there.train_samples), ("test", test, there.test_samples)):
        if wanted > most:
            raise InputError(
                f"dataset.{key}: {wanted} samples; expected at most {most}, "
                f"{info.name} has no more of {info.groups} {listed}"
            )
    return draw(there, part, train, test, seed)


def check_count(info: DatasetInfo, train: int, test: int) -> None:
    """Raise InputError when there are fewer samples."""
    excess = info.excess(train, test)
    if excess:
        raise InputError(f"dataset.{excess[0]}: {excess[1]}")


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
