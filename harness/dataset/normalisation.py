"""Bringing the samples of a run to another range than the one their data set has; statistics are of training data."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.dataset.series import InputRange, Values

NormalisationName = Literal["usual", "centred", "standard", "sample"]
"""`usual`: as the data set has it; `centred`: 0..1 becomes -1..1; `standard`: each channel less its mean, divided by
its deviation, over the training samples; `sample`: each sample less its own mean, divided by its own deviation."""

Bytes = npt.NDArray[np.uint8]

_VALUES = 256
_SMALLEST_DEVIATION = 1e-6
_RANGE_SAMPLES = 4096
_CHUNK = 1024


class Normalised:
    """How samples of one range become samples of another, fixed by training samples."""

    def __init__(self, name: NormalisationName, train: Bytes, scale: float, zero_point: int) -> None:
        """Take statistics of `train` (n, height, width, channels), whose values q mean scale * (q - zero_point)."""
        self._name = name
        self._real = scale * (np.arange(_VALUES) - zero_point)
        self._table: Bytes | None = None
        if name == "usual":
            self.range = InputRange(scale, zero_point)
        elif name == "centred":
            self.range = InputRange(2 * scale, round(0.5 / scale))
        elif name == "standard":
            self.range, self._table = self._standard(train)
        else:
            self.range = InputRange.of(self._by_sample(train[:_RANGE_SAMPLES]))

    def _standard(self, train: Bytes) -> tuple[InputRange, Bytes]:
        """Return the range, and the new value of each channel and old value, (channels, 256)."""
        channels = train.shape[-1]
        counts = np.stack([np.bincount(train[..., channel].ravel(), minlength=_VALUES) for channel in range(channels)])
        total = counts[0].sum()
        mean = counts @ self._real / total
        deviation = np.sqrt(np.maximum(counts @ self._real**2 / total - mean**2, 0))
        deviation = np.where(deviation > _SMALLEST_DEVIATION, deviation, 1.0)
        # Rounded, because the last bits depend on how a machine orders a sum.
        mean, deviation = (each.astype(np.float32).astype(np.float64) for each in (mean, deviation))
        values = (self._real - mean[:, None]) / deviation[:, None]
        found = InputRange.of_counts(values, counts)
        return found, found.quantize(values)

    def _by_sample(self, x: Bytes) -> Values:
        real = self._real[x]
        axes = (1, 2, 3)
        deviation = real.std(axis=axes, keepdims=True)
        deviation = np.where(deviation > _SMALLEST_DEVIATION, deviation, 1.0)
        return np.asarray((real - real.mean(axis=axes, keepdims=True)) / deviation)

    def apply(self, x: Bytes) -> Bytes:
        """Return samples (n, height, width, channels) as uint8 of `range`."""
        if self._table is not None:
            return self._table[np.arange(x.shape[-1]), x]
        if self._name != "sample":
            return x
        chunks = (x[first : first + _CHUNK] for first in range(0, len(x), _CHUNK))
        return np.concatenate([self.range.quantize(self._by_sample(chunk)) for chunk in chunks])
