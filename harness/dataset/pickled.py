"""Pickles of plain NumPy arrays, read without running anything that a pickle names.

A pickle is a program that calls what it names. Here the few names that NumPy's own pickles use are bound to harmless
classes that only take notes, and every other name is refused; arrays are built from the notes afterwards.
"""

from __future__ import annotations

import io
import pickle
import re
from typing import Any

import numpy as np

from harness.errors import InputError

_TYPE_CODE = re.compile(r"[biufSUO][0-9]{1,4}")


class _Dtype:
    """Notes of `numpy.dtype(code, align, copy)` and its state, of which only the byte order is used."""

    def __init__(self, code: str, *_: object) -> None:
        if not isinstance(code, str) or not _TYPE_CODE.fullmatch(code):
            raise pickle.UnpicklingError(f"holds elements of type {code!r}")
        self.is_object = code.startswith("O")
        self.dtype = np.dtype(object if self.is_object else code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Notes of `numpy.ndarray`: its state is (version, shape, dtype, is in Fortran order, bytes or list)."""

    state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def value(self) -> Any:
        """Return the array; for an array of objects a list of them, or the object when it has no dimension."""
        _, shape, kind, is_fortran, content = self.state
        if not isinstance(kind, _Dtype):
            raise pickle.UnpicklingError("an array has no element type")
        if kind.is_object:
            items = [_plain(item) for item in content]
            return items if shape else items[0]
        return np.frombuffer(content, dtype=kind.dtype).reshape(shape, order="F" if is_fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    """Turn text back to the bytes that protocol 2 wrote as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"holds bytes as {encoding!r}")
    return text.encode(encoding)


_KNOWN = {
    ("numpy", "ndarray"): "numpy.ndarray",  # only ever an argument of _reconstruct
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return the stand-in for a name; raise UnpicklingError for one that no plain array needs."""
        try:
            return _KNOWN[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"names {module_name}.{global_name}, which is not allowed") from None


def _plain(value: Any) -> Any:
    """Return `value` with the notes of arrays replaced by arrays."""
    if isinstance(value, _Array):
        return value.value()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def read_pickle(name: str, content: bytes) -> Any:
    """Return the arrays, dictionaries, lists, texts and numbers of a pickle.

    Raises InputError when it is damaged or names anything but what a plain NumPy array needs.
    """
    try:
        return _plain(_Unpickler(io.BytesIO(content)).load())
    except Exception as error:  # a damaged or hostile pickle can make the loader fail in any way
        raise InputError(f"{name}: cannot be read as a pickle of arrays: {error or type(error).__name__}") from None
