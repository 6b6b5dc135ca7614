"""Ten spoken commands (Google Speech Commands) as MFCCs, from the publisher's folders of wav files; published split."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.dataset import cepstrum
from harness.dataset.arrays import Arrays
from harness.dataset.catalogue import dataset_info
from harness.dataset.file import Folder
from harness.dataset.published import Published
from harness.dataset.sample import Labels
from harness.errors import InputError

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
"""The classes in their order: the commands of P. Warden, arXiv 1804.03209."""

_LISTS = ("testing_list.txt", "validation_list.txt")
_MOST_LIST_BYTES = 1 << 23
_MOST_WAV_BYTES = 1 << 20
_BATCH = 256


def _listed(folder: Folder, name: str) -> set[str]:
    """Return the recordings that a list names, as `word/file.wav`."""
    try:
        return set(folder.read(name, _MOST_LIST_BYTES).decode("ascii").split())
    except UnicodeDecodeError:
        raise InputError(f"{folder.path / name}: is no text; expected names of recordings") from None


def read_clip(folder: Folder, name: str) -> npt.NDArray[np.float64]:
    """Return one second of a wav file as (16000,), continued with silence or cut.

    Raises InputError when it is damaged or not 16 kHz, mono, 16 bits.
    """
    content = folder.read(name, _MOST_WAV_BYTES)
    try:
        with wave.open(io.BytesIO(content)) as file:
            form = file.getframerate(), file.getnchannels(), file.getsampwidth()
            data = file.readframes(cepstrum.CLIP_SAMPLES)
    except (wave.Error, EOFError, ValueError, OSError, RuntimeError) as error:  # RuntimeError: a chunk beyond the end
        raise InputError(f"{folder.path / name}: cannot be read as wav: {error or 'it is cut short'}") from None
    if form != (cepstrum.RATE_HZ, 1, 2):
        raise InputError(
            f"{folder.path / name}: {form[0]} Hz, {form[1]} channels, {form[2]} bytes; expected {cepstrum.RATE_HZ} Hz, "
            "1 channel, 2 bytes"
        )
    clip = np.zeros(cepstrum.CLIP_SAMPLES)
    samples = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")
    clip[: len(samples)] = samples / 32768
    return clip


def _spoken(folder: Folder, names: Sequence[str]) -> tuple[npt.NDArray[np.float32], Labels]:
    """Return MFCCs (n, 49, 13) and labels of recordings."""
    cut = [np.empty((0, cepstrum.FRAMES, cepstrum.COEFFICIENTS), dtype=np.float32)]
    for first in range(0, len(names), _BATCH):
        clips = np.stack([read_clip(folder, name) for name in names[first : first + _BATCH]])
        cut.append(cepstrum.coefficients(clips))
    labels = [WORDS.index(name.partition("/")[0]) for name in names]
    return np.concatenate(cut), np.array(labels, dtype=np.uint8)


def files(folder: Folder) -> list[str]:
    """Return the names of the two lists and of all recordings of the ten words."""
    return [*_LISTS, *(name for word in WORDS for name in folder.names(f"{word}/*.wav"))]


def convert(folder: Folder) -> Arrays:
    """Return images (n, 49, 13, 1) of frames by coefficients, each coefficient normalised by the training part.

    The recordings of the testing list are the test part, those of the validation list are left out.
    """
    testing, validation = (_listed(folder, name) for name in _LISTS)
    names = files(folder)[len(_LISTS) :]
    train, train_y = _spoken(folder, [name for name in names if name not in testing | validation])
    test, test_y = _spoken(folder, [name for name in names if name in testing])
    if not len(train) or not len(test):
        raise InputError(
            f"{folder.path}: has {len(train)} training and {len(test)} test recordings of {', '.join(WORDS)}; "
            f"{folder.remedy}"
        )
    arrays = Arrays.of_series(train.astype(np.float64), train_y, test.astype(np.float64), test_y)
    return Arrays(
        arrays.train_x.transpose(0, 2, 3, 1),
        train_y,
        arrays.test_x.transpose(0, 2, 3, 1),
        test_y,
        arrays.scale,
        arrays.zero_point,
    )


SPEECH_COMMANDS = Published(dataset_info("speech-commands"), files, convert, needed=_LISTS, kept=True)
