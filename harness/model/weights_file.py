"""Weights of a network in a file: a .npz with float32 arrays `weights<i>` and `bias<i>` for layer i.

`weights<i>` is (structures, elements of a structure): a filter or a row is one line, its elements in the order
kernel row, kernel column, channel.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.assets import write_atomically
from harness.errors import InputError
from harness.model.network import Network
from harness.model.weights import Floats, LayerWeights, weights_shape

LARGEST_FILE_BYTES = 256 * 1024 * 1024


def write_weights(path: Path, weights: Sequence[LayerWeights | None]) -> None:
    """Write `weights`, one entry a layer, in one piece."""
    arrays = {}
    for index, entry in enumerate(weights):
        if entry is not None:
            arrays[f"weights{index}"] = entry.weights
            arrays[f"bias{index}"] = entry.bias
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # names are array names, not options
    write_atomically(path, buffer.getvalue())


def read_weights(path: Path, network: Network) -> list[LayerWeights | None]:
    """Return the weights of `network` from a file that `write_weights`, or anything like it, wrote.

    Raises InputError when the file cannot be read, lacks an array, or holds one of another shape or kind.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise InputError(f"{path}: larger than {LARGEST_FILE_BYTES} bytes; expected a .npz file of weights")
        with np.load(path, allow_pickle=False) as stored:
            return [_layer(path, stored, network, index) for index in range(len(network.layers))]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as problem:
        raise InputError(f"{path}: not a readable .npz file of weights: {problem}") from None


def _layer(path: Path, stored: np.lib.npyio.NpzFile, network: Network, index: int) -> LayerWeights | None:
    if not network.layers[index].trainable:
        return None
    structures, elements = weights_shape(network, index)
    return LayerWeights(
        _array(path, stored, f"weights{index}", (structures, elements)),
        _array(path, stored, f"bias{index}", (structures,)),
    )


def _array(path: Path, stored: np.lib.npyio.NpzFile, name: str, shape: tuple[int, ...]) -> Floats:
    if name not in stored.files:
        raise InputError(f"{path}: no array '{name}'; expected one of shape {shape}")
    array = stored[name]
    if array.shape != shape or not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{path}: '{name}' is {array.dtype} of shape {array.shape}; expected float32 of shape {shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{path}: '{name}' holds values that are not finite")
    return array.astype(np.float32)
