"""Daily activities with inertial sensors at wrist, chest, hip and ankle (DaLiAC); split by subject.

H. Leutheuser et al., PLoS ONE 8(10), 2013: 19 subjects, 13 activities, four sensors of three axes of acceleration and
three of rotation at 204.8 Hz. A file a subject, a line a sample: 24 values and the number of the activity.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.file import Folder, file_size
from harness.dataset.groups import adaptation_use
from harness.dataset.published import Published
from harness.dataset.sample import Labels
from harness.dataset.series import InputRange, Normalisation, Values, windows
from harness.errors import InputError

SUBJECTS = range(1, 20)
CHANNELS = 24
ACTIVITIES = 13
DECIMATION = 4  # to 51.2 Hz
WINDOW = 128
HOP = 64

_MOST_FILE_BYTES = 1 << 29
_CHUNK_ROWS = 1 << 16
_MOST_LINE = 2048
_LARGEST_VALUE = 1e9
_STATISTICS_STRIDE = 4  # statistics of every fourth training sample, which bounds the memory

Segment = tuple[npt.NDArray[np.float32], int]
"""Decimated values (time, 24) of one activity without a break, and its number from 0."""


def read_subject(path: Path) -> Iterator[Segment]:
    """Yield the segments of one subject that hold at least a window; raise InputError for a line of another form."""
    from scipy.signal import decimate  # here: SciPy takes a while to import

    for values, label in _runs(path):
        if len(values) >= DECIMATION * WINDOW:
            yield np.asarray(decimate(values, DECIMATION, ftype="fir", axis=0)).astype(np.float32), label


def _runs(path: Path) -> Iterator[tuple[Values, int]]:
    """Yield the values (time, 24) of each run of lines with one label, with the label from 0."""
    parts: list[Values] = []
    current = -1
    for chunk in _chunks(path):
        labels = chunk[:, CHANNELS].astype(np.int64) - 1
        starts = np.flatnonzero(np.diff(labels, prepend=current))
        for begin, end in zip([0, *starts], [*starts, len(chunk)], strict=True):
            if begin == end:
                continue
            if labels[begin] != current:
                if parts:
                    yield np.concatenate(parts), current
                parts, current = [], int(labels[begin])
            parts.append(chunk[begin:end, :CHANNELS])
    if parts:
        yield np.concatenate(parts), current


def _chunks(path: Path) -> Iterator[Values]:
    """Yield the lines of a file as arrays (n, 25) of bounded size."""
    if file_size(path) > _MOST_FILE_BYTES:
        raise InputError(f"{path}: has {file_size(path)} bytes; expected at most {_MOST_FILE_BYTES}")
    done = 0
    with path.open(encoding="ascii", errors="replace") as file:
        while True:
            lines = list(islice(iter(lambda: file.readline(_MOST_LINE), ""), _CHUNK_ROWS))
            if not lines:
                return
            first, done = done, done + len(lines)
            if max(map(len, lines)) == _MOST_LINE:
                raise InputError(f"{path}: behind line {first}: has a line of {_MOST_LINE} characters or more")
            filled = [line for line in lines if line.strip()]
            if not filled:
                continue
            try:
                chunk = np.loadtxt(filled, delimiter=",", ndmin=2, comments=None)
            except ValueError as error:
                raise InputError(
                    f"{path}: behind line {first}: {error}; expected {CHANNELS} values and a label"
                ) from None
            where = f"{path}: behind line {first}"
            if chunk.shape[1:] != (CHANNELS + 1,):
                raise InputError(f"{where}: has {chunk.shape[-1]} columns; expected {CHANNELS} values and a label")
            if not (np.abs(chunk) <= _LARGEST_VALUE).all():
                raise InputError(f"{where}: has values that are no numbers of ordinary size")
            if not np.isin(chunk[:, CHANNELS], np.arange(1, ACTIVITIES + 1)).all():
                raise InputError(f"{where}: has a label that is none of 1 to {ACTIVITIES}")
            yield chunk


def convert(folder: Folder) -> Arrays:
    """Return windows (n, 1, 128, 24): 2.5 s at 51.2 Hz, of one activity each, half overlapping."""
    info = dataset_info("daliac")
    segments = {subject: list(read_subject(folder.file(_name(subject)))) for subject in SUBJECTS}
    sampled = [
        values[::_STATISTICS_STRIDE]
        for subject, found in segments.items()
        for values, _ in found
        if subject not in info.held_out
    ]
    if not sampled:
        raise InputError(f"{folder.path}: has no activity of {DECIMATION * WINDOW} lines without a break")
    training = np.concatenate(sampled).astype(np.float64)
    normalisation = Normalisation.of(training)
    inputs = InputRange.of(normalisation.apply(training))
    del training, sampled

    x: dict[bool, list[npt.NDArray[np.uint8]]] = {False: [], True: []}
    y: dict[bool, list[Labels]] = {False: [], True: []}
    groups, uses = [], []
    for subject, found in segments.items():
        held_out = subject in info.held_out
        for values, label in found:
            cut = windows(inputs.quantize(normalisation.apply(values.astype(np.float64))), WINDOW, HOP)
            x[held_out].append(cut[:, None])
            y[held_out].append(np.full(len(cut), label, dtype=np.uint8))
            if held_out:
                groups.append(np.full(len(cut), subject, dtype=np.uint8))
                uses.append(adaptation_use(len(cut), overlapping=1))
    nothing = np.empty((0, *info.shape), dtype=np.uint8)
    none = np.empty(0, dtype=np.uint8)
    parts = [
        array
        for held_out in (False, True)
        for array in (np.concatenate([nothing, *x[held_out]]), np.concatenate([none, *y[held_out]]))
    ]
    train_x, train_y, test_x, test_y = parts
    return Arrays(
        train_x,
        train_y,
        test_x,
        test_y,
        inputs.scale,
        inputs.zero_point,
        np.concatenate([none, *groups]),
        np.concatenate([none, *uses]),
    )


def _name(subject: int) -> str:
    return f"dataset_{subject}.txt"


DALIAC = Published(
    dataset_info("daliac"), files=lambda _: [_name(subject) for subject in SUBJECTS], convert=convert, kept=True
)
