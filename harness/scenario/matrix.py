"""Expanding the matrix: cartesian product, then `exclude`, then `include`, as people know it from CI systems."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from harness.scenario.choice import one_of
from harness.scenario.complaint import complaint
from harness.scenario.document import Document
from harness.scenario.source import Path, format_path, parse_path
from harness.scenario.vocabulary import expandable_keys, value_adapter, walk_keys

MAX_RUNS = 4096
MAX_ENTRIES = 256
_ROOT: Path = ("matrix",)


@dataclass(frozen=True)
class Cell:
    """One value of a matrix key: as written, as checked (for comparing), and its path in the document."""

    written: Any
    checked: Any
    path: Path


Combination = dict[str, Cell]
"""The value of each dotted key that the matrix fixes for one run."""


def matrix_keys(document: Document) -> set[str]:
    """Return every dotted key that the matrix sets in some run, including those of `include`."""
    matrix = document.data.get("matrix")
    if not isinstance(matrix, dict):
        return set()
    keys = set(matrix) - {"include", "exclude"}
    include = matrix.get("include")
    for entry in include if isinstance(include, list) else []:
        keys.update(entry if isinstance(entry, dict) else ())
    return keys


def expand_matrix(document: Document) -> list[tuple[str, Combination]]:
    """Return the variant text and the combination of each run; one empty combination when there is no matrix.

    Problems of the matrix are reported to `document`; the result is then not meaningful.
    """
    if "matrix" not in document.data:
        return [("", {})]
    matrix = document.data["matrix"]
    before = len(document.problems)
    if not isinstance(matrix, dict) or not matrix:
        document.report_at(_ROOT, "empty matrix; expected keys with lists, such as 'training.dtype: [uint8, float32]'")
        return []
    axes = {key: _axis(document, key, values) for key, values in matrix.items() if key not in {"include", "exclude"}}
    exclude = _entries(document, "exclude", matrix.get("exclude", []))
    include = _entries(document, "include", matrix.get("include", []))
    for entry in exclude:
        for key, cell in entry.items():
            if key not in axes:
                document.report_at(cell.path, f"no key of this matrix; {one_of(key, axes)}")
    if len(document.problems) > before:
        return []
    count = math.prod(len(cells) for cells in axes.values())
    if count > MAX_RUNS:
        document.report_at(_ROOT, f"{count} combinations; expected at most {MAX_RUNS}")
        return []
    product = [dict(zip(axes, cells, strict=True)) for cells in itertools.product(*axes.values())] if axes else []
    kept = _exclude(document, product, exclude)
    combinations = kept + _include(kept, include, set(axes))
    if len(combinations) > MAX_RUNS:
        document.report_at(_ROOT, f"{len(combinations)} combinations; expected at most {MAX_RUNS}")
    if not combinations:
        document.report_at(_ROOT, "empty matrix; expected at least one combination left by 'exclude'")
    return _labelled(document, combinations, list(axes))


def _axis(document: Document, key: str, values: Any) -> list[Cell]:
    """Return the cells of one matrix key, checked one by one."""
    path: Path = (*_ROOT, key)
    if not _is_expandable(document, key, path):
        return []
    if not isinstance(values, list):
        document.report_at(path, "no list; expected a list of values")
        return []
    if not values:
        document.report_at(path, "empty list; expected at least one value")
    cells: list[Cell] = []
    for index, value in enumerate(values):
        cell = _cell(document, key, value, (*path, index))
        if any(_same(cell, other) for other in cells):
            document.report_at(cell.path, "value listed twice; expected it once")
        cells.append(cell)
    return cells


def _entries(document: Document, name: str, entries: Any) -> list[Combination]:
    """Return the entries of `include` or `exclude`."""
    path: Path = (*_ROOT, name)
    if not isinstance(entries, list):
        document.report_at(path, "no list; expected a list of entries such as {platform: nrf52840}")
        return []
    if len(entries) > MAX_ENTRIES:
        document.report_at(path, f"{len(entries)} entries; expected at most {MAX_ENTRIES}")
        return []
    result: list[Combination] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not entry:
            document.report_at((*path, index), "no entry; expected keys with values such as {platform: nrf52840}")
            continue
        result.append(
            {
                key: _cell(document, key, value, (*path, index, key))
                for key, value in entry.items()
                if _is_expandable(document, key, (*path, index, key))
            }
        )
    return result


def _is_expandable(document: Document, key: str, path: Path) -> bool:
    """Return whether a matrix may vary `key`; report it at the key otherwise."""
    keys = expandable_keys()
    if key in keys:
        return True
    sections = [name for name in keys if name.startswith(f"{key}.")]
    if sections:
        message = f"a section; expected one of its keys: {', '.join(sections)}"
    elif key in dict(walk_keys()):
        message = "this key cannot be varied; expected a key with a single value, such as training.dtype"
    else:
        message = f"unknown key; {one_of(key, keys)}"
    document.report(document.keys[path], format_path(path), message)
    return False


def _cell(document: Document, key: str, value: Any, path: Path) -> Cell:
    """Return a checked value; report it when it is wrong by itself."""
    try:
        return Cell(value, value_adapter(key).validate_python(value), path)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            document.report_at(path, complaint(details, parse_path(key), document.data))
        return Cell(value, value, path)


def _same(one: Cell, other: Cell) -> bool:
    return bool(one.checked == other.checked) and type(one.checked) is type(other.checked)


def _matches(combination: Combination, entry: Combination) -> bool:
    """Return whether `combination` has all the values of `entry`."""
    return all(key in combination and _same(combination[key], cell) for key, cell in entry.items())


def _exclude(document: Document, product: list[Combination], entries: list[Combination]) -> list[Combination]:
    """Return the combinations that no entry matches; an entry that matches none is reported, it is a mistake."""
    for index, entry in enumerate(entries):
        if not any(_matches(combination, entry) for combination in product):
            document.report_at(
                (*_ROOT, "exclude", index), "matches no combination; expected values that the matrix lists"
            )
    return [combination for combination in product if not any(_matches(combination, entry) for entry in entries)]


def _include(kept: list[Combination], entries: list[Combination], axes: set[str]) -> list[Combination]:
    """Extend each combination that an entry does not contradict; return new ones for entries that fit none."""
    added: list[Combination] = []
    for entry in entries:
        on_axes = {key: cell for key, cell in entry.items() if key in axes}
        fitting = [combination for combination in kept if _matches(combination, on_axes)]
        for combination in fitting:
            combination.update({key: cell for key, cell in entry.items() if key not in axes})
        if not fitting:
            added.append(dict(entry))
    return added


def _labelled(document: Document, combinations: list[Combination], axes: list[str]) -> list[tuple[str, Combination]]:
    """Return each combination with its variant: values of the matrix keys in order, then `key=value` for others."""
    labelled: dict[str, Combination] = {}
    for combination in combinations:
        complete = all(key in combination for key in axes)
        parts = [_text(combination[key]) for key in axes] if complete else []
        parts += [f"{key}={_text(cell)}" for key, cell in combination.items() if not complete or key not in axes]
        variant = ",".join(parts)
        if variant in labelled:
            path = next(cell.path for cell in combination.values())[:-1]
            document.report_at(path, f"the run [{variant}] is there already; expected each combination once")
        labelled[variant] = combination
    return list(labelled.items())


def _text(cell: Cell) -> str:
    """Return a value as it stands in a label: `64KiB`, `0.5`, `none`, `9+10`."""
    if isinstance(cell.written, list):
        return "+".join(map(str, cell.written))
    return "none" if cell.written is None else str(cell.written).replace(" ", "")
