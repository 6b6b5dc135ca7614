"""Depthwise convolution, for exact integers (int64) and for floats (float64) alike.

Shapes: activations and errors (height, width, channels), weights (channels, kernel height, kernel width). Strides and
paddings are (down, across).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Pair = tuple[int, int]


def _windows(x: np.ndarray, size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """Return every window: (output height, output width, channels, window height, window width)."""
    padded = np.pad(x, ((padding[0], padding[0]), (padding[1], padding[1]), (0, 0)))
    return sliding_window_view(padded, size, axis=(0, 1))[:: stride[0], :: stride[1]]


def depthwise_conv2d(x: np.ndarray, w: np.ndarray, stride: Pair, padding: Pair) -> np.ndarray:
    return np.einsum("yxckl,ckl->yxc", _windows(x, (w.shape[1], w.shape[2]), stride, padding), w)


def depthwise_conv2d_gradient(x: np.ndarray, e: np.ndarray, kernel: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """Gradient of the weights."""
    return np.einsum("yxckl,yxc->ckl", _windows(x, kernel, stride, padding), e)


def depthwise_conv2d_error(
    e: np.ndarray, w: np.ndarray, shape: tuple[int, ...], stride: Pair, padding: Pair
) -> np.ndarray:
    """Error of the input of `shape`: every output error goes back to all the input that its window covers."""
    height, width, channels = shape
    (down, across), (above, left) = stride, padding
    rows, columns = e.shape[:2]
    spread = np.zeros((height + 2 * above, width + 2 * left, channels), dtype=e.dtype)
    for y in range(w.shape[1]):
        for x in range(w.shape[2]):
            spread[y : y + down * rows : down, x : x + across * columns : across] += e * w[:, y, x]
    return spread[above : above + height, left : left + width]
