"""Files inside wheels, tarballs and gzip files, read into memory by exact name and never unpacked to disk.

What is asked for is bounded, so an archive that would unpack to more costs an error and not the memory. Names of other
members, absolute, with `..` or otherwise, are never used as paths.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO

from harness.errors import InputError

_MOST_UNPACKED_BYTES = 1 << 29
_READING_FAILS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, ValueError)


def read_members(name: str, content: bytes, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """Return the members of an archive whose names are the keys of `wanted`, each at most its value in bytes.

    `name` tells the format by its ending: `.whl`, `.zip` or `.npz`; `.tar.gz` or `.tgz`. Raises InputError when the
    archive is damaged, or when a member is missing, larger, or no regular file.
    """
    try:
        read = _tar_members if name.endswith((".tar.gz", ".tgz")) else _zip_members
        found = read(content, wanted)
    except _READING_FAILS as error:
        raise InputError(f"{name}: cannot be read as an archive: {error}") from None
    missing = [member for member in wanted if member not in found]
    if missing:
        raise InputError(f"{name}: has no file {missing[0]}")
    return found


def gunzip(name: str, content: bytes, most_bytes: int) -> bytes:
    """Return the unpacked content of a gzip file; raise InputError when it is damaged or larger than `most_bytes`."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return _read_at_most(name, file, most_bytes)
    except _READING_FAILS as error:
        raise InputError(f"{name}: cannot be read as gzip: {error}") from None


def _read_at_most(name: str, file: IO[bytes] | gzip.GzipFile, most_bytes: int) -> bytes:
    content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise InputError(f"{name}: is larger than {most_bytes} bytes, the most expected")
    return content


def _zip_members(content: bytes, wanted: Mapping[str, int]) -> dict[str, bytes]:
    found = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member, most_bytes in wanted.items():
            if member in archive.namelist():
                with archive.open(member) as file:
                    found[member] = _read_at_most(member, file, most_bytes)
    return found


class _Bounded(io.RawIOBase):
    """A stream that ends with an error after `most_bytes`, so that headers and skipped members are bounded too."""

    def __init__(self, source: gzip.GzipFile, most_bytes: int) -> None:
        self._source = source
        self._left = most_bytes

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes; raise OSError beyond the bound."""
        content = self._source.read(size if 0 <= size <= self._left else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise OSError("unpacks to more than expected")
        return content


def _tar_members(content: bytes, wanted: Mapping[str, int]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
        stream = _Bounded(unpacked, _MOST_UNPACKED_BYTES)
        archive = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115  (nothing is open but the stream)
        for member in archive:
            if member.name not in wanted or member.name in found:
                continue
            file = archive.extractfile(member) if member.isreg() else None
            if file is None:
                raise InputError(f"{member.name}: is no regular file")
            found[member.name] = _read_at_most(member.name, file, wanted[member.name])
        while stream.read(io.DEFAULT_BUFFER_SIZE):
            pass  # the checksum stands at the end
    return found
