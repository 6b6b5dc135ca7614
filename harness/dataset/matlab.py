"""Vectors of numbers in MATLAB files of level 5: MathWorks, MAT-File Format, chapter 1.

SciPy's reader ends the process on some damaged files, so files of the user are read here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.errors import InputError

_HEADER_BYTES = 128
_TAG_BYTES = 8
_SMALL_BYTES = 4
_ALIGNMENT = 8
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x08

_Order = Literal["big", "little"]


class _DamagedError(Exception):
    """The content is no MATLAB file of level 5."""


@dataclass(frozen=True)
class _Element:
    """One data element: its type and its content."""

    kind: int
    content: bytes


def read_numbers(name: str, content: bytes, variable: str, most_bytes: int) -> npt.NDArray[np.float64]:
    """Return the vector `variable` (n,) of a MATLAB file that unpacks to at most `most_bytes`.

    Raises InputError when the file is damaged or larger, or when there is no such vector of finite numbers.
    """
    try:
        vector = _find(content, variable, most_bytes)
    except _DamagedError as error:
        raise InputError(f"{name}: cannot be read as a MATLAB file of level 5: {error}") from None
    if vector is None:
        raise InputError(f"{name}: has no vector of numbers '{variable}'; expected one")
    if not np.isfinite(vector).all():
        raise InputError(f"{name}: '{variable}' has values that are not finite numbers")
    return vector


def _find(content: bytes, variable: str, most_bytes: int) -> npt.NDArray[np.float64] | None:
    orders: dict[bytes, _Order] = {b"IM": "little", b"MI": "big"}
    order = orders.get(content[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if order is None:
        raise _DamagedError("the header names no byte order")
    left = most_bytes
    for element in _elements(content[_HEADER_BYTES:], order):
        matrix = element
        if element.kind == _COMPRESSED:
            unpacked = _unpacked(element.content, left)
            left -= len(unpacked)
            matrix = next(_elements(unpacked, order), element)
        if matrix.kind == _MATRIX:
            found, vector = _vector(matrix.content, order)
            if found == variable.encode():
                return vector
    return None


def _unpacked(content: bytes, most_bytes: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(content, most_bytes + 1)
    except zlib.error as error:
        raise _DamagedError(str(error)) from None
    if len(unpacked) > most_bytes:
        raise _DamagedError("it unpacks to more than expected")
    if not decompressor.eof:
        raise _DamagedError("it is cut short")
    return unpacked


def _elements(content: bytes, order: _Order) -> Iterator[_Element]:
    """Yield the data elements that stand one behind the other."""
    place = 0
    while place + _TAG_BYTES <= len(content):
        kind, size = (int.from_bytes(content[place + at : place + at + 4], order) for at in (0, 4))
        start = place + _TAG_BYTES
        if kind >> 16:  # the small form: size and type share the first word, and the content is in the second
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            if size > _SMALL_BYTES:
                raise _DamagedError("a small element is too large")
        if start + size > len(content):
            raise _DamagedError("it is cut short")
        yield _Element(kind, content[start : start + size])
        place = start + size
        if kind != _COMPRESSED:
            place += -place % _ALIGNMENT


def _vector(content: bytes, order: _Order) -> tuple[bytes, npt.NDArray[np.float64] | None]:
    """Return name and numbers of a matrix; None in their place when they are no real vector."""
    parts = []
    for _, element in zip(range(4), _elements(content, order), strict=False):
        parts.append(element)
    if len(parts) < 3:
        raise _DamagedError("a matrix lacks its header")
    flags, extents, name = parts[:3]
    word = int.from_bytes(flags.content[:4], order)
    shape = _numbers(extents, order)
    is_real = word & 0xFF in _NUMERIC_CLASSES and not (word >> 8) & _COMPLEX
    if not is_real or shape is None or len(shape) != 2 or shape.min() != 1 or len(parts) < 4:
        return name.content, None
    values = _numbers(parts[3], order)
    if values is None or len(values) != int(shape.max()):
        raise _DamagedError("a vector has another length than its header says")
    return name.content, values


def _numbers(element: _Element, order: _Order) -> npt.NDArray[np.float64] | None:
    code = _TYPES.get(element.kind)
    if code is None or len(element.content) % int(code[1]):
        return None
    dtype = np.dtype(code).newbyteorder(">" if order == "big" else "<")
    return np.frombuffer(element.content, dtype).astype(np.float64)
