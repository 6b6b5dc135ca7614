"""Average pooling, up to the division by the size of the window, for integers (int64) and for floats (float64) alike.

Shapes: (height, width, channels). Windows and strides are (down, across).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Pair = tuple[int, int]


def avg_pool2d(x: np.ndarray, size: Pair, stride: Pair) -> np.ndarray:
    """Return the sum of every window."""
    return sliding_window_view(x, size, axis=(0, 1))[:: stride[0], :: stride[1]].sum(axis=(3, 4))


def avg_pool2d_error(e: np.ndarray, shape: tuple[int, ...], size: Pair, stride: Pair) -> np.ndarray:
    """Sum, for each input of `shape`, the errors of the windows it is in."""
    result = np.zeros(shape, dtype=e.dtype)
    for y, x in np.ndindex(e.shape[:2]):
        top, left = y * stride[0], x * stride[1]
        result[top : top + size[0], left : left + size[1]] += e[y, x]
    return result
