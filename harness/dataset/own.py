"""Samples of one's own: what all file formats share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import Arrays
from harness.dataset.copies import without_copies
from harness.dataset.info import DatasetInfo
from harness.dataset.sample import stratified_order
from harness.dataset.series import InputRange, Normalisation
from harness.errors import InputError

TEST_SHARE = 5
"""Where a file tells no test samples, one fifth of each class is for the test, the same ones for every seed."""

_SPLIT_SEED = 0
_MOST_CLASSES = 256
_MOST_EXTENT = 65_535

Samples = npt.NDArray[Any]
Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Samples (n, height, width, channels), uint8 or float32, with labels (n,) from 0."""

    x: Samples
    y: Indexes


def shaped(name: str, x: Samples, shape: tuple[int, int, int] | None) -> Samples:
    """Return samples (n, ...) as (n, height, width, channels).

    Without `shape`, one extent is channels, two are height and width of bytes or time and channels of other numbers,
    and three are taken as they are. Raises InputError when that does not fit.
    """
    if shape is not None:
        if int(np.prod(x.shape[1:], dtype=object)) != int(np.prod(shape, dtype=object)):
            raise InputError(
                f"{name}: samples of {_times(x.shape[1:])} values; expected {_times(shape)} (dataset.shape)"
            )
        return x.reshape(len(x), *shape)
    if x.ndim == 2:
        return x[:, None, None, :]
    if x.ndim == 3:
        return x[..., None] if x.dtype == np.uint8 else x[:, None]
    if x.ndim == 4:
        return x
    raise InputError(
        f"{name}: samples of shape {x.shape}; expected (n, values), (n, a, b) or (n, height, width, channels)"
    )


def _times(extents: tuple[int, ...]) -> str:
    return "x".join(map(str, extents)) or "1"


def own_arrays(path: Path, train: Part, test: Part | None) -> tuple[Arrays, DatasetInfo]:
    """Return samples of one's own without copies, and what is to know about them.

    Bytes are images, with real values 0..1. Other numbers are normalised by channel and quantized by what the training
    samples alone show. Raises InputError when a label or a shape is out of bounds.
    """
    labels = train.y if test is None else np.concatenate([train.y, test.y])
    classes = int(labels.max()) + 1 if len(labels) else 0
    if len(labels) and labels.min() < 0:
        raise InputError(f"{path}: has the label {labels.min()}; expected labels from 0")
    if not 2 <= classes <= _MOST_CLASSES:
        raise InputError(f"{path}: has labels below {classes}; expected 2 to {_MOST_CLASSES} classes")
    absent = np.setdiff1d(np.arange(classes), train.y)
    if len(absent):
        raise InputError(f"{path}: has no training sample of class {absent[0]}; expected some of each of {classes}")
    if not all(1 <= extent <= _MOST_EXTENT for extent in train.x.shape[1:]):
        raise InputError(f"{path}: samples of {_times(train.x.shape[1:])}; expected extents from 1 to {_MOST_EXTENT}")
    if test is None:
        order = stratified_order(train.y.astype(np.uint8), _SPLIT_SEED)
        n_test = len(order) // TEST_SHARE
        if not n_test:
            raise InputError(f"{path}: has {len(order)} samples; expected at least {TEST_SHARE}")
        chosen, rest = order[len(order) - n_test :], order[: len(order) - n_test]
        train, test = Part(train.x[rest], train.y[rest]), Part(train.x[chosen], train.y[chosen])
    arrays, _ = without_copies(_quantized(path, train, test))
    height, width, channels = train.x.shape[1:]
    info = DatasetInfo(
        name=path.name,
        title="one's own",
        shape=(height, width, channels),
        classes=classes,
        train_samples=len(arrays.train_x),
        test_samples=len(arrays.test_x),
        split=True,
        licence="one's own",
        source=path.name,
    )
    return arrays, info


def _quantized(path: Path, train: Part, test: Part) -> Arrays:
    train_y, test_y = train.y.astype(np.uint8), test.y.astype(np.uint8)
    if train.x.dtype == np.uint8 and test.x.dtype == np.uint8:
        return Arrays(train.x, train_y, test.x, test_y, scale=1 / 255, zero_point=0)
    for part in (train, test):
        if not np.isfinite(part.x).all():
            raise InputError(f"{path}: has values that are not finite numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        values = train.x.astype(np.float64)
        normalisation = Normalisation.of(values)
        values = normalisation.apply(values)
        inputs = InputRange.of(values)
        if not (np.isfinite(values).all() and np.isfinite(inputs.scale)):
            raise InputError(f"{path}: has values too large to normalise; expected numbers of ordinary size")
        train_x, test_x = (
            inputs.quantize(values),
            inputs.quantize(normalisation.apply(test.x.astype(np.float64))),
        )
    return Arrays(train_x, train_y, test_x, test_y, inputs.scale, inputs.zero_point)
