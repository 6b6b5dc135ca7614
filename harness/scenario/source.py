"""Where the values of a scenario stand in its file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and list indexes from the root of the document to a value."""

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True)
class Place:
    """A line and column of a file, both from 1."""

    line: int
    column: int


def parse_path(text: str) -> Path:
    """Return the path that `model.layers[2].filters` means."""
    return tuple(int(index) if index else name for name, index in _PART.findall(text))


def format_path(path: Path) -> str:
    """Return `model.layers[2].filters`, or `document` for the root."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "document"


@dataclass(frozen=True)
class Source:
    """The file of a scenario, the place of each of its values and keys, and what the matrix put over them."""

    file: str = ""
    values: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, Place] = field(default_factory=dict)
    overrides: Mapping[str, Path] = field(default_factory=dict)
    variant: str = ""

    def origin(self, path: Path) -> Path:
        """Return the path in the document that gives the value at `path` of the run."""
        for length in range(len(path), 0, -1):
            written = self.overrides.get(format_path(path[:length]))
            if written is not None:
                return (*written, *path[length:])
        return path

    def is_written(self, path: Path) -> bool:
        """Return whether the file gives the value at `path`, itself or through the matrix."""
        return self.origin(path) in self.values

    def place(self, path: Path) -> Place:
        """Return the place of the value at `path`, or of the key of the nearest section around it that was written."""
        origin = self.origin(path)
        if origin in self.values:
            return self.values[origin]
        while origin and origin not in self.keys:
            origin = origin[:-1]
        return self.keys.get(origin, Place(1, 1))

    def place_of_key(self, path: Path) -> Place:
        """Return the place of the key at `path`, or else of its value."""
        return self.keys.get(self.origin(path)) or self.place(path)

    def locate(self, key: str) -> str:
        """Return `file:line:column` of the dotted `key`, or an empty text when there is no file."""
        if not self.file:
            return ""
        place = self.place(parse_path(key))
        return f"{self.file}:{place.line}:{place.column}"
