"""The hash of the code that a step runs, so that a changed step is never taken for the old one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness.assets import content_hash

_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIXES = frozenset({".py", ".c", ".h", ".cs", ".yaml"})


@cache
def code_hash(*names: str) -> str:
    """Return the hash of the sources and tables of parts of this package: `cost`, `engine/twin.py`, ...

    A folder counts with everything in it. Raises FileNotFoundError for a part that is not there.
    """
    files: set[Path] = set()
    for name in names:
        part = _PACKAGE / name
        found = [part] if part.suffix else [path for path in part.rglob("*") if path.suffix in _SUFFIXES]
        if not found:
            raise FileNotFoundError(part)
        files.update(found)
    named = sorted((path.relative_to(_PACKAGE).as_posix(), path) for path in files)
    return content_hash([piece for name, path in named for piece in (name.encode(), path.read_bytes())])
