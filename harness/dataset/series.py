"""Series as uint8 samples: windows, one length for all, normalisation, quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Number = TypeVar("Number", np.float64, np.uint8)

_LARGEST_VALUE = 255
_CLIPPED_PERCENT = 0.1


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation of each channel, (channels,), over the training data alone."""

    mean: Values
    deviation: Values

    @classmethod
    def of(cls, train: Values) -> Normalisation:
        """Return that of values (..., channels); a channel that never changes keeps the deviation 1."""
        rows = train.reshape(-1, train.shape[-1])
        deviation = rows.std(axis=0)
        return cls(_rounded(rows.mean(axis=0)), _rounded(np.where(deviation > 0, deviation, 1.0)))

    def apply(self, values: Values) -> Values:
        """Return values (..., channels) less the mean, in deviations."""
        return (values - self.mean) / self.deviation


def _rounded(values: Values) -> Values:
    """Drop the last bits, which depend on how a machine orders a sum."""
    return values.astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class InputRange:
    """The affine uint8 range of the inputs: real = scale * (q - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, train: Values) -> InputRange:
        """Return the range from zero or below to zero or above that clips 0.1 % of the training values at each end."""
        low, high = np.percentile(train, [_CLIPPED_PERCENT, 100 - _CLIPPED_PERCENT])
        return cls._around(float(low), float(high))

    @classmethod
    def of_counts(cls, values: Values, counts: npt.NDArray[np.int64]) -> InputRange:
        """Return the range of `values`, each of which occurs `counts` times, that clips as `of` does."""
        order = np.argsort(values, axis=None, kind="stable")
        up_to = np.cumsum(counts.ravel()[order]) / counts.sum()
        places = np.searchsorted(up_to, [_CLIPPED_PERCENT / 100, 1 - _CLIPPED_PERCENT / 100])
        low, high = values.ravel()[order][np.minimum(places, len(order) - 1)]
        return cls._around(float(low), float(high))

    @classmethod
    def _around(cls, low: float, high: float) -> InputRange:
        low, high = min(low, 0.0), max(high, 0.0)
        scale = float(np.float32((high - low) / _LARGEST_VALUE or 1 / _LARGEST_VALUE))
        return cls(scale, min(round(-low / scale), _LARGEST_VALUE))

    def quantize(self, values: Values) -> npt.NDArray[np.uint8]:
        """Return the nearest representable values; those outside the range become its ends."""
        quantized = np.rint(values / self.scale) + self.zero_point
        return np.asarray(np.clip(quantized, 0, _LARGEST_VALUE), dtype=np.uint8)


def windows(series: npt.NDArray[Number], length: int, hop: int) -> npt.NDArray[Number]:
    """Return the whole windows (n, length, channels) of a series (time, channels) that start every `hop` samples."""
    starts = range(0, len(series) - length + 1, hop)
    return np.array([series[start : start + length] for start in starts]).reshape(-1, length, series.shape[1])


def fit_length(series: Values, length: int) -> Values:
    """Return the first `length` frames of a series (time, channels), followed by zeros when there are fewer."""
    fitted = np.zeros((length, series.shape[1]))
    fitted[: min(length, len(series))] = series[:length]
    return fitted
