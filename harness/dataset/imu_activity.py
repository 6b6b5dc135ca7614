"""Shoulder exercises recorded by a smartwatch, from the Python package `seglearn`; split by subject."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.converted import Converted
from harness.dataset.groups import adaptation_use
from harness.dataset.npy import read_object_npy
from harness.dataset.package import Package
from harness.dataset.sample import Labels
from harness.dataset.series import Values, windows
from harness.errors import InputError

WINDOW = 128
HOP = 64
AXES = 6
TRAINING_SUBJECTS = range(1, 8)
TEST_SUBJECTS = range(8, 11)

_MEMBER = "seglearn/data/watch_dataset.npy"


def convert(members: Mapping[str, bytes]) -> Arrays:
    """Return windows (n, 1, 128, 6) of subjects 1 to 7 for training and of 8 to 10 for the test."""
    recordings, labels, subjects = _recordings(members[_MEMBER])
    parts: list[tuple[Values, Labels, Labels, Labels]] = []
    for chosen in (TRAINING_SUBJECTS, TEST_SUBJECTS):
        cut = [
            (windows(recording, WINDOW, HOP), label, subject)
            for recording, label, subject in zip(recordings, labels, subjects, strict=True)
            if subject in chosen
        ]
        if not cut:
            raise InputError(f"{_MEMBER}: has no recording of the subjects {chosen[0]} to {chosen[-1]}")
        counts = [len(part) for part, _, _ in cut]
        parts.append(
            (
                np.concatenate([part for part, _, _ in cut]),
                np.repeat([label for _, label, _ in cut], counts).astype(np.uint8),
                np.repeat([subject for _, _, subject in cut], counts).astype(np.uint8),
                np.concatenate([adaptation_use(count, overlapping=1) for count in counts]),
            )
        )
    (train, train_y, _, _), (test, test_y, group, use) = parts
    return Arrays.of_series(train, train_y, test, test_y, group, use)


def _recordings(content: bytes) -> tuple[list[Values], list[int], list[int]]:
    """Return the recordings, each (time, 6), with the exercise and the subject of each."""
    data = read_object_npy(_MEMBER, content)
    if not isinstance(data, dict) or not {"X", "y", "subject"} <= data.keys():
        raise InputError(f"{_MEMBER}: expected a dictionary with X, y and subject")
    recordings, labels, subjects = data["X"], data["y"], data["subject"]
    for recording in recordings:
        if not isinstance(recording, np.ndarray) or recording.ndim != 2 or recording.shape[1] != AXES:
            raise InputError(f"{_MEMBER}: expected recordings of {AXES} axes")
        if recording.dtype.kind != "f" or not np.isfinite(recording).all():
            raise InputError(f"{_MEMBER}: has values that are not finite numbers")
    for key, values in (("y", labels), ("subject", subjects)):
        if not isinstance(values, np.ndarray) or values.shape != (len(recordings),) or values.dtype.kind not in "iu":
            raise InputError(f"{_MEMBER}: {key}: expected one whole number for each of {len(recordings)} recordings")
    return recordings, labels.tolist(), subjects.tolist()


IMU_ACTIVITY = Converted(
    info=dataset_info("imu-activity"),
    package=Package(
        client="pip",
        name="seglearn",
        version="1.2.5",
        file_name="seglearn-1.2.5-py3-none-any.whl",
        sha256="ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd",
    ),
    members={_MEMBER: 20_000_000},
    convert=convert,
    version=2,
)
