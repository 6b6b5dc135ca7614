"""Oxford Flowers 102: photographs in JPEG, made small and square; the publisher's split."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.file import Folder
from harness.dataset.matlab import read_numbers
from harness.dataset.published import Published
from harness.dataset.sample import Labels
from harness.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

PHOTOGRAPHS = 8189
EXTENT = 64

_LABELS, _SPLIT = "imagelabels.mat", "setid.mat"
_MOST_FILE_BYTES = 1 << 23
_MOST_PIXELS = 1 << 24


def _name(number: int) -> str:
    return f"jpg/image_{number:05}.jpg"


def read_photograph(folder: Folder, name: str) -> npt.NDArray[np.uint8]:
    """Return the middle square of a photograph as (64, 64, 3); raise InputError when it is damaged or too large."""
    from PIL import Image  # here: it takes a while to import

    content = folder.read(name, _MOST_FILE_BYTES)
    title = str(folder.path / name)
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            _check_size(title, image)
            return _small_square(image)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes Pillow fail in many ways
        raise InputError(f"{title}: cannot be read as JPEG: {error}") from None


def _check_size(title: str, image: Image) -> None:
    """Raise InputError before the pixels are unpacked when there are too many, or so few that a side is none."""
    if not 0 < image.width * image.height <= _MOST_PIXELS:
        raise InputError(f"{title}: has {image.width} x {image.height} pixels; expected at most {_MOST_PIXELS}")


def _small_square(image: Image) -> npt.NDArray[np.uint8]:
    from PIL.Image import Resampling

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").resize((EXTENT, EXTENT), Resampling.BOX, (left, top, left + side, top + side))
    return np.asarray(square, dtype=np.uint8)


def convert(folder: Folder) -> Arrays:
    """Return photographs (n, 64, 64, 3), real values 0..1: trnid and valid for training, tstid for the test."""
    labels = _whole_numbers(folder, _LABELS, "labels", 102)
    if len(labels) != PHOTOGRAPHS:
        raise InputError(f"{folder.path / _LABELS}: has {len(labels)} labels; expected {PHOTOGRAPHS}")
    train, more, test = (
        _whole_numbers(folder, _SPLIT, variable, PHOTOGRAPHS) for variable in ("trnid", "valid", "tstid")
    )
    return Arrays(*_part(folder, [*train, *more], labels), *_part(folder, test, labels), scale=1 / 255, zero_point=0)


def _whole_numbers(folder: Folder, name: str, variable: str, most: int) -> list[int]:
    """Return numbers of at least 1 and at most `most`."""
    title = str(folder.path / name)
    numbers = read_numbers(title, folder.read(name, _MOST_FILE_BYTES), variable, _MOST_FILE_BYTES)
    if not np.isin(numbers, np.arange(1, most + 1)).all():
        raise InputError(f"{title}: '{variable}' has values that are no whole numbers from 1 to {most}")
    return [int(number) for number in numbers]


def _part(folder: Folder, numbers: Sequence[int], labels: Sequence[int]) -> tuple[npt.NDArray[np.uint8], Labels]:
    images = [read_photograph(folder, _name(number)) for number in numbers]
    chosen = [labels[number - 1] - 1 for number in numbers]
    if not images:
        raise InputError(f"{folder.path / _SPLIT}: has an empty part; expected photographs")
    return np.stack(images), np.array(chosen, dtype=np.uint8)


FLOWERS = Published(
    dataset_info("flowers102"),
    files=lambda _: [_LABELS, _SPLIT, *(_name(number) for number in range(1, PHOTOGRAPHS + 1))],
    convert=convert,
    needed=(_LABELS, _SPLIT, _name(1), _name(PHOTOGRAPHS)),
    kept=True,
)
