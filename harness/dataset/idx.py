"""IDX files as MNIST and its relatives ship them: http://yann.lecun.com/exdb/mnist."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.errors import InputError

_UNSIGNED_BYTE = 0x08
_EXTENT_BYTES = 4


def _header(shape: tuple[int, ...]) -> bytes:
    extents = b"".join(extent.to_bytes(_EXTENT_BYTES, "big") for extent in shape)
    return bytes([0, 0, _UNSIGNED_BYTE, len(shape)]) + extents


def idx_size_bytes(shape: tuple[int, ...]) -> int:
    """Return the bytes of an IDX file of unsigned bytes."""
    return len(_header(shape)) + math.prod(shape)


def read_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return the unsigned bytes of the gzip-compressed IDX file `path`, whose shape must be `shape`.

    Never unpacks more than the shape needs. Raises InputError when the file is missing, damaged, or of another type,
    shape or size.
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(idx_size_bytes(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as gzip: {error}; expected an IDX file of shape {shape}") from None
    return parse_idx(str(path), content, shape)


def parse_idx(name: str, content: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return the unsigned bytes of the content of an IDX file; raise InputError when type, shape or size differ."""
    header = _header(shape)
    size_bytes = idx_size_bytes(shape)
    if content[: len(header)] != header:
        found = content[: len(header)].hex()
        raise InputError(
            f"{name}: starts with {found or 'nothing'}; expected {header.hex()}, IDX bytes of shape {shape}"
        )
    if len(content) != size_bytes:
        found = f"{len(content)} bytes" if len(content) < size_bytes else f"more than {size_bytes} bytes"
        raise InputError(f"{name}: unpacks to {found}; expected {size_bytes} bytes, IDX bytes of shape {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(shape)


def parse_idx_of_at_most(name: str, content: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return the unsigned bytes of an IDX file of at most `shape[0]` samples, as many as its header says.

    Raises InputError as `parse_idx` does.
    """
    told = int.from_bytes(content[4 : 4 + _EXTENT_BYTES], "big")
    return parse_idx(name, content, (min(told, shape[0]), *shape[1:]))
