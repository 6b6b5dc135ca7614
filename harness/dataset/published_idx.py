"""The relatives of MNIST as their publishers ship them: EMNIST and KMNIST, four IDX files each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info, dataset_names
from harness.dataset.file import Folder
from harness.dataset.idx import idx_size_bytes, parse_idx_of_at_most
from harness.dataset.info import DatasetInfo
from harness.dataset.published import Published
from harness.errors import InputError

_EMNIST = "emnist-"


def _stem(info: DatasetInfo, is_test: bool) -> str:
    """Return what the names of the two files of a part begin with."""
    if info.name.startswith(_EMNIST):
        return f"{info.name}-{'test' if is_test else 'train'}"
    return "t10k" if is_test else "train"


def _part(info: DatasetInfo, folder: Folder, is_test: bool) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return images (n, 28, 28, 1) and labels (n,) from 0 of one part."""
    count = info.test_samples if is_test else info.train_samples
    stem = _stem(info, is_test)
    read = []
    for name, shape in (
        (f"{stem}-images-idx3-ubyte", (count, *info.shape[:2])),
        (f"{stem}-labels-idx1-ubyte", (count,)),
    ):
        content = folder.read_packed(name, idx_size_bytes(shape))
        read.append(parse_idx_of_at_most(str(folder.path / name), content, shape))
    images, labels = read
    if len(images) != len(labels):
        raise InputError(f"{folder.path / stem}-*: {len(images)} images with {len(labels)} labels; expected one each")
    if info.name.startswith(_EMNIST):
        images = images.transpose(0, 2, 1)  # stored column by column
    first = 1 if info.name == "emnist-letters" else 0  # only the letters are numbered from 1
    if len(labels) and not first <= labels.min() <= labels.max() < first + info.classes:
        raise InputError(
            f"{folder.path / stem}-labels-idx1-ubyte: has labels from {labels.min()} to {labels.max()}; "
            f"expected {first} to {first + info.classes - 1}"
        )
    return images[..., None], (labels - np.uint8(first)).astype(np.uint8)


def _published(info: DatasetInfo) -> Published:
    def files(folder: Folder) -> list[str]:
        """Return the names of the four files, packed or unpacked."""
        names = [
            f"{_stem(info, is_test)}-{kind}-ubyte"
            for is_test in (False, True)
            for kind in ("images-idx3", "labels-idx1")
        ]
        return [name if folder.has(name) else f"{name}.gz" for name in names]

    def convert(folder: Folder) -> Arrays:
        """Return both parts; real values are 0..1."""
        return Arrays(*_part(info, folder, False), *_part(info, folder, True), scale=1 / 255, zero_point=0)

    return Published(info, files, convert)


PUBLISHED_IDX = tuple(
    _published(dataset_info(name)) for name in dataset_names() if name.startswith(_EMNIST) or name == "kmnist"
)
