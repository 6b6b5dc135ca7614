"""Vibration of a motor's bearing with seeded faults (CWRU) in the publisher's files; split by motor load.

The publisher numbers the recordings: https://engineering.case.edu/bearingdatacenter. Used are the ten classes that most
published work uses: no fault, and faults of 0.007, 0.014 and 0.021 inch of the inner race, a ball and the outer race at
6 o'clock, at the drive end, each under four loads.
"""

from __future__ import annotations

import numpy as np

from harness.dataset.arrays import Arrays
from harness.dataset.bearing import WINDOW, log_spectra
from harness.dataset.catalogue import dataset_info
from harness.dataset.file import Folder
from harness.dataset.groups import adaptation_use
from harness.dataset.matlab import read_numbers
from harness.dataset.published import Published
from harness.dataset.series import Values
from harness.errors import InputError

LOADS = range(4)
"""Motor load in horsepower."""

FIRST_RECORDING = (97, 105, 169, 209, 118, 185, 222, 130, 197, 234)
"""Of each class: the number of the recording without load; those under 1, 2 and 3 horsepower follow."""

# The recordings without a fault have four times the samples of the others for the same ten seconds.
_SOUND = 0
_SOUND_RATE = 4  # times 12 kHz
_MOST_FILE_BYTES = 1 << 25
_MOST_UNPACKED_BYTES = 1 << 26


def read_recording(folder: Folder, number: int) -> Values:
    """Return the acceleration (time,) at the drive end of one recording; raise InputError when there is none."""
    name = f"{number}.mat"
    title = str(folder.path / name)
    # 99.mat holds recording 98, too.
    variable = f"X{number:03}_DE_time"
    acceleration = read_numbers(title, folder.read(name, _MOST_FILE_BYTES), variable, _MOST_UNPACKED_BYTES)
    if len(acceleration) < _SOUND_RATE * WINDOW:
        raise InputError(
            f"{title}: {variable} has {len(acceleration)} values; expected at least {_SOUND_RATE * WINDOW}"
        )
    return acceleration


def convert(folder: Folder) -> Arrays:
    """Return log spectra (n, 1, 384, 1) of windows of 1024 samples at 12 kHz that do not overlap."""
    from scipy.signal import decimate  # here: SciPy takes a while to import

    info = dataset_info("cwru")
    spectra: dict[bool, list[Values]] = {False: [], True: []}
    labels: dict[bool, list[int]] = {False: [], True: []}
    loads: list[int] = []
    uses = []
    for label, first in enumerate(FIRST_RECORDING):
        for load in LOADS:
            acceleration = read_recording(folder, first + load)
            if label == _SOUND:
                acceleration = np.asarray(decimate(acceleration, _SOUND_RATE, ftype="fir"))
            cut = log_spectra(acceleration)
            held_out = load in info.held_out
            spectra[held_out].append(cut)
            labels[held_out] += [label] * len(cut)
            if held_out:
                loads += [load] * len(cut)
                uses.append(adaptation_use(len(cut), overlapping=0))
    train, test = (np.concatenate(spectra[held_out]) for held_out in (False, True))
    train_y, test_y = (np.array(labels[held_out], dtype=np.uint8) for held_out in (False, True))
    groups = np.array(loads, dtype=np.uint8), np.concatenate(uses)
    return Arrays.of_series(train, train_y, test, test_y, *groups)


CWRU = Published(
    dataset_info("cwru"),
    files=lambda _: [f"{first + load}.mat" for first in FIRST_RECORDING for load in LOADS],
    convert=convert,
    kept=True,
)
