"""Sets of recordings in the files of their publishers: vibration, motion, speech, photographs."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_folders import (
    cwru_recording,
    daliac_subject,
    flowers_folder,
    generator,
    jpeg,
    speech_folder,
    wav,
)
from scipy.io import savemat

from harness.dataset import Origin, cepstrum, cwru, daliac, flowers, load_dataset, speech_commands
from harness.dataset.arrays import ADAPT, NEITHER, TEST
from harness.dataset.file import Folder
from harness.dataset.groups import adaptation_use
from harness.dataset.matlab import read_numbers
from harness.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def motor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CWRU: 6 windows a recording at 12 kHz; the level of the noise tells the class."""
    folder = tmp_path_factory.mktemp("cwru")
    for label, first in enumerate(cwru.FIRST_RECORDING):
        for load in cwru.LOADS:
            length = 6 * 1024 * (4 if label == 0 else 1)
            others = (98,) if first + load == 99 else ()
            cwru_recording(folder / f"{first + load}.mat", length, 0.1 * (label + 1), others)
    return folder


def test_recordings_under_the_largest_load_are_the_test_part(motor: Path) -> None:
    arrays = cwru.convert(Folder(motor, ""))
    assert arrays.train_x.shape == (10 * 3 * 6, 1, 384, 1)
    assert arrays.test_x.shape == (10 * 6, 1, 384, 1)
    assert np.bincount(arrays.train_y).tolist() == [18] * 10
    assert set(arrays.test_group) == {3}
    assert arrays.test_use.tolist() == [ADAPT, ADAPT, ADAPT, ADAPT, TEST, TEST] * 10
    means = [arrays.test_x[arrays.test_y == label].mean() for label in range(1, 10)]
    assert (np.diff(means) > 0).all()  # louder, and each file was read by its own number


def test_every_recording_of_the_list_is_needed(motor: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cwru"
    shutil.copytree(motor, folder)
    assert len(list(folder.iterdir())) == 40
    (folder / "237.mat").unlink()
    with pytest.raises(InputError, match=r"237\.mat: no such file; get the 40 files that docs/datasets\.md lists from"):
        cwru.CWRU.check(folder)
    for change, complaint in (
        (lambda path: cwru_recording(path, 4000, 1.0), r"X237_DE_time has 4000 values; expected at least 4096"),
        (lambda path: savemat(path, {"X236_DE_time": np.zeros((5000, 1))}), "has no vector of numbers 'X237_DE_time'"),
        (lambda path: savemat(path, {"X237_DE_time": np.full((5000, 1), np.nan)}), "not finite"),
        (lambda path: path.write_bytes(b"hello"), "cannot be read as a MATLAB file"),
        (lambda path: path.write_bytes((motor / "237.mat").read_bytes()[:20_000]), "cannot be read as a MATLAB file"),
    ):
        change(folder / "237.mat")
        with pytest.raises(InputError, match=complaint) as caught:
            cwru.convert(Folder(folder, ""))
        assert "237.mat: " in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_matlab_file_that_unpacks_to_more_than_expected_is_refused_before_it_is_unpacked() -> None:
    packed = zlib.compress(bytes(10_000_000))
    content = bytes(124) + b"\x00\x01IM" + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    with pytest.raises(InputError, match="it unpacks to more than expected"):
        read_numbers("a.mat", content, "x", 1_000_000)


def test_a_matrix_or_text_in_place_of_a_vector_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    for value in (np.zeros((3, 3)), "text", np.array([[{}]], dtype=object), np.zeros((2, 2, 2))):
        savemat(path, {"x": value})
        with pytest.raises(InputError, match="has no vector of numbers 'x'"):
            read_numbers("a.mat", path.read_bytes(), "x", 10_000)
    savemat(path, {"x": np.arange(4)})
    assert read_numbers("a.mat", path.read_bytes(), "x", 10_000).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "i8"])
def test_vectors_of_every_type_are_read_as_scipy_wrote_them(tmp_path: Path, dtype: str, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    for length in (1, 2, 5, 300):
        values = generator().integers(0, 100, length).astype(dtype)
        savemat(path, {"other": np.eye(3), "x": values[:, None], "last": values}, do_compression=compressed)
        assert np.array_equal(read_numbers("a.mat", path.read_bytes(), "x", 10_000), values)
        assert np.array_equal(read_numbers("a.mat", path.read_bytes(), "last", 10_000), values)


def test_two_thirds_of_a_recording_adapt_and_no_window_is_shared_with_the_rest() -> None:
    assert adaptation_use(9, overlapping=1).tolist() == [ADAPT] * 6 + [NEITHER] + [TEST] * 2
    assert adaptation_use(6, overlapping=0).tolist() == [ADAPT] * 4 + [TEST] * 2
    assert adaptation_use(2, overlapping=1).tolist() == [ADAPT] * 2
    assert adaptation_use(0, overlapping=1).tolist() == []


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DaLiAC: two activities of two windows each, one run too short for a window; the mean tells the subject."""
    folder = tmp_path_factory.mktemp("daliac")
    for subject in daliac.SUBJECTS:
        daliac_subject(folder / f"dataset_{subject}.txt", [1, 13], 192 * 4, float(subject))
    return folder


def test_no_subject_of_the_test_part_is_in_the_training_part(persons: Path) -> None:
    arrays = daliac.convert(Folder(persons, ""))
    assert arrays.train_x.shape == (14 * 2 * 2, 1, 128, 24)
    assert np.bincount(arrays.train_y).tolist() == [28, *[0] * 11, 28]
    assert sorted(set(arrays.test_group)) == [15, 16, 17, 18, 19]
    real = (arrays.train_x.mean(axis=(1, 2, 3)) - arrays.zero_point) * arrays.scale
    deviation = np.std([*range(1, 15)])
    expected = (np.repeat(np.arange(1, 15), 4) - 7.5) / np.hypot(deviation, 0.5)
    assert np.abs(real - expected).max() < 0.25
    assert arrays.test_use[:2].tolist() == [ADAPT, ADAPT]


def test_a_run_of_lines_is_one_activity_across_pieces_and_short_runs_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daliac, "_CHUNK_ROWS", 100)
    path = tmp_path / "dataset_1.txt"
    daliac_subject(path, [4], 512, 0.0)
    whole = path.read_text()
    daliac_subject(path, [2], 511, 0.0)
    path.write_text(whole + path.read_text() + whole)
    segments = list(daliac.read_subject(path))
    assert [(values.shape, label) for values, label in segments] == [((128, 24), 3), ((128, 24), 3)]
    assert np.array_equal(segments[0][0], segments[1][0])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,2,3", r"dataset_1\.txt: behind line 0: .*expected 24 values and a label"),
        (",".join(["1"] * 24 + ["14"]), "has a label that is none of 1 to 13"),
        (",".join(["1"] * 24 + ["1.5"]), "has a label that is none of 1 to 13"),
        (",".join(["1"] * 23 + ["nan", "1"]), "no numbers of ordinary size"),
        (",".join(["1"] * 23 + ["1e30", "1"]), "no numbers of ordinary size"),
        (",".join(["1"] * 23 + ["x", "1"]), "behind line 0: could not convert string 'x'"),
        ("\xff\xfe", "behind line 0: "),
        ("1" * 5000, "has a line of 2048 characters or more"),
    ],
)
def test_a_wrong_line_of_a_subject_is_one_line(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "dataset_1.txt"
    daliac_subject(path, [1], 20, 0.0)
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n")
    with pytest.raises(InputError, match=complaint) as caught:
        list(daliac.read_subject(path))
    assert "\n" not in str(caught.value)


def test_a_tone_has_its_energy_in_the_filter_of_its_frequency() -> None:
    assert (cepstrum.FRAMES, cepstrum.COEFFICIENTS) == (49, 13)
    tones = np.sin(np.arange(16_000) * 2 * np.pi * np.array([[250.0], [2500.0]]) / 16_000)
    filters = cepstrum._filters()
    assert filters.shape == (513, 40)
    assert (filters[:2] == 0).all()  # 15.6 Hz and below
    assert (filters[257:] == 0).all()  # above 4 kHz
    low, high = cepstrum.coefficients(tones)[:, 10]
    assert low.dtype == np.float32
    assert low[1] > 10 > -10 > high[1]  # the first cosine is positive over low filters and negative over high ones
    assert np.abs(cepstrum.coefficients(tones * 0.5)[:, :, 1:] - cepstrum.coefficients(tones)[:, :, 1:]).max() < 6


def test_speech_is_split_by_the_lists_and_validation_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    speech_folder(folder, (*speech_commands.WORDS, "cat"))
    origin = Origin("speech-commands", folder)
    samples = load_dataset(origin, 20, 10, 1)
    assert samples.train_x.shape == (20, 49, 13, 1)
    assert np.bincount(samples.train_y).tolist() == [2] * 10
    with pytest.raises(
        InputError, match=r"^dataset\.test: 11 samples; expected at most 10, speech-commands has no more"
    ):
        load_dataset(origin, 20, 11, 1)
    quiet, loud = samples.train_x[samples.train_y == 0], samples.test_x[samples.test_y == 0]
    assert np.abs(quiet[:, :30].astype(int).mean(axis=0) - loud[:, :30].mean(axis=0)).mean() < 10


def test_speech_is_converted_once_and_again_when_a_recording_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "speech"
    speech_folder(folder, speech_commands.WORDS)
    origin = Origin("speech-commands", folder)
    one = load_dataset(origin, 20, 10, 1)
    assert [record.getMessage() for record in caplog.records] == [
        f"dataset speech-commands: converting the files in {folder}, once"
    ]
    speech_commands.SPEECH_COMMANDS.arrays(folder)
    assert len(caplog.records) == 1
    (folder / "yes" / "00000000_nohash_0.wav").write_bytes(wav(generator().normal(0, 3000, 16_000)))
    assert load_dataset(origin, 20, 10, 2).content_hash != one.content_hash
    assert len(caplog.records) == 2
    assert len(list((tmp_path / "cache/datasets").iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "cannot be read as wav"),
        (b"RIFF", "cannot be read as wav"),
        (b"hello" * 100, "cannot be read as wav"),
        (wav(np.zeros(100), rate_hz=8000), "8000 Hz, 1 channels, 2 bytes; expected 16000 Hz, 1 channel, 2 bytes"),
        (wav(np.zeros(100), channels=2), "2 channels"),
        (bytes((1 << 20) + 1), r"has 1048577 bytes; expected at most 1048576"),
    ],
)
def test_a_wrong_recording_of_speech_is_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        speech_commands.read_clip(Folder(tmp_path, ""), "a.wav")
    assert "\n" not in str(caught.value)


def test_a_short_recording_is_continued_with_silence_and_a_long_one_cut(tmp_path: Path) -> None:
    for length in (0, 5, 20_000):
        (tmp_path / "a.wav").write_bytes(wav(np.full(length, 16384)))
        clip = speech_commands.read_clip(Folder(tmp_path, ""), "a.wav")
        assert clip.shape == (16_000,)
        assert (clip == 0.5).sum() == min(length, 16_000)


def test_a_header_of_a_recording_that_claims_gigabytes_costs_nothing(tmp_path: Path) -> None:
    content = bytearray(wav(np.full(10, 16384)))
    for place in (4, 40):
        content[place : place + 4] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.wav").write_bytes(content)
    assert (speech_commands.read_clip(Folder(tmp_path, ""), "a.wav") == 0.5).sum() == 10


def test_a_folder_without_recordings_says_what_to_put_there(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    speech_folder(folder, ("cat",))
    with pytest.raises(
        InputError, match=r"has 0 training and 0 test recordings of yes, .*; get speech_commands_v0\.02"
    ):
        speech_commands.SPEECH_COMMANDS.arrays(folder)


def test_photographs_are_made_square_and_split_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowers, "PHOTOGRAPHS", 24)
    flowers_folder(tmp_path / "flowers", 24, 3)
    arrays = flowers.convert(Folder(tmp_path / "flowers", ""))
    assert arrays.train_x.shape == arrays.test_x.shape == (12, 64, 64, 3)
    for x, y in ((arrays.train_x, arrays.train_y), (arrays.test_x, arrays.test_y)):
        assert np.array_equal(y, np.arange(12) % 3)
        assert np.abs(x[..., 0].mean(axis=(1, 2)) - 60 * (y + 1)).max() < 5
    (tmp_path / "flowers/jpg/image_00024.jpg").write_bytes(jpeg(8, 8, (0, 0, 0))[:-100])
    with pytest.raises(InputError, match=r"image_00024\.jpg: cannot be read as JPEG"):
        flowers.convert(Folder(tmp_path / "flowers", ""))


def test_a_photograph_of_too_many_pixels_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    content = bytearray(jpeg(16, 16, (1, 2, 3)))
    start = content.index(b"\xff\xc0")  # the frame header: length, precision, height, width
    content[start + 5 : start + 9] = b"\x7f\xff\x7f\xff"
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.jpg: (has 32767 x 32767 pixels|cannot be read as JPEG: .*exceeds limit)"):
        flowers.read_photograph(Folder(tmp_path, ""), "a.jpg")


@pytest.mark.parametrize("name", ["imagelabels.mat", "setid.mat"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"hello"),
        lambda path: savemat(path, {"labels": np.array([[0, 200]]), "trnid": np.array([[0]])}),
    ],
)
def test_a_wrong_list_of_photographs_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(flowers, "PHOTOGRAPHS", 6)
    flowers_folder(tmp_path / "flowers", 6, 3)
    change(tmp_path / "flowers" / name)
    with pytest.raises(InputError, match=name) as caught:
        flowers.convert(Folder(tmp_path / "flowers", ""))
    assert "\n" not in str(caught.value)
