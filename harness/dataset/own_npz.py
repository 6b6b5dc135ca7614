"""Samples of one's own in an `.npz` file: train_x, train_y, test_x and test_y, or x and y."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from harness.dataset.file import file_size, shown
from harness.dataset.own import Part, shaped
from harness.errors import InputError

_PARTS = (("train_x", "train_y", "test_x", "test_y"), ("x", "y"))
_MOST_FILE_BYTES = 1 << 29
_MOST_BYTE_ELEMENTS = 1 << 28
_MOST_ELEMENTS = 1 << 26
_MOST_HEADER_BYTES = 10_000
_SHOWN = 200


def read_own_npz(path: Path, shape: tuple[int, int, int] | None) -> tuple[Part, Part | None]:
    """Return the training and test samples of an `.npz` file, or one part when it tells none.

    Headers are read before data, so that memory is bounded by 2**28 bytes or 2**26 other numbers for each array.
    Raises InputError when the file is missing, damaged, or holds anything else.
    """
    if file_size(path) > _MOST_FILE_BYTES:
        raise InputError(f"{path}: has {file_size(path)} bytes; expected at most {_MOST_FILE_BYTES}")
    try:
        with zipfile.ZipFile(path) as archive:
            names = _names(path, archive.namelist())
            arrays = [_array(path, archive, name) for name in names]
    except InputError:
        raise
    except Exception as problem:  # what a wrong header makes NumPy raise is not documented, and it quotes the header
        reason = shown(" ".join(str(problem).split()), _SHOWN)
        raise InputError(f"{path}: not a readable .npz file: {reason or type(problem).__name__}") from None
    parts = [
        _part(path, names[index : index + 2], arrays[index], arrays[index + 1], shape)
        for index in range(0, len(arrays), 2)
    ]
    if len(parts) == 2 and parts[0].x.shape[1:] != parts[1].x.shape[1:]:
        raise InputError(
            f"{path}: train_x is {arrays[0].shape} and test_x {arrays[2].shape}; expected the same samples"
        )
    if len(parts) == 2 and (parts[0].x.dtype == np.uint8) != (parts[1].x.dtype == np.uint8):
        raise InputError(f"{path}: train_x is {arrays[0].dtype} and test_x {arrays[2].dtype}; expected the same")
    return parts[0], parts[1] if len(parts) == 2 else None


def _names(path: Path, members: Iterable[str]) -> tuple[str, ...]:
    present = {name.removesuffix(".npy") for name in members}
    for names in _PARTS:
        if present.issuperset(names):
            return names
    raise InputError(f"{path}: expected the arrays {', '.join(_PARTS[0])}, or {' and '.join(_PARTS[1])}")


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    member = f"{name}.npy"
    with archive.open(member) as stream:
        shape, dtype = _header(stream)
        header_bytes = stream.tell()
    elements = int(np.prod(shape, dtype=object))
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise InputError(f"{path}: {name} holds {dtype}; expected numbers")
    most = _MOST_BYTE_ELEMENTS if dtype.itemsize == 1 else _MOST_ELEMENTS
    if elements > most:
        raise InputError(f"{path}: {name} has {elements} elements; expected at most {most}")
    # Before the array is reserved: a header may ask for more than the file has.
    if archive.getinfo(member).file_size != header_bytes + elements * dtype.itemsize:
        raise InputError(f"{path}: {name} is cut short or continued; expected {elements} elements of {dtype}")
    with archive.open(member) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in {(1, 0), (2, 0)}:
        raise ValueError(f"array format {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream, max_header_size=_MOST_HEADER_BYTES)
    return shape, dtype


def _part(
    path: Path, names: tuple[str, ...], x: npt.NDArray[Any], y: npt.NDArray[Any], shape: tuple[int, int, int] | None
) -> Part:
    if y.ndim != 1 or y.dtype.kind not in "iu" or x.ndim < 1 or len(x) != len(y):
        raise InputError(
            f"{path}: {names[1]} is {y.dtype} of shape {y.shape}; expected one whole number for each of "
            f"{len(x) if x.ndim else 0} samples of {names[0]}"
        )
    if not len(y):
        raise InputError(f"{path}: {names[0]} is empty; expected samples")
    if y.dtype.itemsize == 8 and y.max() > np.iinfo(np.int64).max:
        raise InputError(f"{path}: {names[1]} has the label {y.max()}; expected small whole numbers")
    values = x if x.dtype == np.uint8 else x.astype(np.float32)
    return Part(shaped(f"{path}: {names[0]}", values, shape), y.astype(np.int64))
