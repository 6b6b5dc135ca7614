"""Mel-frequency cepstral coefficients (MFCC) of short recordings of speech.

The frames, filters and logarithm are those of Y. Zhang et al., Hello Edge, arXiv 1711.07128: frames of 40 ms every 20
ms, 40 triangular filters from 20 to 4000 Hz, equally wide on the mel scale 1127 ln(1 + f / 700 Hz).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
CLIP_SAMPLES = RATE_HZ
FRAME_SAMPLES = 640
HOP_SAMPLES = 320
FRAMES = 1 + (CLIP_SAMPLES - FRAME_SAMPLES) // HOP_SAMPLES
COEFFICIENTS = 13

_FFT_SAMPLES = 1024
_FILTERS = 40
_LOW_HZ, _HIGH_HZ = 20.0, 4000.0
_SMALLEST_MAGNITUDE = 1e-4  # about that of noise of one bit


def coefficients(clips: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return the MFCCs (n, 49, 13) of clips (n, 16000) whose values lie in -1..1.

    A frame is weighted by a periodic Hann window; the logarithm is that of the filtered magnitude, and the transform
    the orthonormal cosine transform of type II.
    """
    from scipy.fft import dct  # here: SciPy takes a while to import

    frames = np.lib.stride_tricks.sliding_window_view(clips, FRAME_SAMPLES, axis=1)[:, ::HOP_SAMPLES]
    window = np.hanning(FRAME_SAMPLES + 1)[:-1]
    magnitude = np.abs(np.fft.rfft(frames * window, _FFT_SAMPLES, axis=2))
    energy = np.log(np.maximum(magnitude @ _filters(), _SMALLEST_MAGNITUDE))
    return np.asarray(dct(energy, type=2, norm="ortho", axis=2)[..., :COEFFICIENTS], dtype=np.float32)


@cache
def _filters() -> npt.NDArray[np.float64]:
    """Return the weight of each spectral line in each filter, (513, 40)."""
    edges = np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), _FILTERS + 2)
    lines = np.array([_mel(line * RATE_HZ / _FFT_SAMPLES) for line in range(_FFT_SAMPLES // 2 + 1)])[:, None]
    rising = (lines - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - lines) / np.diff(edges)[1:]
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None))


def _mel(frequency_hz: float) -> float:
    return float(1127.0 * np.log1p(frequency_hz / 700.0))
