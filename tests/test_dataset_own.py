"""Samples of one's own in .npz and CSV files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_folders import generator

from harness.dataset import Origin, describe, load_dataset
from harness.errors import InputError


def npz(path: Path, **arrays: Any) -> Origin:
    np.savez(path, **arrays)
    return Origin("npz", path)


def a_pool(count: int = 50, shape: tuple[int, ...] = (6, 2), classes: int = 2) -> dict[str, Any]:
    y = np.arange(count) % classes
    return {"x": generator().normal(3, 2, (count, *shape)).astype(np.float32), "y": y}


def test_a_pool_is_split_the_same_for_every_seed_and_normalised_by_its_training_part(tmp_path: Path) -> None:
    origin = npz(tmp_path / "a.npz", **a_pool())
    info = describe(origin)
    assert (info.shape, info.classes, info.train_samples, info.test_samples) == ((1, 6, 2), 2, 40, 10)
    one, other = (load_dataset(origin, 40, 10, seed) for seed in (1, 2))
    assert {sample.tobytes() for sample in one.test_x} == {sample.tobytes() for sample in other.test_x}
    real = (one.train_x.astype(float) - one.zero_point) * one.scale
    assert np.allclose(real.mean(axis=(0, 1, 2)), 0, atol=0.02)
    assert np.allclose(real.std(axis=(0, 1, 2)), 1, atol=0.05)
    assert np.bincount(one.test_y).tolist() == [5, 5]


def test_a_split_of_ones_own_is_kept_and_bytes_are_images(tmp_path: Path) -> None:
    images = generator().integers(0, 256, (30, 5, 4)).astype(np.uint8)
    labels = np.arange(30) % 3
    origin = npz(tmp_path / "a.npz", train_x=images[:24], train_y=labels[:24], test_x=images[24:], test_y=labels[24:])
    samples = load_dataset(origin, 24, 6, 1)
    assert samples.train_x.shape == (24, 5, 4, 1)
    assert {image.tobytes() for image in samples.test_x} == {image.tobytes() for image in images[24:]}
    assert samples.scale * 255 == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("shape", "wanted", "found"),
    [
        ((7,), None, (1, 1, 7)),
        ((7,), (1, 7, 1), (1, 7, 1)),
        ((6, 2), (3, 2, 2), (3, 2, 2)),
        ((3, 4, 2), None, (3, 4, 2)),
    ],
)
def test_the_shape_of_a_sample_is_taken_or_told(
    tmp_path: Path, shape: tuple[int, ...], wanted: tuple[int, int, int] | None, found: tuple[int, int, int]
) -> None:
    npz(tmp_path / "a.npz", **a_pool(shape=shape))
    origin = Origin("npz", tmp_path / "a.npz", shape=wanted)
    assert describe(origin).shape == found
    assert load_dataset(origin, 4, 2, 1).train_x.shape == (4, *found)


def test_a_copy_in_the_test_part_is_left_out_of_the_training_part(tmp_path: Path) -> None:
    x = generator().integers(0, 256, (8, 3)).astype(np.uint8)
    y = np.arange(8) % 2
    origin = npz(tmp_path / "a.npz", train_x=x, train_y=y, test_x=x[:2], test_y=y[:2])
    assert describe(origin).train_samples == 6


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    origin = npz(tmp_path / "a.npz", **a_pool(50))
    assert describe(origin).train_samples == 40
    npz(tmp_path / "a.npz", **a_pool(100))
    assert describe(origin).train_samples == 80


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ((50_000, 6, 2), r"x is cut short or continued; expected 600000 elements"),
        ((9_999_999_999, 6, 2), r"x has 119999999988 elements; expected at most"),
        ((1 << 62, 1 << 62), r"x has \d{38} elements; expected at most"),
    ],
)
def test_a_header_that_asks_for_more_than_the_file_has_reserves_nothing(
    tmp_path: Path, shape: tuple[int, ...], complaint: str
) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", file.getvalue() + bytes(100))
        archive.writestr("y.npy", file.getvalue())
    with pytest.raises(InputError, match=complaint):
        describe(Origin("npz", tmp_path / "a.npz"))


@pytest.mark.parametrize("header", ["{'descr': '<f4', (", "{'descr': '<f4'" + " " * 5000, "9" * 5000, "(" * 5000])
def test_a_header_that_is_no_dictionary_is_one_short_line(tmp_path: Path, header: str) -> None:
    content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", content)
    with pytest.raises(InputError, match=r"a\.npz: not a readable \.npz file: ") as caught:
        describe(Origin("npz", tmp_path / "a.npz"))
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"x": np.zeros((4, 2))}, r"expected the arrays train_x, train_y, test_x, test_y, or x and y$"),
        (
            {"x": np.zeros((4, 2)), "y": np.zeros(3, int)},
            r"y is int64 of shape \(3,\); expected one whole number for each",
        ),
        ({"x": np.zeros((4, 2)), "y": np.zeros(4)}, r"y is float64"),
        ({"x": np.array(["a"] * 4), "y": np.zeros(4, int)}, r"x holds <U1; expected numbers"),
        ({"x": np.array([{}] * 4), "y": np.zeros(4, int)}, r"x holds object; expected numbers"),
        ({"x": np.zeros((10, 2)), "y": np.zeros(10, int)}, r"labels below 1; expected 2 to 256 classes"),
        ({"x": np.zeros((10, 2)), "y": np.arange(10) - 1}, r"has the label -1; expected labels from 0"),
        ({"x": np.zeros((10, 2)), "y": np.arange(10) * 100}, r"labels below 901; expected 2 to 256 classes"),
        ({"x": np.zeros((10, 2)), "y": np.array([0, 2] * 5)}, r"no training sample of class 1"),
        ({"x": np.zeros((4, 2)), "y": np.arange(4) % 2}, r"has 4 samples; expected at least 5"),
        ({"x": np.full((10, 2), np.nan), "y": np.arange(10) % 2}, r"values that are not finite"),
        ({"x": np.zeros((10, 2, 2, 2, 2)), "y": np.arange(10) % 2}, r"samples of shape"),
        ({"x": np.zeros((10, 0)), "y": np.arange(10) % 2}, r"expected extents from 1"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0, int)}, r"x is empty"),
    ],
)
def test_wrong_arrays_are_one_line(tmp_path: Path, arrays: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        describe(npz(tmp_path / "a.npz", **arrays))
    assert str(caught.value).startswith(str(tmp_path / "a.npz"))
    assert "\n" not in str(caught.value)


def test_an_absent_or_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match=r"a\.npz: no such file"):
        describe(Origin("npz", path))
    npz(path, **a_pool())
    good = path.read_bytes()
    for content in (b"", b"hello", good[:-30], good[: len(good) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npz: not a readable \.npz file: "):
            describe(Origin("npz", path))


CSV = "a,kind,b\n" + "".join(f"{n},{'cat' if n % 2 else 'dog'},{n * n}\n" for n in range(20))


def test_a_csv_file_gives_features_in_order_and_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    origin = Origin("csv", path, label="kind")
    info = describe(origin)
    assert (info.shape, info.classes, info.train_samples, info.test_samples) == ((1, 1, 2), 2, 16, 4)
    samples = load_dataset(origin, 16, 4, 1)
    ascending = samples.train_x[samples.train_x[:, 0, 0, 0].argsort()]
    assert (np.diff(ascending[:, 0, 0, 1].astype(int)) >= 0).all()
    odd = {sample.tobytes() for sample in samples.train_x[samples.train_y == 0]}
    assert len(odd) == 8


def test_numbers_as_class_names_are_ordered_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,label\n" + "".join(f"{index},{label}\n" for index, label in enumerate([10, 9, 2] * 10)))
    samples = load_dataset(Origin("csv", path), 24, 6, 1)
    values = np.rint(samples.train_x[:, 0, 0, 0] / samples.train_x.max() * 29).astype(int)
    assert {int(value) % 3: int(label) for value, label in zip(values, samples.train_y, strict=True)} == {
        0: 2,
        1: 1,
        2: 0,
    }


def test_test_samples_of_a_second_file_are_kept_apart(tmp_path: Path) -> None:
    path, test_path = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(CSV)
    test_path.write_text("a,kind,b\n100,dog,3\n200,cat,4\n")
    info = describe(Origin("csv", path, test_path, label="kind"))
    assert (info.train_samples, info.test_samples) == (20, 2)
    test_path.write_text("b,kind,a\n100,dog,3\n")
    with pytest.raises(InputError, match=r"b\.csv: has other columns than .*a\.csv"):
        describe(Origin("csv", path, test_path, label="kind"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"a\.csv:1: has 0 column names"),
        ("kind\n1\n", r"a\.csv:1: has 1 column names"),
        ("a,b\n1,2\n", r"a\.csv:1: has no column 'kind' \(dataset\.label\); the last ones are a, b"),
        ("a,kind,a\n1,2,3\n", r"a\.csv:1: names the column 'a' twice"),
        ("a,kind\n", r"a\.csv: has no samples"),
        ("a,kind\n1,x\n\n2\n", r"a\.csv:4: has 1 columns; expected 2"),
        ("a,kind\n1,x\nfive,y\n", r"a\.csv:3: 'five' in column a; expected a number"),
        ("a,kind\nnan,x\n", r"a\.csv:2: 'nan' in column a"),
        ("a,kind\n1e300,x\n", r"a\.csv:2: '1e300' in column a"),
        ("a,kind\n,x\n", r"a\.csv:2: '' in column a"),
        ("a,kind\n1, \n", r"a\.csv:2: has no kind"),
        ("a,kind\n1,\0\n", r"a\.csv:2: holds a zero byte"),
        ('a,kind\n"1,x\n' + "y" * 200_000, r"a\.csv:2: unexpected end of data"),
        ("a,kind\n1," + "y" * 200_000, r"a\.csv:2: field larger than field limit"),
        ("a,kind\n1," + "," * 2_100_000, r"a\.csv:2: has 210000\d bytes; expected at most 2097152"),
        ("a,kind\n" + "1,x\n" * 20, r"labels below 1; expected 2 to 256 classes"),
    ],
)
def test_a_wrong_csv_file_names_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint) as caught:
        describe(Origin("csv", path, label="kind"))
    assert "\n" not in str(caught.value)


def test_a_csv_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,label\n\xff\xfe")
    with pytest.raises(InputError, match=r"a\.csv:2: is no text in UTF-8 \(byte 0\)"):
        describe(Origin("csv", path))


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    file = io.BytesIO()
    np.save(file, np.array([print] * 4, dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", file.getvalue())
        archive.writestr("y.npy", file.getvalue())
    with pytest.raises(InputError, match="x holds object; expected numbers"):
        describe(Origin("npz", path))
