"""Whatever stands in a file of samples, its loader gives samples or one clean line, within its bounds."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from data_folders import cifar_record, daliac_subject, generator, idx, jpeg, wav
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from harness.dataset import cifar, daliac, dataset_info, flowers, published_idx, speech_commands
from harness.dataset.file import Folder
from harness.dataset.matlab import read_numbers
from harness.dataset.own import own_arrays
from harness.dataset.own_csv import read_own_csv
from harness.dataset.own_npz import read_own_npz
from harness.errors import InputError

MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Loader:
    """A valid small file, the name it has, and what reads it from its folder."""

    name: str
    content: bytes
    read: Callable[[Folder], object]


def npz_file() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=generator().normal(0, 1, (12, 3)).astype(np.float32), y=np.arange(12) % 2)
    return file.getvalue()


def mat_file(compressed: bool) -> bytes:
    file = io.BytesIO()
    savemat(file, {"x": generator().normal(0, 1, (20, 1)), "n": np.array([[3]])}, do_compression=compressed)
    return file.getvalue()


def daliac_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        daliac_subject(path, [1, 2], 520, 0.0)
        lines = path.read_bytes().splitlines(keepends=True)
        return b"".join(lines[:6] + lines[515:525])


def read_npz(folder: Folder) -> object:
    path = folder.path / "a.npz"
    return own_arrays(path, *read_own_npz(path, None))


def read_csv(folder: Folder) -> object:
    path = folder.path / "a.csv"
    return own_arrays(path, *read_own_csv(path, None, "kind", None))


def read_idx_part(folder: Folder) -> object:
    (folder.path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(3)))
    return published_idx._part(dataset_info("kmnist"), folder, True)


CSV = b"a,kind,b\n" + b"".join(b"%d,%s,%.2f\n" % (n, b"cat" if n % 2 else b"dog", n / 3) for n in range(12))
IMAGES = idx(generator().integers(0, 256, (3, 28, 28)))
RECORDS = cifar_record(b"\x01", (1, 2, 3), 1) + cifar_record(b"\x02", (1, 2, 3), 2)
LOADERS = {
    "idx": Loader("t10k-images-idx3-ubyte", IMAGES, read_idx_part),
    "idx, packed": Loader("t10k-images-idx3-ubyte.gz", gzip.compress(IMAGES), read_idx_part),
    "cifar": Loader("a.bin", RECORDS, lambda folder: cifar.read_records(folder, "a.bin", 2, 1, 10)),
    "mat": Loader(
        "a.mat", mat_file(False), lambda folder: read_numbers("a", folder.read("a.mat", MOST_BYTES), "x", MOST_BYTES)
    ),
    "mat, packed": Loader(
        "a.mat", mat_file(True), lambda folder: read_numbers("a", folder.read("a.mat", MOST_BYTES), "x", MOST_BYTES)
    ),
    "daliac": Loader("a.txt", daliac_file(), lambda folder: list(daliac.read_subject(folder.file("a.txt")))),
    "wav": Loader("a.wav", wav(np.arange(200)), lambda folder: speech_commands.read_clip(folder, "a.wav")),
    "jpeg": Loader("a.jpg", jpeg(24, 16, (9, 99, 200)), lambda folder: flowers.read_photograph(folder, "a.jpg")),
    "npz": Loader("a.npz", npz_file(), read_npz),
    "csv": Loader("a.csv", CSV, read_csv),
}
PIECES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 8, b"\xff\xff\xff\x7f", b"1e999", b"nan", b",", b"\n", b'"', b"-"]
    ),
)
CHANGES = st.tuples(
    st.sampled_from(["put", "insert", "drop", "cut", "repeat"]), st.floats(0, 1), st.integers(1, 64), PIECES
)


def changed(content: bytes, changes: list[tuple[str, float, int, bytes]]) -> bytes:
    for kind, where, length, piece in changes:
        place = int(where * len(content))
        if kind == "put":
            content = content[:place] + piece + content[place + len(piece) :]
        elif kind == "insert":
            content = content[:place] + piece + content[place:]
        elif kind == "drop":
            content = content[:place] + content[place + length :]
        elif kind == "cut":
            content = content[:place]
        else:
            content = content[: place + length] + content[place:]
    return content


def check(loader: Loader, content: bytes) -> bool:
    """Return whether the loader takes the content; it may refuse it in one clean line only."""
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name), "get it")
        (folder.path / loader.name).write_bytes(content)
        try:
            loader.read(folder)
            message = ""
        except InputError as error:
            message = str(error)
    assert message.isprintable()  # so one line, and nothing that garbles a terminal
    assert len(message) < 1000
    return not message


@pytest.mark.parametrize("name", LOADERS)
def test_the_unchanged_file_is_taken(name: str) -> None:
    assert check(LOADERS[name], LOADERS[name].content)


@pytest.mark.parametrize("name", LOADERS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4))
def test_a_changed_file_gives_samples_or_one_line(name: str, changes: list[tuple[str, float, int, bytes]]) -> None:
    check(LOADERS[name], changed(LOADERS[name].content, changes))


@pytest.mark.parametrize("name", LOADERS)
@settings(max_examples=20, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_give_samples_or_one_line(name: str, content: bytes) -> None:
    check(LOADERS[name], content)
