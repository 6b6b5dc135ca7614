"""The layers as sums of products, for exact integers (int64) and for floats (float64) alike.

Shapes: activations (height, width, channels) or (features,), weights (filters, kernel, kernel, channels) or (units,
features), errors as the activations they belong to.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def _windows(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    """(output height, output width, channels, size, size)"""
    return sliding_window_view(x, (size, size), axis=(0, 1))[::stride, ::stride]


def _padded(x: np.ndarray, padding: int) -> np.ndarray:
    return np.pad(x, ((padding, padding), (padding, padding), (0, 0)))


def conv2d(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    return np.tensordot(_windows(_padded(x, padding), w.shape[1], stride), w, axes=([3, 4, 2], [1, 2, 3]))


def conv2d_gradient(x: np.ndarray, e: np.ndarray, kernel: int, stride: int, padding: int) -> np.ndarray:
    """Gradient of the weights."""
    windows = _windows(_padded(x, padding), kernel, stride)
    return np.tensordot(e, windows, axes=([0, 1], [0, 1])).transpose(0, 2, 3, 1)


def conv2d_error(e: np.ndarray, w: np.ndarray, shape: tuple[int, ...], stride: int, padding: int) -> np.ndarray:
    """Error of the input of `shape`: every output error goes back to all the input that its window covers."""
    height, width, channels = shape
    rows, columns = e.shape[:2]
    spread = np.zeros((height + 2 * padding, width + 2 * padding, channels), dtype=e.dtype)
    for y in range(w.shape[1]):
        for x in range(w.shape[2]):
            spread[y : y + stride * rows : stride, x : x + stride * columns : stride] += e @ w[:, y, x, :]
    return spread[padding : padding + height, padding : padding + width]


def dense(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return w @ x


def dense_gradient(x: np.ndarray, e: np.ndarray) -> np.ndarray:
    return np.outer(e, x)


def dense_error(e: np.ndarray, w: np.ndarray) -> np.ndarray:
    return e @ w


def max_pool2d(x: np.ndarray, size: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Maxima, and the place of each in its window: of equal ones the first in reading order."""
    windows = _windows(x, size, stride)
    flat = windows.reshape(*windows.shape[:3], size * size)
    return flat.max(axis=-1), flat.argmax(axis=-1).astype(np.uint8)


def max_pool2d_error(
    e: np.ndarray, winner: np.ndarray, shape: tuple[int, ...], size: int, stride: int, limits: tuple[float, float]
) -> np.ndarray:
    """Error of the input of `shape`, added up in the order of the outputs and kept within `limits` at each addition."""
    result = np.zeros(shape, dtype=e.dtype)
    channels = np.arange(shape[2])
    for y, x in np.ndindex(e.shape[:2]):
        at = (y * stride + winner[y, x] // size, x * stride + winner[y, x] % size, channels)
        result[at] = np.clip(result[at] + e[y, x], *limits)
    return result
