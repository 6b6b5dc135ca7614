"""Animal silhouettes, 28x28, from the Python package `animal-mnist`; one pool, from which copies are removed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.dataset.archive import gunzip
from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.package import Package
from harness.dataset.pickled import read_pickle
from harness.errors import InputError

_FOLDER = "animal_mnist/data/Animal_MNIST"
_IMAGES = f"{_FOLDER}/animal_data_version_3.gz"
_LABELS = f"{_FOLDER}/animal_label_version_3.gz"
_MOST_UNPACKED_BYTES = 10_000_000


def convert(members: Mapping[str, bytes]) -> Arrays:
    """Return the pool of images that differ from each other; of equal ones only the first stays."""
    images, labels = (
        read_pickle(name, gunzip(name, members[name], _MOST_UNPACKED_BYTES)) for name in (_IMAGES, _LABELS)
    )
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise InputError(f"{_IMAGES}: expected an array of 28x28 unsigned bytes")
    if not isinstance(labels, np.ndarray) or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(f"{_LABELS}: expected one whole number for each of {len(images)} images")
    if labels.min() < 0 or labels.max() > 9:
        raise InputError(f"{_LABELS}: has labels from {labels.min()} to {labels.max()}; expected 0 to 9")
    first: dict[bytes, int] = {}
    for index, image in enumerate(images):
        first.setdefault(image.tobytes(), index)
    kept = np.array(list(first.values()))
    return Arrays.pool(images[kept][..., None], labels[kept].astype(np.uint8), scale=1 / 255, zero_point=0)


ANIMALS = Converted(
    info=dataset_info("animals"),
    package=Package(
        client="pip",
        name="animal-mnist",
        version="0.4",
        file_name="animal_mnist-0.4-py3-none-any.whl",
        sha256="aeebf3d9de4552d6fd2d5701424e1a5b9020f8e5115d68df9db252f2f53ce2ce",
    ),
    members={_IMAGES: 4_000_000, _LABELS: 100_000},
    convert=convert,
)
