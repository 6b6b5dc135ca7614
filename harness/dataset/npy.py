"""Arrays in NumPy's own file format."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.dataset.pickled import read_pickle
from harness.errors import InputError


def read_npy(name: str, content: bytes) -> npt.NDArray[Any]:
    """Return the array of an `.npy` file; raise InputError when it is damaged or holds objects."""
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # what a wrong header makes NumPy raise is not documented
        raise InputError(f"{name}: cannot be read as an array: {error}") from None
    return np.asarray(array)


def read_object_npy(name: str, content: bytes) -> Any:
    """Return the one object of an `.npy` file that holds a pickle, read with `read_pickle`."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:
        raise InputError(f"{name}: cannot be read as an array: {error}") from None
    if version != (1, 0) or shape != () or not dtype.hasobject:
        raise InputError(
            f"{name}: holds {dtype} of shape {shape}, format {version}; expected one object, format (1, 0)"
        )
    return read_pickle(name, stream.read())
