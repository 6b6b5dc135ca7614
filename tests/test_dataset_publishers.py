"""Image sets in the files of their publishers: labels, orientation, copies, and what is said of missing files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from data_folders import cifar_record, idx, idx_folder

from harness.dataset import Origin, dataset_info, dataset_names, describe, fetch_dataset, is_present, load_dataset
from harness.dataset.arrays import Arrays
from harness.dataset.cifar import CIFAR10, CIFAR100, binary_version
from harness.dataset.copies import without_copies
from harness.dataset.file import Folder
from harness.errors import InputError, MissingToolError

CIFAR10_SMALL = binary_version(
    dataset_info("cifar10"), {"data_batch_1.bin": 2, "data_batch_2.bin": 1}, {"test_batch.bin": 1}, label_bytes=1
)
CIFAR100_SMALL = binary_version(dataset_info("cifar100"), {"train.bin": 2}, {"test.bin": 1}, label_bytes=2)


def cifar10(folder: Path) -> Path:
    for name, labels in (("data_batch_1.bin", b"\x03\x09"), ("data_batch_2.bin", b"\x00"), ("test_batch.bin", b"\x05")):
        records = [cifar_record(bytes([label]), (10, 20, 30), seed=label) for label in labels]
        (folder / name).write_bytes(b"".join(records))
    return folder


def test_cifar_planes_become_pixels_and_files_one_part(tmp_path: Path) -> None:
    arrays = CIFAR10_SMALL.arrays(cifar10(tmp_path))
    assert arrays.train_x.shape == (3, 32, 32, 3)
    assert arrays.train_x[:, 1, 2].tolist() == [[10, 20, 30]] * 3
    assert (arrays.train_y.tolist(), arrays.test_y.tolist()) == ([3, 9, 0], [5])
    assert arrays.scale * (255 - arrays.zero_point) == pytest.approx(1.0)


def test_cifar100_has_the_fine_labels(tmp_path: Path) -> None:
    for name, labels in (("train.bin", ((7, 99), (0, 1))), ("test.bin", ((1, 50),))):
        (tmp_path / name).write_bytes(b"".join(cifar_record(bytes(pair), (1, 2, 3), pair[1]) for pair in labels))
    arrays = CIFAR100_SMALL.arrays(tmp_path)
    assert (arrays.train_y.tolist(), arrays.test_y.tolist()) == ([99, 1], [50])


def test_the_whole_sets_read_the_files_that_the_publisher_ships(tmp_path: Path) -> None:
    assert CIFAR10.files(Folder(tmp_path, "")) == [
        *(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test_batch.bin",
    ]
    assert CIFAR100.files(Folder(tmp_path, "")) == ["train.bin", "test.bin"]
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(5000))
    with pytest.raises(InputError, match=r"data_batch_1\.bin: has 5000 bytes; expected 30730000$"):
        CIFAR10.convert(Folder(tmp_path, ""))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda path: path.unlink(),
            r"data_batch_2\.bin: no such file; get cifar-10-binary\.tar\.gz from https://www\.cs",
        ),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"has 3072 bytes; expected 3073$"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), r"has 3074 bytes; expected at most 3073$"),
        (lambda path: path.write_bytes(b"\x0a" + path.read_bytes()[1:]), r"labels from 10 to 10; expected 0 to 9$"),
        (lambda path: (path.unlink(), path.mkdir()), r"data_batch_2\.bin: is no regular file"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), r"is a link that leads out of the folder"),
    ],
)
def test_a_wrong_cifar_file_is_one_line(tmp_path: Path, change: object, complaint: str) -> None:
    folder = cifar10(tmp_path)
    change(folder / "data_batch_2.bin")  # type: ignore[operator]
    with pytest.raises(InputError, match=complaint) as caught:
        CIFAR10_SMALL.arrays(folder)
    assert "\n" not in str(caught.value)


def test_a_training_sample_that_is_a_copy_is_left_out_and_the_test_part_stays() -> None:
    x = np.arange(12, dtype=np.uint8).reshape(6, 1, 2, 1)
    y = np.arange(6, dtype=np.uint8)
    train = np.concatenate([x, x[:2], x[4:5]])
    arrays = Arrays(train, np.concatenate([y, y[2:4], y[:1]]), x[[5, 5]], y[[5, 5]], 1.0, 0)
    left, copies = without_copies(arrays)
    assert copies == 4  # three stand twice in training, one in the test
    assert left.train_x[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8]
    assert left.train_y.tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(left.test_x, arrays.test_x)


def test_copies_are_left_out_with_one_line_and_fewer_samples_are_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    idx_folder(tmp_path, ("train", "t10k"), 10)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    images = bytearray(gzip.decompress(path.read_bytes()))
    images[16 + 784 : 16 + 2 * 784] = images[16 : 16 + 784]
    path.write_bytes(gzip.compress(images))
    assert load_dataset(Origin("kmnist", tmp_path), 59, 20, 1).train_x.shape == (59, 28, 28, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "dataset kmnist: 1 training samples are copies of others and left out"
    ]
    with pytest.raises(InputError, match=r"^dataset\.train: 60 samples; expected at most 59, kmnist has no more"):
        load_dataset(Origin("kmnist", tmp_path), 60, 20, 1)


@pytest.mark.parametrize("packed", [True, False])
def test_kmnist_is_read_as_it_is_and_emnist_transposed(tmp_path: Path, packed: bool) -> None:
    idx_folder(tmp_path, ("train", "t10k"), 10, packed=packed)
    kmnist = load_dataset(Origin("kmnist", tmp_path), 60, 20, 1)
    assert (kmnist.train_x[:, 1, 2] == 255).all()
    idx_folder(tmp_path, ("emnist-digits-train", "emnist-digits-test"), 10, packed=packed)
    emnist = load_dataset(Origin("emnist-digits", tmp_path), 60, 20, 1)
    assert (emnist.train_x[:, 2, 1] == 255).all()
    assert not (emnist.train_x[:, 1, 2] == 255).all()


def test_letters_are_numbered_from_zero_although_the_files_begin_at_one(tmp_path: Path) -> None:
    stems = ("emnist-letters-train", "emnist-letters-test")
    idx_folder(tmp_path, stems, 26, first=1)
    samples = load_dataset(Origin("emnist-letters", tmp_path), 156, 52, 1)
    assert np.bincount(samples.train_y).tolist() == [6] * 26
    idx_folder(tmp_path, stems, 26, first=0)
    with pytest.raises(
        InputError, match=r"emnist-letters-train-labels-idx1-ubyte: has labels from 0 to 25; expected 1"
    ):
        load_dataset(Origin("emnist-letters", tmp_path), 155, 52, 1)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("train-labels-idx1-ubyte", idx(np.arange(59)), "60 images with 59 labels"),
        ("train-labels-idx1-ubyte", idx(np.full(60, 10)), "labels from 10 to 10; expected 0 to 9"),
        ("train-images-idx3-ubyte", idx(np.zeros((60, 27, 28))), "expected 000008030000003c0000001c0000001c"),
        ("train-images-idx3-ubyte", bytes([0, 0, 8, 3]) + b"\xff" * 4 + b"\0\0\0\x1c" * 2, "starts with"),
        ("train-images-idx3-ubyte", idx(np.zeros((60, 28, 28)))[:-1], "unpacks to 47055 bytes; expected 47056"),
        ("train-images-idx3-ubyte", b"", "starts with nothing"),
    ],
)
def test_a_wrong_idx_file_of_a_publisher_is_one_line(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    idx_folder(tmp_path, ("train", "t10k"), 10)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match=complaint) as caught:
        load_dataset(Origin("kmnist", tmp_path), 60, 20, 1)
    assert "\n" not in str(caught.value)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    idx_folder(tmp_path, ("train", "t10k"), 10)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    with pytest.raises(InputError, match=r"train-labels-idx1-ubyte\.gz: unpacks to more than 60008 bytes"):
        load_dataset(Origin("kmnist", tmp_path), 60, 20, 1)


def test_sets_that_no_package_ships_say_what_to_get_and_where_to_name_it(tmp_path: Path) -> None:
    names = [name for name in dataset_names() if dataset_info(name).obtain]
    assert {"cifar10", "cifar100", "kmnist", "emnist-letters", "emnist-digits"} <= set(names)
    for name in names:
        info = dataset_info(name)
        remedy = r"get .* from https://.*, and name its folder by dataset\.folder$"
        assert not is_present(name)
        with pytest.raises(MissingToolError, match=rf"^dataset {name}: no package ships it; {remedy}"):
            fetch_dataset(name)
        with pytest.raises(InputError, match=rf"^no package ships {name}; {remedy}"):
            describe(Origin(name))
        with pytest.raises(InputError, match=rf"absent: no such folder; {remedy}"):
            describe(Origin(name, tmp_path / "absent"))
        with pytest.raises(InputError, match=rf": no such file; {remedy}"):
            describe(Origin(name, tmp_path))
        assert info.folder
