"""Small folders as publishers ship their data sets, written by the tests."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

GENERATOR_SEED = 5


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(GENERATOR_SEED))


def idx(array: np.ndarray) -> bytes:
    extents = b"".join(int(extent).to_bytes(4, "big") for extent in array.shape)
    return bytes([0, 0, 8, array.ndim]) + extents + array.astype(np.uint8).tobytes()


def idx_folder(folder: Path, stems: tuple[str, str], classes: int, first: int = 0, packed: bool = True) -> None:
    """Write 6 training and 2 test images a class, noise with one bright pixel at row 1 and column 2."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = generator()
    for stem, count in zip(stems, (6 * classes, 2 * classes), strict=True):
        images = noise.integers(0, 200, (count, 28, 28))
        images[:, 1, 2] = 255
        labels = np.arange(count) % classes + first
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx(array)
            name = f"{stem}-{kind}-ubyte"
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


def cifar_record(label: bytes, pixel: tuple[int, int, int], seed: int) -> bytes:
    """Return one record whose pixel at row 1, column 2 has the given red, green and blue."""
    image = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    image[:, 1, 2] = pixel
    return label + image.tobytes()
