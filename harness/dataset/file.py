"""Files of the user, read whole, within bounds, and only from below the folder that was named."""

from __future__ import annotations

import gzip
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError

_MOST_NAMES = 200_000


def shown(text: str, most: int) -> str:
    """Return the beginning of a text of somebody's file, on one line, for a message."""
    return "".join(character if character.isprintable() else "?" for character in text[:most])


def read_file(path: Path, most_bytes: int, remedy: str = "") -> bytes:
    """Return the content of a regular file of at most `most_bytes`.

    Raises InputError, ending in `remedy`, when it is missing, another kind of file, larger, or cannot be read.
    """
    size = file_size(path, remedy)
    if size > most_bytes:
        raise InputError(f"{path}: has {size} bytes; expected at most {most_bytes}")
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > most_bytes:
        raise InputError(f"{path}: has more than {most_bytes} bytes; expected no more")
    return content


def file_size(path: Path, remedy: str = "") -> int:
    """Return the bytes of a regular file; raise InputError, ending in `remedy`, when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file" + (f"; {remedy}" if remedy else "")) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is no regular file; expected one")
    return status.st_size


@dataclass(frozen=True)
class Folder:
    """A folder with a publisher's files. `remedy` says where they come from, for the message of a missing one."""

    path: Path
    remedy: str

    def has(self, name: str) -> bool:
        """Return whether there is a file `name`."""
        return (self.path / name).is_file()

    def file(self, name: str) -> Path:
        """Return the path of the file `name`.

        Raises InputError when there is none, or when it is a link that leads out of the folder, which a scenario of
        someone else could bring along.
        """
        path = self.path / name
        file_size(path, self.remedy)
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise InputError(f"{path}: is a link that leads out of the folder; expected a file in it")
        return path

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of the file `name`; raise InputError when it is missing or larger than `most_bytes`."""
        return read_file(self.file(name), most_bytes, self.remedy)

    def read_packed(self, name: str, most_bytes: int) -> bytes:
        """Return the content of the file `name`, or unpacked that of `name`.gz, of at most `most_bytes`."""
        if self.has(name):
            return self.read(name, most_bytes)
        path = self.file(f"{name}.gz")
        try:
            with gzip.open(path, "rb") as file:
                content = file.read(most_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: cannot be read as gzip: {error}") from None
        if len(content) > most_bytes:
            raise InputError(f"{path}: unpacks to more than {most_bytes} bytes; expected no more")
        return content

    def names(self, pattern: str) -> list[str]:
        """Return the names, relative to the folder and in order, of the files that match a glob `pattern`."""
        found = []
        for path in self.path.glob(pattern):
            found.append(path.relative_to(self.path).as_posix())
            if len(found) > _MOST_NAMES:
                raise InputError(f"{self.path}: has more than {_MOST_NAMES} files {pattern}; expected fewer")
        return sorted(found)
