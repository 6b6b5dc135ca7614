"""CIFAR-10 and CIFAR-100 in the publisher's binary version: https://www.cs.toronto.edu/~kriz/cifar.html."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.file import Folder
from harness.dataset.info import DatasetInfo
from harness.dataset.published import Published, byte_labels
from harness.errors import InputError

_CHANNELS, _EXTENT = 3, 32
_IMAGE_BYTES = _CHANNELS * _EXTENT * _EXTENT


def read_records(
    folder: Folder, name: str, records: int, label_bytes: int, classes: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the images (records, 32, 32, 3) and labels (records,) of one file.

    A record is `label_bytes` labels, of which the last is used, and the planes of red, green and blue. Raises
    InputError when the file has another size or a label that is no class.
    """
    expected = records * (label_bytes + _IMAGE_BYTES)
    content = folder.read(name, expected)
    if len(content) != expected:
        raise InputError(f"{folder.path / name}: has {len(content)} bytes; expected {expected}")
    table = np.frombuffer(content, dtype=np.uint8).reshape(records, label_bytes + _IMAGE_BYTES)
    labels = byte_labels(str(folder.path / name), table[:, label_bytes - 1], classes)
    planes = table[:, label_bytes:].reshape(records, _CHANNELS, _EXTENT, _EXTENT)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def binary_version(info: DatasetInfo, train: Mapping[str, int], test: Mapping[str, int], label_bytes: int) -> Published:
    """Return a set whose parts are files with the given numbers of records, of `label_bytes` labels each."""

    def part(folder: Folder, files: Mapping[str, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        read = [read_records(folder, name, records, label_bytes, info.classes) for name, records in files.items()]
        return np.concatenate([images for images, _ in read]), np.concatenate([labels for _, labels in read])

    def convert(folder: Folder) -> Arrays:
        """Return both parts; real values are 0..1."""
        return Arrays(*part(folder, train), *part(folder, test), scale=1 / 255, zero_point=0)

    return Published(info, lambda _: [*train, *test], convert)


CIFAR10 = binary_version(
    dataset_info("cifar10"),
    {f"data_batch_{number}.bin": 10_000 for number in range(1, 6)},
    {"test_batch.bin": 10_000},
    label_bytes=1,
)
CIFAR100 = binary_version(dataset_info("cifar100"), {"train.bin": 50_000}, {"test.bin": 10_000}, label_bytes=2)
