"""The official release of Renode: fetched, checked against its pinned hash, unpacked whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO

from harness.engine.renode.installation import TESTED_VERSION
from harness.errors import InputError, MissingToolError

_BASE_URL = "https://github.com/renode/renode/releases/download"
_PIECE_BYTES = 1 << 20
_TIMEOUT_S = 60
_MOST_UNPACKED_BYTES = 2 << 30
_FROM = "harness renode install --from"

Report = Callable[[int, int], None]
"""Called with the bytes that have come and those expected (0: not told)."""


@dataclass(frozen=True)
class Release:
    """One file of a release."""

    version: str
    file_name: str
    sha256: str
    base_url: str = _BASE_URL

    @property
    def url(self) -> str:
        """Return where the file is published."""
        return f"{self.base_url}/v{self.version}/{self.file_name}"


_RELEASES = {
    ("Linux", "x86_64"): Release(
        TESTED_VERSION,
        f"renode-{TESTED_VERSION}.linux-portable-dotnet.tar.gz",
        "00e113cdbd0f5354cf2f64bbe3f5a070d8958409542fca66e45ac97d982938c0",
    ),
    ("Linux", "aarch64"): Release(
        TESTED_VERSION,
        f"renode-{TESTED_VERSION}.linux-arm64-portable-dotnet.tar.gz",
        "fff3a098c96ed0a4ffbdff3f028c9c5fde432db09587c7bd7c99406180f90007",
    ),
}


def release_for(system: str | None = None, machine: str | None = None) -> Release:
    """Return the release for a host, this one when not given; raises MissingToolError when there is none."""
    host = (system or platform.system(), machine or platform.machine())
    if host not in _RELEASES:
        known = ", ".join(" ".join(one) for one in _RELEASES)
        raise MissingToolError(
            f"Renode {TESTED_VERSION}: no portable release is known for {' '.join(host)} (there is one for {known}); "
            "install it another way and set RENODE to its program"
        )
    return _RELEASES[host]


def fetch(release: Release, file: Path, report: Report) -> None:
    """Download `release` into `file`; raises MissingToolError that says what to download and what to do with it."""
    try:
        with urllib.request.urlopen(release.url, timeout=_TIMEOUT_S) as answer, file.open("wb") as copy:  # noqa: S310
            expected, come = int(answer.headers.get("Content-Length") or 0), 0
            while piece := answer.read(_PIECE_BYTES):
                come += copy.write(piece)
                report(come, expected)
    except urllib.error.HTTPError as error:
        with error:
            raise _no_download(release, error) from None
    except (OSError, HTTPException) as error:
        raise _no_download(release, getattr(error, "reason", error)) from None
    if come < expected:
        raise _no_download(release, f"it broke off after {come} of {expected} bytes")


def _no_download(release: Release, reason: object) -> MissingToolError:
    said = getattr(reason, "strerror", None) or reason
    return MissingToolError(
        f"cannot download Renode: {said}. Download {release.url} elsewhere, then run: {_FROM} {release.file_name}"
    )


def check(release: Release, file: Path) -> None:
    """Compare the SHA-256 of `file` with the pinned one; raises InputError when it is another file."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            digest.update(piece)
    if digest.hexdigest() != release.sha256:
        raise InputError(
            f"{file}: SHA-256 is {digest.hexdigest()}, expected {release.sha256} of {release.file_name}; "
            "it is damaged, or another file"
        )


def install(release: Release, file: Path, target: Path, verify: Callable[[Path], None]) -> None:
    """Unpack the release in `file` as the folder `target`, in place of what is there.

    `verify` is called with the unpacked program before it takes its place and may raise. Raises InputError when `file`
    is not the release or leads outside its folder; then `target` is left as it was.
    """
    check(release, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
        new, old = Path(beside) / "new", Path(beside) / "old"
        unpack(file, new)
        program = new / "renode"
        if not os.access(program, os.X_OK):
            raise InputError(f"{file}: has no program 'renode' in its top folder")
        verify(program)
        if target.exists():
            target.rename(old)
        new.rename(target)


def unpack(file: Path, folder: Path) -> None:
    """Unpack a .tar.gz without its top folder; raises InputError when it is damaged or a member leads outside."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            left_bytes = _MOST_UNPACKED_BYTES
            for member in archive:
                left_bytes -= member.size
                if left_bytes < 0:
                    raise InputError(f"{file}: unpacks to more than {_MOST_UNPACKED_BYTES} bytes")
                _unpack_member(file, archive, member, folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(f"{file}: cannot be read as .tar.gz: {error}") from None
    except OSError as error:
        if error.filename is not None:  # of this machine's disk, not of the archive
            raise
        raise InputError(f"{file}: cannot be read as .tar.gz: {error}") from None


def _unpack_member(file: Path, archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    inside = _inside(file, member.name)
    if inside is None:
        folder.mkdir(exist_ok=True)
        return
    place = folder.joinpath(*inside.parts)
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
    elif member.isfile():
        _make_parent(file, member.name, place, folder)
        content = archive.extractfile(member)
        if content is not None:
            _write(content, place, member.mode)
    elif member.issym():
        _link_target(file, member, inside)
        _make_parent(file, member.name, place, folder)
        place.symlink_to(member.linkname)
    else:
        raise InputError(f"{file}: {member.name} is neither a file, a folder nor a link within")


def _inside(file: Path, name: str) -> PurePosixPath | None:
    """Return a member's path below the top folder, or None for that folder itself."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"{file}: {name} leads outside the folder it is unpacked into")
    return PurePosixPath(*path.parts[1:]) if len(path.parts) > 1 else None


def _link_target(file: Path, member: tarfile.TarInfo, inside: PurePosixPath) -> None:
    target = os.path.normpath(inside.parent / member.linkname)
    if PurePosixPath(member.linkname).is_absolute() or target.split("/")[0] == "..":
        raise InputError(f"{file}: the link {member.name} leads outside the folder it is unpacked into")


def _make_parent(file: Path, name: str, place: Path, folder: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.parent.resolve() != folder.resolve() / place.parent.relative_to(folder) or place.is_symlink():
        raise InputError(f"{file}: {name} is written through a link")


def _write(content: IO[bytes], place: Path, mode: int) -> None:
    with place.open("wb") as copy:
        shutil.copyfileobj(content, copy, _PIECE_BYTES)
    place.chmod(0o755 if mode & 0o111 else 0o644)
