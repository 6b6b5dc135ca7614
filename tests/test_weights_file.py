"""Weights in a file: what was written is read again; anything else is one line that says what was expected."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import InputError
from harness.model import initial_weights, load_network, read_weights, write_weights

NETWORK = load_network("digits-cnn")
FIRST = next(index for index, layer in enumerate(NETWORK.layers) if layer.trainable)
WEIGHTS = f"weights{FIRST}"
BIAS = f"bias{FIRST}"


def arrays() -> dict[str, Any]:
    found = {}
    for index, entry in enumerate(initial_weights(NETWORK, 7)):
        if entry is not None:
            found |= {f"weights{index}": entry.weights, f"bias{index}": entry.bias}
    return found


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_weights(path, NETWORK)
    (line,) = caught.value.lines
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def test_what_was_written_is_read_again_bit_for_bit(tmp_path: Path) -> None:
    written = initial_weights(NETWORK, 7)
    write_weights(tmp_path / "w.npz", written)
    for before, after in zip(written, read_weights(tmp_path / "w.npz", NETWORK), strict=True):
        if before is None:
            assert after is None
        else:
            assert after is not None
            np.testing.assert_array_equal(before.weights, after.weights)
            np.testing.assert_array_equal(before.bias, after.bias)
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]


def test_a_file_of_float64_arrays_written_by_numpy_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{name: array.astype(np.float64) for name, array in arrays().items()})
    entry = read_weights(tmp_path / "w.npz", NETWORK)[FIRST]
    assert entry is not None
    assert entry.weights.dtype == np.float32
    np.testing.assert_array_equal(entry.weights, arrays()[WEIGHTS])


def test_more_arrays_than_needed_do_no_harm(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **arrays(), epoch=np.int64(3))
    assert read_weights(tmp_path / "w.npz", NETWORK)[FIRST] is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({BIAS: None}, f"no array '{BIAS}'; expected one of shape "),
        (
            {WEIGHTS: np.zeros((2, 3), np.float32)},
            f"'{WEIGHTS}' is float32 of shape (2, 3); expected float32 of shape ",
        ),
        ({BIAS: np.zeros(arrays()[BIAS].shape, np.int32)}, f"'{BIAS}' is int32 of shape "),
        ({BIAS: np.full(arrays()[BIAS].shape, np.nan, np.float32)}, f"'{BIAS}' holds values that are not finite"),
        ({BIAS: np.full(arrays()[BIAS].shape, None, object)}, f"'{BIAS}' is object of shape "),
    ],
    ids=["missing", "shape", "integers", "not finite", "objects"],
)
def test_a_wrong_array_is_named_with_what_was_expected(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    kept = {name: array for name, array in (arrays() | change).items() if array is not None}
    np.savez(tmp_path / "w.npz", **kept)
    assert complaint(tmp_path / "w.npz").startswith(message)


def test_the_size_of_an_array_is_checked_before_it_is_read(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = (1 << 40, 9)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr(f"{WEIGHTS}.npy", header.getvalue())
    assert f"of shape {shape}; expected float32 of shape " in complaint(tmp_path / "w.npz")


def damaged() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays())
    content = bytearray(buffer.getvalue())
    content[200:400] = bytes(200)
    return bytes(content)


def array_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, arrays()[WEIGHTS])
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive at all", bytes(range(256)) * 8, pickle.dumps(arrays()), array_file(), damaged()],
    ids=["empty", "text", "garbage", "pickle", "a single array", "damaged"],
)
def test_a_file_that_is_no_archive_of_arrays_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    assert complaint(tmp_path / "w.npz").startswith("not a readable .npz file of weights: ")


def test_a_header_that_is_no_python_text_is_one_line(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', (\n"
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("weights0.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert complaint(tmp_path / "w.npz").startswith("not a readable .npz file of weights: ")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


def test_no_pickle_is_ever_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bombs = np.full(arrays()[BIAS].shape, Bomb(), object)
    np.savez(tmp_path / "w.npz", **(arrays() | {BIAS: bombs}))
    (tmp_path / "p.npz").write_bytes(pickle.dumps(Bomb()))
    complaint(tmp_path / "w.npz")
    complaint(tmp_path / "p.npz")
    assert not Path("exploded").exists()


def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.npz"):
        assert complaint(path) == "no such file; expected a .npz file of weights"
