"""The layers as sums of products, for exact integers (int64) and for floats (float64) alike.

Shapes: activations (height, width, channels) or (features,), errors as their activations, weights (filters,
kernel height, kernel width, channels) or (units, features). Windows, strides and paddings are (down, across).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Pair = tuple[int, int]


def _windows(x: np.ndarray, size: Pair, stride: Pair) -> np.ndarray:
    """Return every window: (output height, output width, channels, window height, window width)."""
    return sliding_window_view(x, size, axis=(0, 1))[:: stride[0], :: stride[1]]


def _padded(x: np.ndarray, padding: Pair) -> np.ndarray:
    return np.pad(x, ((padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))


def conv2d(x: np.ndarray, w: np.ndarray, stride: Pair, padding: Pair) -> np.ndarray:
    windows = _windows(_padded(x, padding), (w.shape[1], w.shape[2]), stride)
    return np.tensordot(windows, w, axes=([3, 4, 2], [1, 2, 3]))


def conv2d_gradient(x: np.ndarray, e: np.ndarray, kernel: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """Gradient of the weights."""
    windows = _windows(_padded(x, padding), kernel, stride)
    return np.tensordot(e, windows, axes=([0, 1], [0, 1])).transpose(0, 2, 3, 1)


def conv2d_error(e: np.ndarray, w: np.ndarray, shape: tuple[int, ...], stride: Pair, padding: Pair) -> np.ndarray:
    """Error of the input of `shape`: every output error goes back to all the input that its window covers."""
    height, width, channels = shape
    (down, across), (above, left) = stride, padding
    rows, columns = e.shape[:2]
    spread = np.zeros((height + 2 * above, width + 2 * left, channels), dtype=e.dtype)
    for y in range(w.shape[1]):
        for x in range(w.shape[2]):
            spread[y : y + down * rows : down, x : x + across * columns : across] += e @ w[:, y, x, :]
    return spread[above : above + height, left : left + width]


def dense(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return w @ x


def dense_gradient(x: np.ndarray, e: np.ndarray) -> np.ndarray:
    return np.outer(e, x)


def dense_error(e: np.ndarray, w: np.ndarray) -> np.ndarray:
    return e @ w


def max_pool2d(x: np.ndarray, size: Pair, stride: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Maxima, and the place of each in its window: of equal ones the first in reading order."""
    windows = _windows(x, size, stride)
    flat = windows.reshape(*windows.shape[:3], -1)
    return flat.max(axis=-1), flat.argmax(axis=-1).astype(np.uint8)


def max_pool2d_error(
    e: np.ndarray, winner: np.ndarray, shape: tuple[int, ...], size: Pair, stride: Pair, limits: tuple[float, float]
) -> np.ndarray:
    """Error of the input of `shape`, added up in the order of the outputs and kept within `limits` at each addition."""
    result = np.zeros(shape, dtype=e.dtype)
    channels = np.arange(shape[2])
    for y, x in np.ndindex(e.shape[:2]):
        at = (y * stride[0] + winner[y, x] // size[1], x * stride[1] + winner[y, x] % size[1], channels)
        result[at] = np.clip(result[at] + e[y, x], *limits)
    return result
