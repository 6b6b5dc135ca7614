"""What the cache holds, and the removal of what was not used for longest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cache.entry import NOTE
from harness.cache.store import HALF_WRITTEN, LOCKS, STEPS, Cache
from harness.errors import InputError
from harness.quantity import parse_size

_OLDER_FORMATS = ("builds",)
_TREES = "objects-1"
_LIMIT = "HARNESS_CACHE_LIMIT"
_DEFAULT_LIMIT = "8192 MiB"


def limit_bytes() -> int:
    """Return how much the cache may hold: HARNESS_CACHE_LIMIT, or 8 GiB. Raises InputError when that is no size."""
    try:
        return parse_size(os.environ.get(_LIMIT) or _DEFAULT_LIMIT)
    except ValueError as error:
        raise InputError(f"{_LIMIT}: {error}") from None


@dataclass(frozen=True)
class Stored:
    """An entry as eviction sees it: its size on disk and when it was last used, in seconds since 1970."""

    step: str
    folder: Path
    size_bytes: int
    used_s: float


def stored_entries(cache: Cache) -> list[Stored]:
    """Return all entries, the one that was not used for longest first; a folder without a note counts as never used."""
    found = []
    for folder in (cache.folder / STEPS).glob("*/*"):
        try:
            size = sum(path.stat().st_size for path in folder.iterdir())
            note = folder / NOTE
            used = note.stat().st_mtime if note.exists() else 0.0
        except OSError:  # another process replaces it right now
            continue
        found.append(Stored(folder.parent.name, folder, size, used))
    return sorted(found, key=lambda entry: (entry.used_s, entry.folder))


def shrink(cache: Cache, limit_bytes: int) -> Sequence[Stored] | None:
    """Remove the entries that were not used for longest until the rest takes at most `limit_bytes`; return them.

    Returns None, and removes nothing, while another process uses the cache.
    """
    entries = stored_entries(cache)
    excess = sum(entry.size_bytes for entry in entries) - limit_bytes
    with cache.use.alone() as alone:
        if not alone:
            return None
        removed = []
        for entry in entries:
            if excess <= 0:
                break
            excess -= entry.size_bytes
            shutil.rmtree(entry.folder, ignore_errors=True)
            removed.append(entry)
        for left in (HALF_WRITTEN, LOCKS):  # of processes that were killed
            shutil.rmtree(cache.folder / left, ignore_errors=True)
        cache.forget()
        return removed


def remove_older_formats(cache: Cache) -> None:
    """Remove what earlier versions of the harness kept, and compiled objects, which are soon made anew."""
    with cache.use.alone() as alone:
        for name in (*_OLDER_FORMATS, _TREES) if alone else ():
            shutil.rmtree(cache.folder / name, ignore_errors=True)
