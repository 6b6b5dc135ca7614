"""Which data sets there are."""

from __future__ import annotations

from harness.dataset.info import DatasetInfo
from harness.dataset.packaged import PACKAGED
from harness.dataset.publishers import PUBLISHERS
from harness.errors import InputError, nearest

OWN = ("csv", "npz")
"""Names in place of a data set for files of one's own."""

_CATALOGUE = {info.name: info for info in (*PACKAGED, *PUBLISHERS)}


def dataset_names() -> tuple[str, ...]:
    """Return the names of the data sets the harness knows: those from packages and those from publishers' files."""
    return tuple(sorted(_CATALOGUE))


def dataset_info(name: str) -> DatasetInfo:
    """Return what is known about the data set `name` without reading it; raise InputError when there is none."""
    if name not in _CATALOGUE:
        raise InputError(f"unknown data set '{name}'; {nearest(name, _CATALOGUE)}")
    return _CATALOGUE[name]
