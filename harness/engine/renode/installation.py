"""The Renode that this machine has: named by `RENODE`, on PATH, or in the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.assets import cache_dir
from harness.errors import InputError, MissingToolError

TESTED_VERSION = "1.16.1"
HOW_TO_GET = "run 'harness renode install', or set RENODE to the program 'renode' of an unpacked release"

_VARIABLE = "RENODE"
_PROGRAM = "renode"
_VERSION = re.compile(r"Renode,?\s+(?:version\s+)?v?(\d+\.\d+(?:\.\d+)?)", re.IGNORECASE)
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Renode:
    """A Renode that starts: `found_by` is `RENODE`, `PATH` or `cache`."""

    command: Path
    version: str
    found_by: str

    @property
    def warning(self) -> str | None:
        """Return one line for the user when this is not the version that the harness was tested with."""
        if self.version == TESTED_VERSION:
            return None
        return f"{self.command}: Renode {self.version}; the harness was tested with {TESTED_VERSION}"


def installed_command(version: str = TESTED_VERSION) -> Path:
    """Return where `harness renode install` puts the program."""
    return cache_dir() / "renode" / version / _PROGRAM


def find_renode() -> Renode | None:
    """Return the first Renode of `RENODE` in the environment, PATH and the cache, or None when there is none.

    Raises InputError when `RENODE` names no program and MissingToolError when what was found does not start.
    """
    found = _find()
    if found is None:
        return None
    command, found_by = found
    return Renode(command, program_version(command), found_by)


def require_renode() -> Renode:
    """Return what `find_renode` finds; raises MissingToolError with the command that installs it otherwise."""
    renode = find_renode()
    if renode is None:
        raise MissingToolError(f"Renode is not here, neither in RENODE nor on PATH nor in the cache: {HOW_TO_GET}")
    return renode


def _find() -> tuple[Path, str] | None:
    named = os.environ.get(_VARIABLE)
    if named:
        program = shutil.which(named)
        if program is None:
            raise InputError(f"RENODE: '{named}' is no program; expected the path of 'renode'")
        return Path(program).absolute(), _VARIABLE
    program = shutil.which(_PROGRAM)
    if program is not None:
        return Path(program).absolute(), "PATH"
    cached = installed_command()
    return (cached, "cache") if os.access(cached, os.X_OK) else None


def renode_environment() -> dict[str, str]:
    """Return the environment to start Renode in: .NET does not ask for the ICU libraries that small systems lack."""
    return {
        **os.environ,
        "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        "DOTNET_SYSTEM_GLOBALIZATION_PREDEFINED_CULTURES_ONLY": "0",
    }


def program_version(command: Path) -> str:
    """Return the version that a Renode tells, as `1.16.1`; raises MissingToolError when it does not start."""
    try:
        result = subprocess.run(
            [command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            env=renode_environment(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingToolError(f"{command}: does not start: {error}; {HOW_TO_GET}") from None
    match = _VERSION.search(result.stdout)
    if match is None:
        said = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()[-1]
        raise MissingToolError(f"{command}: is no Renode that tells its version: {said}; {HOW_TO_GET}")
    return match[1]
