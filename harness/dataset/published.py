"""A data set from the files that its publisher ships, in a folder that the user names."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.assets import cache_dir, content_hash, write_atomically
from harness.dataset.arrays import Arrays, check_groups, read_arrays, write_arrays
from harness.dataset.copies import without_copies
from harness.dataset.file import Folder
from harness.dataset.info import DatasetInfo
from harness.errors import InputError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """How a publisher's files become arrays.

    `files` returns the names of all files that `convert` reads, relative to the folder; `needed` those whose presence
    is checked beforehand, all when it is not given. Arrays that take long to compute are `kept` in the user's cache; a
    higher `version` of `convert` makes those of the lower one unused.
    """

    info: DatasetInfo
    files: Callable[[Folder], Sequence[str]]
    convert: Callable[[Folder], Arrays]
    needed: tuple[str, ...] = ()
    kept: bool = False
    version: int = 1

    def folder(self, path: Path) -> Folder:
        """Return the folder `path`; raise InputError, saying what to put where, when it is none."""
        if not path.is_dir():
            raise InputError(f"{path}: no such folder; {self.info.remedy}")
        return Folder(path, self.info.remedy)

    def check(self, path: Path) -> None:
        """Raise InputError, saying what to put where, when the folder lacks a file."""
        folder = self.folder(path)
        for name in self.needed or self.files(folder):
            folder.file(name)

    def signature(self, path: Path) -> str:
        """Return 16 hexadecimal digits over names, sizes and times of the files."""
        folder = self.folder(path)
        parts = [f"{self.info.name} {self.version}".encode()]
        for name in self.files(folder):
            status = folder.file(name).stat()
            parts.append(f"{name} {status.st_size} {status.st_mtime_ns}".encode())
        return content_hash(parts)

    def arrays(self, path: Path) -> Arrays:
        """Return all samples without copies; raise InputError when files are missing, damaged or others."""
        return _arrays(self, path, self.signature(path))


@lru_cache(maxsize=2)
def _arrays(published: Published, path: Path, signature: str) -> Arrays:
    info = published.info
    kept = cache_dir() / "datasets" / f"{info.name}-{signature}.npz"
    if published.kept and kept.is_file():
        arrays = read_arrays(kept)
    else:
        if published.kept:
            _log.warning("dataset %s: converting the files in %s, once", info.name, path)
        arrays = published.convert(published.folder(path))
        arrays, copies = without_copies(arrays)
        if copies:
            _log.warning("dataset %s: %d training samples are copies of others and left out", info.name, copies)
        if published.kept:
            file = io.BytesIO()
            write_arrays(file, arrays)
            write_atomically(kept, file.getvalue())
    _check(arrays, info, path)
    return arrays


def _check(arrays: Arrays, info: DatasetInfo, path: Path) -> None:
    for x, y, part in ((arrays.train_x, arrays.train_y, "training"), (arrays.test_x, arrays.test_y, "test")):
        if x.shape[1:] != info.shape or len(x) != len(y):
            raise InputError(f"{path}: samples {x.shape} with {len(y)} labels; expected samples of {info.shape}")
        if not len(x):
            raise InputError(f"{path}: no {part} samples; {info.remedy}")
        if int(y.max()) >= info.classes:
            raise InputError(f"{path}: has the label {int(y.max())}; expected labels below {info.classes}")
    check_groups(arrays, info)


def counted(info: DatasetInfo, arrays: Arrays) -> DatasetInfo:
    """Return `info` with the numbers of samples that there are."""
    pool = len(arrays.test_x) == 0
    test_samples = len(arrays.train_x) if pool else len(arrays.test_x)
    return replace(info, train_samples=len(arrays.train_x), test_samples=test_samples, split=not pool)


def byte_labels(name: str, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return labels (n,) as uint8; raise InputError when one is outside 0..`classes` - 1."""
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(f"{name}: has labels from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}")
    return labels.astype(np.uint8)
