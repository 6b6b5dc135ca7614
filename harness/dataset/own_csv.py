"""Samples of one's own in CSV files: a line of column names, then one sample a line, one column its label."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from harness.dataset.file import read_file
from harness.dataset.own import Part, shaped
from harness.errors import InputError

_MOST_FILE_BYTES = 1 << 28
_MOST_COLUMNS = 1 << 16
_MOST_ELEMENTS = 1 << 26
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
    content = read_file(path, _MOST_FILE_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text in UTF-8 (byte {error.start})") from None
    del content
    if "\0" in text:
        raise InputError(f"{path}: holds a zero byte; expected text")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        columns = [name.strip() for name in next(reader, [])]
        position = _label_column(path, columns, label)
        rows, labels = [], []
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                raise InputError(f"{path}:{reader.line_num}: has {len(row)} columns; expected {len(columns)}")
            labels.append(row.pop(position).strip())
            if not labels[-1]:
                raise InputError(f"{path}:{reader.line_num}: has no {label}; expected the name of a class")
            rows.append(_numbers(path, reader.line_num, [name for name in columns if name != label], row))
            if len(rows) * len(columns) > _MOST_ELEMENTS:
                raise InputError(f"{path}: has more than {_MOST_ELEMENTS} values; expected fewer")
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}; expected values separated by commas") from None
    if not rows:
        raise InputError(f"{path}: has no samples; expected one a line behind the column names")
    return [name for name in columns if name != label], np.stack(rows), labels


def _label_column(path: Path, columns: list[str], label: str) -> int:
    if not 2 <= len(columns) <= _MOST_COLUMNS:
        raise InputError(f"{path}:1: has {len(columns)} column names; expected 2 to {_MOST_COLUMNS}")
    if len(set(columns)) != len(columns):
        twice = next(name for index, name in enumerate(columns) if name in columns[:index])
        raise InputError(f"{path}:1: names the column '{_shown(twice)}' twice; expected each name once")
    if label not in columns:
        listed = ", ".join(_shown(name) for name in columns[-8:])
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
        raise InputError(f"{path}:{line}: '{_shown(row[index])}' in column {_shown(names[index])}; expected a number")
    return narrow


def _is_number(text: str) -> bool:
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.float32(np.array([text], dtype=np.float64)[0])))
    except ValueError:
        return False


def _shown(text: str) -> str:
    """Return the beginning of a text of the file on one line."""
    return "".join(character if character.isprintable() else "?" for character in text[:_SHOWN])
