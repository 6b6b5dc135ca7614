"""Turning, moving, mirroring and disturbing samples, on their uint8 values and in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]

_CHUNK_ELEMENTS = 1 << 21
_LARGEST_VALUE = 255


@dataclass(frozen=True)
class Distortion:
    """What is done to each of n samples, in this order; what is None is not done.

    `mirrored` (n,) says which are mirrored left to right, `offsets` (n, 2) by how many rows down and columns to the
    right each is moved, `angles_deg` (n,) by how much each is turned counter-clockwise about its middle, bilinearly.
    What comes in from outside is real zero. `noise` is the deviation of normal noise in real units.
    """

    mirrored: npt.NDArray[np.bool_] | None = None
    offsets: npt.NDArray[np.int64] | None = None
    angles_deg: Reals | None = None
    noise: float = 0.0

    def apply(self, x: Bytes, scale: float, zero_point: int, generator: np.random.Generator) -> Bytes:
        """Return samples (n, height, width, channels) distorted, as uint8 of the same range."""
        result = np.empty_like(x)
        for part in _chunks(x):
            values = x[part]
            if self.mirrored is not None:
                values = np.where(self.mirrored[part][:, None, None, None], values[:, :, ::-1], values)
            if self.offsets is not None:
                values = _moved(values, self.offsets[part], zero_point)
            if self.angles_deg is not None or self.noise:
                real = values.astype(np.float64) - zero_point
                if self.angles_deg is not None:
                    real = _turned(real, self.angles_deg[part])
                if self.noise:
                    real += generator.normal(0.0, self.noise / scale, real.shape)
                values = np.clip(np.rint(real + zero_point), 0, _LARGEST_VALUE).astype(np.uint8)
            result[part] = values
        return result


def _chunks(x: Bytes) -> Iterator[slice]:
    length = max(1, _CHUNK_ELEMENTS // max(1, int(np.prod(x.shape[1:]))))
    return (slice(first, first + length) for first in range(0, len(x), length))


def _moved(x: Bytes, offsets: npt.NDArray[np.int64], fill: int) -> Bytes:
    height, width = x.shape[1:3]
    rows = np.arange(height)[None] - offsets[:, :1]
    columns = np.arange(width)[None] - offsets[:, 1:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    sample = np.arange(len(x))[:, None, None]
    taken = x[sample, np.clip(rows, 0, height - 1)[:, :, None], np.clip(columns, 0, width - 1)[:, None]]
    return np.where(inside[..., None], taken, np.uint8(fill))


def _turned(x: Reals, angles_deg: Reals) -> Reals:
    """Return images turned about their middle; a corner of the bilinear square that lies outside counts as zero."""
    height, width = x.shape[1:3]
    angle = np.deg2rad(angles_deg)[:, None, None]
    down = np.arange(height)[None, :, None] - (height - 1) / 2
    right = np.arange(width)[None, None, :] - (width - 1) / 2
    rows = np.cos(angle) * down + np.sin(angle) * right + (height - 1) / 2
    columns = np.cos(angle) * right - np.sin(angle) * down + (width - 1) / 2
    top, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    sample = np.arange(len(x))[:, None, None]
    result = np.zeros_like(x)
    for row, row_weight in ((top, top + 1 - rows), (top + 1, rows - top)):
        for column, column_weight in ((left, left + 1 - columns), (left + 1, columns - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = np.where(inside, row_weight * column_weight, 0.0)
            taken = x[sample, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
            result += weight[..., None] * taken
    return result
