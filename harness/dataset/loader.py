"""Loading a data set by its name."""

from __future__ import annotations

from functools import lru_cache

from harness.dataset import digits, fashion_mnist
from harness.dataset.catalogue import dataset_info
from harness.dataset.sample import SampleSet
from harness.errors import InputError

_LOADERS = {"digits": digits.load, "fashion-mnist": fashion_mnist.load}


def is_present(name: str) -> bool:
    """Return whether the data set can be loaded without fetching it."""
    return name != "fashion-mnist" or fashion_mnist.find_files() is not None


@lru_cache(maxsize=4)
def load_dataset(name: str, train: int, test: int, seed: int) -> SampleSet:
    """Return `train` training and `test` test samples of the data set `name`, drawn with `seed`.

    Raises InputError when there is no such data set or it has fewer samples, and MissingToolError, naming the command
    that installs it, when its files are absent and cannot be fetched.
    """
    info = dataset_info(name)
    excess = info.excess(train, test)
    if excess:
        raise InputError(f"dataset.{excess[0]}: {excess[1]}")
    return _LOADERS[name](info, train, test, seed)
