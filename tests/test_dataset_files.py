"""Reading files of other people's packages: archives, pickles, arrays, series; damaged and hostile ones too."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.dataset.archive import gunzip, read_members
from harness.dataset.idx import parse_idx
from harness.dataset.npy import read_npy, read_object_npy
from harness.dataset.pickled import read_pickle
from harness.dataset.series import InputRange, Normalisation, fit_length, windows
from harness.dataset.ts_file import read_ts
from harness.errors import InputError


def a_zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def a_tar(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


ARCHIVES = {"a.whl": a_zip, "a.tgz": a_tar, "a.tar.gz": a_tar}


@pytest.mark.parametrize("name", ARCHIVES)
def test_members_are_read_by_exact_name_and_others_are_ignored(name: str) -> None:
    content = ARCHIVES[name]({"d/one": b"1", "one": b"other", "d/two": b"22", "d/big": bytes(10_000)})
    assert read_members(name, content, {"d/two": 2, "d/one": 5}) == {"d/one": b"1", "d/two": b"22"}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_member_that_unpacks_to_more_than_expected_is_refused(name: str) -> None:
    content = ARCHIVES[name]({"bomb": bytes(5_000_000)})
    assert len(content) < 10_000
    with pytest.raises(InputError, match=r"^bomb: is larger than 1000 bytes"):
        read_members(name, content, {"bomb": 1000})


def test_a_zip_that_lies_about_a_size_is_refused() -> None:
    content = a_zip({"bomb": bytes(5_000_000)})
    true, false = (5_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert content.count(true) == 2
    with pytest.raises(InputError, match="cannot be read as an archive"):
        read_members("a.whl", content.replace(true, false), {"bomb": 1000})


def test_a_tarball_whose_other_members_unpack_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.dataset.archive._MOST_UNPACKED_BYTES", 100_000)
    content = a_tar({"first": bytes(1_000_000), "wanted": b"1"})
    with pytest.raises(InputError, match="cannot be read as an archive: unpacks to more than expected"):
        read_members("a.tgz", content, {"wanted": 1})


@pytest.mark.parametrize("name", ARCHIVES)
def test_names_that_leave_the_folder_are_never_used_as_paths(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    content = ARCHIVES[name]({"../evil": b"x", str(tmp_path / "absolute"): b"x", "wanted": b"1"})
    assert read_members(name, content, {"wanted": 1}) == {"wanted": b"1"}
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_a_link_in_place_of_a_file_is_refused() -> None:
    content = a_tar({}, links={"wanted": "/etc/passwd"})
    with pytest.raises(InputError, match=r"^wanted: is no regular file"):
        read_members("a.tgz", content, {"wanted": 10_000})


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("damage", ["empty", "other", "cut", "flipped"])
def test_a_damaged_archive_is_one_line(name: str, damage: str) -> None:
    good = ARCHIVES[name]({"wanted": os.urandom(5000)})
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :]
    content = {"empty": b"", "other": b"hello" * 100, "cut": good[:middle], "flipped": flipped}[damage]
    with pytest.raises(InputError, match=name) as caught:
        read_members(name, content, {"wanted": 5000})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_without_the_member_names_it(name: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}: has no file d/wanted"):
        read_members(name, ARCHIVES[name]({"wanted": b""}), {"d/wanted": 1})


def test_gzip_is_bounded_and_damage_is_told() -> None:
    packed = gzip.compress(bytes(100_000))
    assert gunzip("a.gz", packed, 100_000) == bytes(100_000)
    with pytest.raises(InputError, match=r"^a\.gz: is larger than 99999 bytes"):
        gunzip("a.gz", packed, 99_999)
    for damaged in (b"hello", packed[:-9]):
        with pytest.raises(InputError, match=r"^a\.gz: cannot be read as gzip"):
            gunzip("a.gz", damaged, 100_000)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.arange(6, dtype=np.int64).reshape(2, 3).T,
        np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
        np.array(["PEN", "ABD"]),
        np.array(1.5),
    ],
    ids=["bytes", "transposed", "big-endian", "text", "scalar"],
)
def test_pickled_arrays_are_read_as_they_were(array: np.ndarray, protocol: int) -> None:
    read = read_pickle("a", pickle.dumps(array, protocol=protocol))
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


@pytest.mark.parametrize("protocol", [2, 4])
def test_arrays_inside_dictionaries_lists_and_arrays_of_objects_are_read(protocol: int, tmp_path: Path) -> None:
    data = {"X": [np.arange(4.0), np.arange(3.0)], "y": np.array([1, 2]), "names": ["a", "b"]}
    read = read_pickle("a", pickle.dumps(data, protocol=protocol))
    assert [series.tolist() for series in read["X"]] == [[0, 1, 2, 3], [0, 1, 2]]
    assert read["y"].tolist() == [1, 2]
    assert read["names"] == ["a", "b"]
    np.save(tmp_path / "a.npy", np.array(data, dtype=object), allow_pickle=True)
    read = read_object_npy("a", (tmp_path / "a.npy").read_bytes())
    assert read["X"][1].tolist() == [0, 1, 2]


class Calls:
    """Unpickles to a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch proof",)),
        (eval, ("open('proof', 'w')",)),
        (io.open, ("proof", "w")),
        (getattr, (os, "system")),
        (np.load, ("proof",)),
        (np.zeros, (10**12,)),
    ],
    ids=["system", "eval", "open", "getattr", "load", "zeros"],
)
def test_a_pickle_that_calls_anything_else_is_refused_before_the_call(
    function: Any, arguments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = tuple("os" if argument is os else argument for argument in arguments)
    hostile = pickle.dumps([np.zeros(2), Calls(function, *arguments)])
    with pytest.raises(InputError, match=r"^a: cannot be read as a pickle of arrays: names \S+, which is not allowed"):
        read_pickle("a", hostile)
    assert list(tmp_path.iterdir()) == []


def test_an_allowed_name_cannot_be_used_to_reserve_memory_or_to_make_other_types() -> None:
    for hostile in (
        b"cnumpy\nndarray\n(L1000000000000L\ntR.",  # ndarray(10**12)
        b"cnumpy\ndtype\n(S'V1000000000'\ntR.",
        b"c_codecs\nencode\n(Vx\nVidna\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(I0\ntR.",  # an array without state
    ):
        with pytest.raises(InputError, match="cannot be read as a pickle"):
            read_pickle("a", hostile)


def test_a_pickle_whose_shape_and_bytes_differ_is_refused() -> None:
    good = pickle.dumps(np.zeros((2, 3), dtype=np.uint8), protocol=2)
    assert good.count(b"K\x02K\x03") == 1
    with pytest.raises(InputError, match="cannot be read as a pickle"):
        read_pickle("a", good.replace(b"K\x02K\x03", b"K\xffK\xff"))


def test_a_cut_pickle_is_refused_wherever_it_is_cut() -> None:
    content = pickle.dumps({"X": [np.arange(4.0)]}, protocol=2)
    for length in range(len(content)):
        with pytest.raises(InputError, match="cannot be read as a pickle"):
            read_pickle("a", content[:length])


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def test_an_array_file_is_read_and_one_of_objects_refused() -> None:
    assert read_npy("a", npy(np.arange(3))).tolist() == [0, 1, 2]
    objects = npy(np.array(Calls(os.system, "touch proof"), dtype=object))
    with pytest.raises(InputError, match=r"^a: cannot be read as an array"):
        read_npy("a", objects)
    with pytest.raises(InputError, match=r"which is not allowed"):
        read_object_npy("a", objects)
    with pytest.raises(InputError, match=r"^a: holds int64 of shape \(3,\).* expected one object"):
        read_object_npy("a", npy(np.arange(3)))
    huge = npy(np.arange(3)).replace(b"'shape': (3,), }" + b" " * 12, b"'shape': (3000000000000,), }")
    assert b"3000000000000" in huge
    for content in (b"", b"\x93NUMPY", npy(np.arange(3))[:-1], huge):
        with pytest.raises(InputError, match=r"^a: cannot be read as an array"):
            read_npy("a", content)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "starts with nothing"),
        (bytes([0, 0, 9, 1, 0, 0, 0, 2, 1, 2]), "starts with 0000090100000002"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 2, 1]), "unpacks to 9 bytes; expected 10"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 2, 3]), "unpacks to more than 10 bytes"),
    ],
)
def test_a_wrong_idx_content_is_refused(content: bytes, complaint: str) -> None:
    assert parse_idx("labels", bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 2]), (2,)).tolist() == [1, 2]
    with pytest.raises(InputError, match=rf"^labels: {complaint}"):
        parse_idx("labels", content, (2,))


TS = """# a comment
@problemName Test
@classLabel true up down

@data
1,2,3:10,20,30:down
4,5,6:40,50,60:up
"""


def test_a_ts_file_gives_time_before_channels_and_labels_in_the_order_of_its_header() -> None:
    series, labels = read_ts("a.ts", TS.encode(), (2, 3, 2))
    assert series.tolist() == [[[1, 10], [2, 20], [3, 30]], [[4, 40], [5, 50], [6, 60]]]
    assert labels.tolist() == [1, 0]
    assert labels.dtype == np.uint8


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (":down", ":left", r"^a\.ts:6: class 'left'; expected one of up, down"),
        ("4,5,6", "4,5", r"^a\.ts:7: expected 2 channels of 3 values"),
        ("4,5,6:", "", r"^a\.ts:7: expected 2 channels"),
        ("4,5,6", "4,x,6", r"^a\.ts:7: could not convert string to float: 'x'"),
        ("4,5,6", "4,NaN,6", r"^a\.ts: has values that are not finite"),
        ("4,5,6:40,50,60:up\n", "", r"^a\.ts: has 1 cases; expected 2"),
        ("@data", "data", r"^a\.ts: has 0 cases; expected 2"),
        ("@classLabel true", "@classLabel false", r"^a\.ts:6: class 'down'; expected one of none"),
        ("@problemName", "\udcff", r"^a\.ts: is no text"),
    ],
)
def test_a_wrong_ts_file_names_its_line(old: str, new: str, complaint: str) -> None:
    assert TS.count(old) == 1
    with pytest.raises(InputError, match=complaint):
        read_ts("a.ts", TS.replace(old, new).encode("utf-8", "surrogateescape"), (2, 3, 2))


def test_windows_are_whole_and_start_every_hop() -> None:
    series = np.arange(20.0).reshape(10, 2)
    cut = windows(series, 4, 3)
    assert cut.shape == (3, 4, 2)
    assert cut[:, 0, 0].tolist() == [0, 6, 12]
    assert windows(series, 11, 3).shape == (0, 11, 2)


def test_lengths_are_made_equal_at_the_end() -> None:
    series = np.arange(1.0, 7.0).reshape(3, 2)
    assert fit_length(series, 2).tolist() == [[1, 2], [3, 4]]
    assert fit_length(series, 4).tolist() == [[1, 2], [3, 4], [5, 6], [0, 0]]


def test_training_values_are_normalised_by_channel_and_a_constant_channel_stays_finite() -> None:
    train = np.random.Generator(np.random.PCG64(1)).normal([5, -2, 7], [3, 0.1, 0], (40, 25, 3))
    normal = Normalisation.of(train).apply(train)
    assert np.allclose(normal.mean(axis=(0, 1)), 0, atol=1e-5)
    assert np.allclose(normal.std(axis=(0, 1)), [1, 1, 0], atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(-3, 5), (0, 1), (2, 9), (-4, -1), (0, 0)])
def test_quantized_values_are_at_most_half_a_step_off_and_zero_is_exact(low: float, high: float) -> None:
    values = np.linspace(low, high, 20_001)
    inputs = InputRange.of(values)
    assert 0 <= inputs.zero_point <= 255
    real = inputs.scale * (inputs.quantize(values).astype(np.float64) - inputs.zero_point)
    inner = values[20:-20]
    assert np.abs(real[20:-20] - inner).max() <= inputs.scale * 1.01
    assert np.abs(real[20:-20] - inner).mean() <= inputs.scale * 0.3
    assert inputs.quantize(np.zeros(1))[0] == inputs.zero_point
    assert inputs.quantize(np.array([1e9, -1e9])).tolist() == [255, 0]
