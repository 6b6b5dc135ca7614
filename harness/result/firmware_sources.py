"""The sources of the firmware as they were built, kept beside the results so that source lines keep their text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from harness.assets import asset_dir, content_hash, write_atomically

_FOLDER = "firmware"
_TESTS = "tests"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date of a ZIP file: equal sources give equal archives


def sources_path(folder: Path, content: str) -> Path:
    """Return where the sources with the hash `content` lie in an output folder."""
    return folder / _FOLDER / f"sources-{content}.zip"


def current_sources() -> dict[str, bytes]:
    """Return the firmware's sources as they are now, by their path in `firmware/`; tests are no part of them."""
    root = asset_dir("firmware")
    files = sorted(path for path in root.rglob("*") if path.is_file() and _TESTS not in path.relative_to(root).parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def store_sources(folder: Path, content: str) -> None:
    """Keep the sources of the firmware in `folder`, unless they are there or are not those of `content` any more."""
    path = sources_path(folder, content)
    if path.exists():
        return
    sources = current_sources()
    if _hash(sources) == content:
        write_atomically(path, _pack(sources))


def read_sources(folder: Path, content: str) -> dict[str, str] | None:
    """Return the text of each source with the hash `content`, by path; None when they were not kept or are damaged."""
    try:
        with zipfile.ZipFile(sources_path(folder, content)) as archive:
            sources = {name: archive.read(name) for name in sorted(archive.namelist())}
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError):
        return None
    if _hash(sources) != content:
        return None
    return {name: data.decode(errors="replace") for name, data in sources.items()}


def _hash(sources: Mapping[str, bytes]) -> str:
    # The same as harness.build.sources_hash, which names them in the evidence of a run.
    ordered = sorted(sources.items(), key=lambda item: Path(item[0]))
    return content_hash([part for name, data in ordered for part in (name.encode(), data)])


def _pack(sources: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sources.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()
