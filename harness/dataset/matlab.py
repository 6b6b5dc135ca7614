"""Numbers in MATLAB files of version 5, read through SciPy within bounds."""

from __future__ import annotations

import io
import zlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from harness.errors import InputError

_HEADER_BYTES = 128
_TAG_BYTES = 8
_COMPRESSED = 15
_NUMBERS = {"double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"}
_PIECE_BYTES = 1 << 20


def read_numbers(name: str, content: bytes, variable: str, most_bytes: int) -> npt.NDArray[np.float64]:
    """Return the vector `variable` (n,) of a MATLAB file that unpacks to at most `most_bytes`.

    Raises InputError when the file is damaged or larger, or when there is no such vector of numbers.
    """
    from scipy.io import loadmat, whosmat  # here: SciPy takes a while to import

    _check_unpacked(name, content, most_bytes)
    try:
        found = {key: (shape, kind) for key, shape, kind in whosmat(io.BytesIO(content))}
        shape, kind = found.get(variable, ((), ""))
        is_vector = len(shape) == 2 and min(shape) == 1 and kind in _NUMBERS
        values: Any = loadmat(io.BytesIO(content), variable_names=[variable])[variable] if is_vector else None
    except Exception as error:  # a damaged file makes SciPy fail in many ways
        raise InputError(f"{name}: cannot be read as a MATLAB file: {' '.join(str(error).split())}") from None
    if values is None:
        raise InputError(f"{name}: has no vector of numbers '{variable}'; expected one")
    vector = np.asarray(values).ravel()
    if vector.dtype.kind not in "iuf" or not np.isfinite(vector).all():
        raise InputError(f"{name}: '{variable}' has values that are not finite numbers")
    return vector.astype(np.float64)


def _check_unpacked(name: str, content: bytes, most_bytes: int) -> None:
    """Raise InputError when the compressed elements of the file unpack to more than `most_bytes` together."""
    order: Literal["big", "little"] = "big" if content[126:128] == b"MI" else "little"
    place, unpacked_bytes = _HEADER_BYTES, 0
    while place + _TAG_BYTES <= len(content):
        kind = int.from_bytes(content[place : place + 4], order)
        size = int.from_bytes(content[place + 4 : place + 8], order)
        place += _TAG_BYTES
        if kind == _COMPRESSED:
            decompressor = zlib.decompressobj()
            rest = content[place : place + size]
            try:
                while rest and not decompressor.eof:
                    unpacked_bytes += len(decompressor.decompress(rest, _PIECE_BYTES))
                    rest = decompressor.unconsumed_tail
                    if unpacked_bytes > most_bytes:
                        raise InputError(f"{name}: unpacks to more than {most_bytes} bytes; expected no more")
            except zlib.error as error:
                raise InputError(f"{name}: cannot be read as a MATLAB file: {error}") from None
        place += size
