"""Weights of a network in a file: a .npz with float32 arrays `weights<i>` and `bias<i>` for layer i.

`weights<i>` is (structures, elements of a structure): a filter or a row is one line, its elements in the order
kernel row, kernel column, channel.
"""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.assets import write_atomically
from harness.errors import InputError
from harness.model.network import Network
from harness.model.weights import Floats, LayerWeights, weights_shape


def pack_weights(weights: Sequence[LayerWeights | None]) -> bytes:
    """Return the bytes of a file of `weights`, one entry a layer."""
    arrays = {}
    for index, entry in enumerate(weights):
        if entry is not None:
            arrays[f"weights{index}"] = entry.weights
            arrays[f"bias{index}"] = entry.bias
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # names are array names, not options
    return buffer.getvalue()


_READING_FAILS = (
    *(OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error),
    RuntimeError,  # encrypted, or (NotImplementedError) compressed in a way that zipfile does not know
    tokenize.TokenError,  # a header that is no Python text
)


def write_weights(path: Path, weights: Sequence[LayerWeights | None]) -> None:
    """Write `weights`, one entry a layer, in one piece."""
    write_atomically(path, pack_weights(weights))


def read_weights(path: Path, network: Network) -> list[LayerWeights | None]:
    """Return the weights of `network` from a file that `write_weights`, or anything like it, wrote.

    Shapes are read before data, so that a file takes no more memory than the weights of `network` do.

    Raises InputError when the file cannot be read, lacks an array, or holds one of another shape or kind.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a .npz file of weights")
        with zipfile.ZipFile(path) as archive:
            return [_layer(path, archive, network, index) for index in range(len(network.layers))]
    except _READING_FAILS as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"{path}: not a readable .npz file of weights: {reason}") from None


def _layer(path: Path, archive: zipfile.ZipFile, network: Network, index: int) -> LayerWeights | None:
    if not network.layers[index].trainable:
        return None
    structures, elements = weights_shape(network, index)
    return LayerWeights(
        _array(path, archive, f"weights{index}", (structures, elements)),
        _array(path, archive, f"bias{index}", (structures,)),
    )


def _array(path: Path, archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> Floats:
    member = f"{name}.npy"
    if member not in archive.namelist():
        raise InputError(f"{path}: no array '{name}'; expected one of shape {shape}")
    with archive.open(member) as stream:
        found, dtype = _header(stream)
    if found != shape or not np.issubdtype(dtype, np.floating):
        raise InputError(f"{path}: '{name}' is {dtype} of shape {found}; expected float32 of shape {shape}")
    with archive.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
    if not np.isfinite(array).all():
        raise InputError(f"{path}: '{name}' holds values that are not finite")
    return array.astype(np.float32)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
