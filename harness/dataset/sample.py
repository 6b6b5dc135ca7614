"""Samples as arrays: a set of them, how a subset is drawn, and the order in which training visits them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.assets import content_hash
from harness.dataset.info import DatasetInfo

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SampleSet:
    """Training and test samples that share none. Arrays are read-only.

    `train_x` and `test_x` are (n, height, width, channels), uint8; `train_y` and `test_y` are (n,) uint8,
    below `info.classes`. A uint8 value q means the real value scale * (q - zero_point). Augmented training samples come
    in `versions`: all samples of the first, then all of the second.
    """

    info: DatasetInfo
    train_x: Images
    train_y: Labels
    test_x: Images
    test_y: Labels
    scale: float
    zero_point: int
    versions: int = 1

    def __post_init__(self) -> None:
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            array.flags.writeable = False

    @cached_property
    def content_hash(self) -> str:
        """Return 16 hexadecimal digits over samples, labels, shapes, types and input range."""
        parts = [f"{self.scale!r} {self.zero_point}".encode()]
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            parts += [f"{array.dtype.str} {array.shape}".encode(), array.tobytes()]
        return content_hash(parts)


def stratified_order(labels: Labels, seed: int) -> npt.NDArray[np.int64]:
    """Return a seeded order (n,) of the samples in which any run of neighbours has nearly the classes' shares.

    Each class is shuffled and spread evenly over 0..1; sorting by that place interleaves the classes. A larger subset
    taken from one end contains the smaller ones.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    place = np.empty(len(labels), dtype=np.float64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[generator.permutation(members)] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.argsort(place, kind="stable").astype(np.int64)


def visiting_order(n_train: int, epochs: int, seed: int, versions: int = 1) -> npt.NDArray[np.uint32]:
    """Return the indexes of the training samples in the order of training steps, (epochs * n_train,).

    Of `versions` of n_train samples, which stand one behind the other, an epoch takes the next one.

    Every epoch is a permutation of its own, from NumPy's PCG64 seeded with (seed, epoch), so more epochs do not change
    the ones before.
    """
    permutations = [
        (np.random.Generator(np.random.PCG64((seed, epoch))).permutation(n_train) + epoch % versions * n_train).astype(
            np.uint32
        )
        for epoch in range(epochs)
    ]
    return np.concatenate(permutations) if permutations else np.empty(0, dtype=np.uint32)
