"""Samples of one's own in CSV files: a line of column names, then one sample a line, one column its label."""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.dataset.file import read_file, shown
from harness.dataset.own import Part, shaped
from harness.errors import InputError

_MOST_FILE_BYTES = 1 << 28
_MOST_COLUMNS = 1 << 16
_MOST_SAMPLES = 2_000_000
_MOST_ELEMENTS = 1 << 26
_MOST_LINE_BYTES = 1 << 21
_SHOWN = 40


def read_own_csv(
    path: Path, test_path: Path | None, label: str, shape: tuple[int, int, int] | None
) -> tuple[Part, Part | None]:
    """Return the samples of `path`, and those of `test_path` when there is one.

    Columns are separated by commas. The column `label` names the class, all others hold numbers, in the order of the
    features. Classes are numbered in the order of their names, by number when all names are whole numbers. Raises
    InputError, naming file, line and column, when anything else stands there.
    """
    tables = [_table(each, label) for each in (path, test_path) if each is not None]
    if len(tables) == 2 and tables[0][0] != tables[1][0]:
        raise InputError(f"{test_path}: has other columns than {path}; expected the same in the same order")
    names = _classes([text for _, _, labels in tables for text in labels])
    parts = [
        Part(
            shaped(str(path if index == 0 else test_path), values, shape),
            np.array([names[text] for text in labels], dtype=np.int64),
        )
        for index, (_, values, labels) in enumerate(tables)
    ]
    return parts[0], parts[1] if len(parts) == 2 else None


def _classes(labels: list[str]) -> dict[str, int]:
    """Return the number of each name."""
    distinct = set(labels)
    try:
        ordered = sorted(distinct, key=int)
    except ValueError:
        ordered = sorted(distinct)
    return {name: number for number, name in enumerate(ordered)}


def _table(path: Path, label: str) -> tuple[list[str], np.ndarray, list[str]]:
    """Return the names of the features, their values float32 (n, features) and the labels (n,)."""
    columns: list[str] = []
    names: list[str] = []
    position = 0
    values, labels = array("f"), []
    known: dict[str, str] = {}
    for line, row in _rows(path):
        if not columns:
            columns = [name.strip() for name in row]
            position = _label_column(path, columns, label)
            names = [name for name in columns if name != label]
            continue
        if len(row) != len(columns):
            raise InputError(f"{path}:{line}: has {len(row)} columns; expected {len(columns)}")
        text = row.pop(position).strip()
        if not text:
            raise InputError(f"{path}:{line}: has no {shown(label, _SHOWN)}; expected the name of a class")
        labels.append(known.setdefault(text, text))
        values.frombytes(_numbers(path, line, names, row).tobytes())
        if len(labels) > _MOST_SAMPLES or len(values) > _MOST_ELEMENTS:
            raise InputError(f"{path}: has more than {_MOST_SAMPLES} lines or {_MOST_ELEMENTS} values; expected fewer")
    if not columns:
        raise InputError(f"{path}:1: has 0 column names; expected 2 to {_MOST_COLUMNS}")
    if not labels:
        raise InputError(f"{path}: has no samples; expected one a line behind the column names")
    return names, np.array(values, dtype=np.float32).reshape(len(labels), len(names)), labels


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the values of each line that is not empty, one record a line."""
    content = read_file(path, _MOST_FILE_BYTES)
    for number, line in enumerate(io.BytesIO(content), 1):
        if len(line) > _MOST_LINE_BYTES:
            raise InputError(f"{path}:{number}: has {len(line)} bytes; expected at most {_MOST_LINE_BYTES}")
        if b"\0" in line:
            raise InputError(f"{path}:{number}: holds a zero byte; expected text")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
            row = next(csv.reader([text], strict=True), [])
        except UnicodeDecodeError as error:
            raise InputError(f"{path}:{number}: is no text in UTF-8 (byte {error.start})") from None
        except csv.Error as error:
            raise InputError(f"{path}:{number}: {error}; expected values separated by commas") from None
        if row:
            yield number, row


def _label_column(path: Path, columns: list[str], label: str) -> int:
    if not 2 <= len(columns) <= _MOST_COLUMNS:
        raise InputError(f"{path}:1: has {len(columns)} column names; expected 2 to {_MOST_COLUMNS}")
    if len(set(columns)) != len(columns):
        twice = next(name for index, name in enumerate(columns) if name in columns[:index])
        raise InputError(f"{path}:1: names the column '{shown(twice, _SHOWN)}' twice; expected each name once")
    if label not in columns:
        listed = ", ".join(shown(name, _SHOWN) for name in columns[-8:])
        raise InputError(f"{path}:1: has no column '{label}' (dataset.label); the last ones are {listed}")
    return columns.index(label)


def _numbers(path: Path, line: int, names: list[str], row: list[str]) -> np.ndarray:
    try:
        values = np.array(row, dtype=np.float64)
    except ValueError:
        values = np.array([np.nan])
    # A number too large for float32 becomes an infinity here, which is refused below.
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if not np.isfinite(narrow).all():
        index = next(index for index, text in enumerate(row) if not _is_number(text))
        raise InputError(
            f"{path}:{line}: '{shown(row[index], _SHOWN)}' in column {shown(names[index], _SHOWN)}; expected a number"
        )
    return narrow


def _is_number(text: str) -> bool:
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.float32(np.array([text], dtype=np.float64)[0])))
    except ValueError:
        return False
