"""Data sets: splits, ranges, files, and what is said when they are absent or damaged."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.dataset import dataset_info, dataset_names, is_present, load_dataset, visiting_order
from harness.dataset import fashion_mnist as fashion
from harness.dataset.idx import read_idx
from harness.dataset.sample import stratified_order
from harness.errors import InputError, MissingToolError


def rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_digits_have_the_published_shape_range_and_classes() -> None:
    samples = load_dataset("digits", 1000, 400, 1)
    assert samples.train_x.shape == (1000, 8, 8, 1)
    assert samples.test_x.shape == (400, 8, 8, 1)
    assert samples.train_x.dtype == samples.train_y.dtype == np.uint8
    assert samples.train_x.max() == 16
    assert samples.scale * (16 - samples.zero_point) == 1.0
    assert set(samples.train_y) == set(range(samples.info.classes))
    assert samples.info.licence == "BSD-3-Clause"


def test_training_and_test_digits_are_disjoint_and_together_all_there_are() -> None:
    samples = load_dataset("digits", 1397, 400, 3)
    assert len(rows(samples.train_x)) + len(rows(samples.test_x)) == 1797  # the set has no duplicates
    assert not rows(samples.train_x) & rows(samples.test_x)


def test_digits_equal_those_of_the_library_and_keep_their_labels() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = {
        image.astype(np.uint8).tobytes(): label for image, label in zip(digits.images, digits.target, strict=True)
    }
    samples = load_dataset("digits", 500, 100, 2)
    assert all(labels[image.tobytes()] == label for image, label in zip(samples.train_x, samples.train_y, strict=True))
    assert all(labels[image.tobytes()] == label for image, label in zip(samples.test_x, samples.test_y, strict=True))


def test_every_part_has_the_shares_of_the_classes() -> None:
    samples = load_dataset("digits", 1000, 400, 1)
    for labels in (samples.train_y, samples.test_y, samples.train_y[:100]):
        counts = np.bincount(labels, minlength=10) / len(labels)
        assert np.abs(counts - 0.1).max() < 0.03


def test_the_seed_decides_which_samples_are_drawn() -> None:
    one, again, other = (load_dataset.__wrapped__("digits", 100, 50, seed) for seed in (1, 1, 2))
    assert one.content_hash == again.content_hash != other.content_hash
    assert np.array_equal(one.train_x, again.train_x)
    assert rows(one.train_x) != rows(other.train_x)


def test_the_drawn_digits_stay_the_same_on_every_machine() -> None:
    assert load_dataset("digits", 1000, 400, 1).content_hash == "21314a047b1a8b7d"


def test_more_training_samples_contain_fewer_and_leave_the_test_samples() -> None:
    small, large = load_dataset("digits", 100, 50, 1), load_dataset("digits", 300, 50, 1)
    assert np.array_equal(large.train_x[:100], small.train_x)
    assert np.array_equal(large.test_x, small.test_x)


def test_arrays_cannot_be_changed() -> None:
    samples = load_dataset("digits", 10, 10, 1)
    with pytest.raises(ValueError, match="read-only"):
        samples.train_x[0, 0, 0, 0] = 1


@pytest.mark.parametrize(
    ("name", "train", "test", "complaint"),
    [
        ("digits", 1798, 1, r"^dataset\.train: 1798 samples; expected at most 1797"),
        ("digits", 1000, 800, r"^dataset\.test: 1000 training and 800 test samples; expected at most 1797 together"),
        ("fashion-mnist", 60001, 10, r"^dataset\.train: 60001 samples; expected at most 60000"),
        ("fashion-mnist", 10, 10001, r"^dataset\.test: 10001 samples; expected at most 10000"),
        ("fashion-mnis", 10, 10, r"did you mean 'fashion-mnist'"),
    ],
)
def test_more_samples_than_exist_are_refused_with_the_maximum(name: str, train: int, test: int, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        load_dataset(name, train, test, 1)


def test_every_data_set_says_where_it_comes_from() -> None:
    for name in dataset_names():
        info = dataset_info(name)
        assert info.licence
        assert info.source
        assert info.name == name


def test_a_stratified_order_interleaves_unequal_classes() -> None:
    labels = np.array([0] * 90 + [1] * 10, dtype=np.uint8)
    order = stratified_order(labels, 5)
    assert sorted(order) == list(range(100))
    for start in range(0, 100, 20):
        assert 1 <= labels[order[start : start + 20]].sum() <= 3


def test_every_epoch_visits_every_sample_once_in_an_order_of_its_own() -> None:
    order = visiting_order(50, 3, 7)
    assert order.dtype == np.uint32
    assert order.shape == (150,)
    epochs = order.reshape(3, 50)
    assert (np.sort(epochs, axis=1) == np.arange(50)).all()
    assert len({epoch.tobytes() for epoch in epochs}) == 3
    assert np.array_equal(visiting_order(50, 5, 7)[:150], order)
    assert not np.array_equal(visiting_order(50, 3, 8), order)
    assert visiting_order(50, 0, 7).shape == (0,)


def test_the_visiting_order_stays_the_same_on_every_machine() -> None:
    generator = np.random.Generator(np.random.PCG64((4, 1)))
    assert np.array_equal(visiting_order(9, 2, 4)[9:], generator.permutation(9))


IDX_2X3 = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])


def idx(folder: Path, content: bytes) -> Path:
    path = folder / "a-ubyte.gz"
    path.write_bytes(gzip.compress(content))
    return path


def test_an_idx_file_is_read_row_by_row(tmp_path: Path) -> None:
    assert read_idx(idx(tmp_path, IDX_2X3 + bytes(range(6))), (2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "starts with nothing"),
        (IDX_2X3[:7], "starts with"),
        (IDX_2X3 + bytes(5), "unpacks to 17 bytes; expected 18"),
        (IDX_2X3 + bytes(7), "unpacks to more than 18 bytes; expected 18"),
        (IDX_2X3 + bytes(10_000_000), "unpacks to more than 18 bytes"),
        (bytes([0, 0, 13, 2]) + IDX_2X3[4:] + bytes(24), "starts with 00000d02"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 6]) + bytes(6), "starts with 00000801"),
        (IDX_2X3[:-1] + b"\x04" + bytes(8), "expected 000008020000000200000003"),
    ],
)
def test_a_wrong_idx_file_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_idx(idx(tmp_path, content), (2, 3))


@pytest.mark.parametrize("damage", ["missing", "not gzip", "cut", "flipped"])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = idx(tmp_path, IDX_2X3 + bytes(range(6)))
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        cut = content[:-10]
        flipped = content[:-6] + bytes([content[-6] ^ 255]) + content[-5:]
        path.write_bytes({"not gzip": b"hello", "cut": cut, "flipped": flipped}[damage])
    with pytest.raises(InputError, match="cannot be read as gzip"):
        read_idx(path, (2, 3))


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with the published files, fetched when it has to be."""
    try:
        load_dataset("fashion-mnist", 10, 10, 1)
    except MissingToolError as error:
        pytest.skip(f"Fashion-MNIST is absent and cannot be fetched: {error}")
    folder = fashion.find_files()
    assert folder is not None
    return folder


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No system package, an empty cache and an empty PATH with room for tools of the test."""
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setattr(fashion, "SYSTEM_DIR", Path("/usr/share/datasets/not-there"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tools))
    load_dataset.cache_clear()
    yield tools
    load_dataset.cache_clear()


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_apt_the_message_says_which_files_to_put_where(nothing_installed: Path) -> None:
    with pytest.raises(MissingToolError, match=r"apt-get is missing .* put its files .*t10k-labels-idx1-ubyte.gz into"):
        load_dataset("fashion-mnist", 10, 10, 1)
    assert not is_present("fashion-mnist")


def test_without_network_the_message_is_one_line_with_the_command(nothing_installed: Path, tmp_path: Path) -> None:
    tool(nothing_installed, "dpkg-deb", "exit 1")
    tool(nothing_installed, "apt-get", 'echo "W: slow" >&2; echo "E: Could not resolve host" >&2; exit 100')
    with pytest.raises(MissingToolError) as caught:
        load_dataset("fashion-mnist", 10, 10, 1)
    assert str(caught.value) == (
        "dataset fashion-mnist: 'apt-get download' failed: E: Could not resolve host; install it with: "
        "apt-get update && apt-get install --no-install-recommends dataset-fashion-mnist"
    )
    assert list((tmp_path / "cache").rglob("*.gz")) == []
    assert list((tmp_path / "cache" / "datasets").iterdir()) == []


def test_a_package_without_the_files_leaves_nothing_behind(nothing_installed: Path, tmp_path: Path) -> None:
    tool(nothing_installed, "apt-get", "echo x > dataset.deb")
    tool(nothing_installed, "dpkg-deb", "exit 0")
    with pytest.raises(MissingToolError, match=r"train-images-idx3-ubyte.gz is not in dataset.deb"):
        load_dataset("fashion-mnist", 10, 10, 1)
    assert list((tmp_path / "cache" / "datasets").iterdir()) == []


def test_files_with_other_samples_are_refused(nothing_installed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name, shape in fashion._FILES.items():
        header = bytes([0, 0, 8, len(shape)]) + b"".join(extent.to_bytes(4, "big") for extent in shape)
        (folder / name).write_bytes(gzip.compress(header + bytes(int(np.prod(shape))), compresslevel=1))
    with pytest.raises(
        InputError, match=r"train-images-idx3-ubyte.gz: SHA-256 of the samples is \w+; expected \w+; delete"
    ):
        load_dataset("fashion-mnist", 10, 10, 1)


def test_fashion_mnist_has_the_published_split_and_balanced_parts(published: Path) -> None:
    samples = load_dataset("fashion-mnist", 10_000, 2_000, 1)
    assert samples.train_x.shape == (10_000, 28, 28, 1)
    assert np.bincount(samples.train_y).tolist() == [1000] * 10
    assert np.bincount(samples.test_y).tolist() == [200] * 10
    assert samples.train_x.max() == 255
    assert samples.scale * (255 - samples.zero_point) == pytest.approx(1.0)
    whole = load_dataset("fashion-mnist", 60_000, 10_000, 1)
    assert rows(samples.test_x) <= rows(whole.test_x)
    assert np.bincount(whole.train_y).tolist() == [6000] * 10
    assert len(rows(whole.train_x) | rows(whole.test_x)) == 70_000  # no image stands twice
    assert samples.content_hash == "2cdb9c46266274d4"


def test_the_package_is_fetched_once_and_again_when_a_file_of_the_cache_is_gone(
    published: Path, nothing_installed: Path, tmp_path: Path
) -> None:
    unpacked = f"$3{fashion.SYSTEM_DIR}"
    tool(nothing_installed, "apt-get", f"echo fetched >> {tmp_path}/log; echo x > dataset.deb")
    tool(nothing_installed, "dpkg-deb", f"/bin/mkdir -p {unpacked}; /bin/cp {published}/*.gz {unpacked}")
    for seed, fetches in ((1, 1), (2, 1)):
        assert len(load_dataset("fashion-mnist", 10, 10, seed).train_y) == 10
        assert (tmp_path / "log").read_text().count("fetched") == fetches
    assert is_present("fashion-mnist")
    (tmp_path / "cache/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz").unlink()
    load_dataset("fashion-mnist", 10, 10, 3)
    assert (tmp_path / "log").read_text().count("fetched") == 2
    assert [path.name for path in (tmp_path / "cache/datasets").iterdir()] == ["fashion-mnist"]
