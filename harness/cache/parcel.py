"""Entries on their way to the cache of another machine."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from harness.cache.entry import NOTE, Entry, read_entry
from harness.cache.store import HALF_WRITTEN, STEPS, Cache


@dataclass(frozen=True)
class Parcel:
    """One entry: the hash of its inputs, and all its files with their checksums in the note."""

    step: str
    key: str
    files: Mapping[str, bytes]
    executables: frozenset[str]


def pack(entry: Entry) -> Parcel:
    """Return an entry as it travels."""
    files = {name: entry.read(name) for name in entry.checksums} | {NOTE: (entry.folder / NOTE).read_bytes()}
    executables = frozenset(name for name, checksum in entry.checksums.items() if checksum.endswith("x"))
    return Parcel(entry.step, entry.folder.name, files, executables)


def unpack(cache: Cache, parcel: Parcel) -> None:
    """Put an entry into the cache unless it is there; one that was damaged on its way is left out."""
    folder = cache.folder / STEPS / parcel.step / parcel.key
    if read_entry(folder) is not None:
        return
    written = cache.folder / HALF_WRITTEN / uuid.uuid4().hex
    try:
        written.mkdir(parents=True)
        for name, content in parcel.files.items():
            (written / name).write_bytes(content)
            if name in parcel.executables:
                (written / name).chmod(0o755)
        if read_entry(written) is not None:
            with cache.locked_folder(folder):
                folder.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
                written.rename(folder)
    finally:
        shutil.rmtree(written, ignore_errors=True)
