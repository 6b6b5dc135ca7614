"""All samples of a data set as arrays, and the file that keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from harness.dataset.info import DatasetInfo
from harness.dataset.sample import Labels
from harness.dataset.series import InputRange, Normalisation, Values
from harness.errors import InputError

ADAPT, TEST, NEITHER = range(3)
"""What a sample of a held-out group is for when a network adapts to its group."""


def _nothing() -> npt.NDArray[np.uint8]:
    return np.empty(0, dtype=np.uint8)


@dataclass(frozen=True)
class Arrays:
    """All samples of a data set, `train_x` and `test_x` as (n, height, width, channels), the labels as (n,).

    A pool without a split stands in the training part and leaves the test part empty. A value q of x means the real
    value scale * (q - zero_point). `test_group` is the subject or load of each test sample and `test_use` one of ADAPT,
    TEST and NEITHER, uint8 (n,); both are empty when the set has no groups.
    """

    train_x: npt.NDArray[np.uint8]
    train_y: Labels
    test_x: npt.NDArray[np.uint8]
    test_y: Labels
    scale: float
    zero_point: int
    test_group: npt.NDArray[np.uint8] = field(default_factory=_nothing)
    test_use: npt.NDArray[np.uint8] = field(default_factory=_nothing)

    @classmethod
    def pool(cls, x: npt.NDArray[np.uint8], y: Labels, scale: float, zero_point: int) -> Arrays:
        """Return the arrays of a data set without a split."""
        return cls(x, y, x[:0], y[:0], scale, zero_point)

    @classmethod
    def of_series(
        cls,
        train: Values,
        train_y: Labels,
        test: Values,
        test_y: Labels,
        test_group: Labels | None = None,
        test_use: Labels | None = None,
    ) -> Arrays:
        """Return series (n, time, channels) as (n, 1, time, channels).

        Channels are normalised and the whole is quantized by what the training series alone show. `test_group` and
        `test_use` are none when the set has no groups.
        """
        normalisation = Normalisation.of(train)
        train, test = normalisation.apply(train), normalisation.apply(test)
        inputs = InputRange.of(train)
        train_x, test_x = inputs.quantize(train)[:, None], inputs.quantize(test)[:, None]
        group = _nothing() if test_group is None else test_group
        use = _nothing() if test_use is None else test_use
        return cls(train_x, train_y, test_x, test_y, inputs.scale, inputs.zero_point, group, use)


def write_arrays(file: IO[bytes], arrays: Arrays) -> None:
    """Write all arrays to `file` as `.npz`."""
    np.savez(file, allow_pickle=False, **{each.name: np.asarray(getattr(arrays, each.name)) for each in fields(Arrays)})


def read_arrays(path: Path) -> Arrays:
    """Return the arrays of a file of the cache; raise InputError when it is damaged."""
    try:
        # Opened here, because np.load leaves a damaged file open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = Arrays(
                scale=float(file["scale"]),
                zero_point=int(file["zero_point"]),
                **{name: file[name] for name in file.files if name not in {"scale", "zero_point"}},
            )
        check_types(arrays)
    except Exception as error:  # NumPy and zipfile raise many types for a damaged file
        raise InputError(f"{path}: damaged: {error}; delete the file to make it anew") from None
    return arrays


def check_types(arrays: Arrays) -> None:
    """Raise InputError when an array has another element type, or the range is none of uint8."""
    for each in fields(Arrays):
        value = getattr(arrays, each.name)
        if isinstance(value, np.ndarray) and value.dtype != np.uint8:
            raise InputError(f"{each.name} of {value.dtype}; expected uint8")
    if not (np.isfinite(arrays.scale) and arrays.scale > 0 and 0 <= arrays.zero_point <= 255):
        raise InputError(f"scale {arrays.scale} and zero point {arrays.zero_point}; expected a range of uint8")


def check_groups(arrays: Arrays, info: DatasetInfo) -> None:
    """Raise InputError when the groups of the test samples are not those that `info` holds out."""
    for values, allowed in ((arrays.test_group, info.held_out), (arrays.test_use, (ADAPT, TEST, NEITHER))):
        count = len(arrays.test_x) if info.groups else 0
        if values.shape != (count,) or not set(np.unique(values)) <= set(allowed):
            raise InputError(f"groups of {len(values)} test samples; expected {count}, each of {info.held_out}")
