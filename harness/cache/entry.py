"""One entry: a folder with the files that a step made, and a note of its values and of every checksum."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

NOTE = "entry.json"

_EXECUTABLE = 0o100


@dataclass(frozen=True)
class Output:
    """What a step computed: `values` for the steps behind it, and `files` as bytes, or as files to copy."""

    values: Mapping[str, JsonValue] = field(default_factory=dict)
    files: Mapping[str, bytes | Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A finished step. `wall_s` is what it took when it was computed, which `fresh` says was just now.

    `checksums` are the SHA-256 of the files by name; `maker` is the process and moment that made it.
    """

    step: str
    folder: Path
    values: Mapping[str, JsonValue]
    checksums: Mapping[str, str]
    wall_s: float
    maker: str
    fresh: bool = False

    @property
    def content(self) -> str:
        """Return the hash of values and files: equal results of different inputs have the same."""
        text = json.dumps([self.values, self.checksums], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def path(self, name: str) -> Path:
        """Return the file `name`."""
        assert name in self.checksums, f"{self.step}: no file {name}"
        return self.folder / name

    def read(self, name: str) -> bytes:
        """Return the content of the file `name`."""
        return self.path(name).read_bytes()


def write_entry(
    folder: Path, step: str, inputs: Mapping[str, object], output: Output, wall_s: float, maker: str
) -> None:
    """Write an entry into the new folder `folder`; the note, which makes it one, comes last."""
    folder.mkdir(parents=True)
    checksums = {}
    for name, content in output.files.items():
        path = folder / name
        if isinstance(content, Path):
            shutil.copy2(content, path)
        else:
            path.write_bytes(content)
        checksums[name] = _checksum(path)
    body = {
        "step": step,
        "inputs": inputs,
        "values": output.values,
        "checksums": checksums,
        "wall_s": round(wall_s, 6),
        "maker": maker,
        "created": time.time(),
    }
    text = json.dumps(body, sort_keys=True)
    (folder / NOTE).write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}\n")


def read_note(folder: Path) -> dict[str, JsonValue] | None:
    """Return the note of an entry, None when there is none or it is not what was written."""
    try:
        checksum, _, text = (folder / NOTE).read_text().partition("\n")
    except (OSError, ValueError):
        return None
    if hashlib.sha256(text.rstrip("\n").encode()).hexdigest() != checksum:
        return None
    note: dict[str, JsonValue] = json.loads(text)
    return note


def read_entry(folder: Path) -> Entry | None:
    """Return the entry in `folder`, None when it is absent, half-written or damaged in any file."""
    note = read_note(folder)
    if note is None:
        return None
    checksums, values = note["checksums"], note["values"]
    assert isinstance(checksums, dict)
    assert isinstance(values, dict)
    try:
        if any(_checksum(folder / name) != checksum for name, checksum in checksums.items()):
            return None
    except OSError:
        return None
    return Entry(
        step=str(note["step"]),
        folder=folder,
        values=values,
        checksums={name: str(checksum) for name, checksum in checksums.items()},
        wall_s=float(str(note["wall_s"])),
        maker=str(note["maker"]),
    )


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file and of whether it can be executed."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{digest}x" if os.fstat(file.fileno()).st_mode & _EXECUTABLE else digest
