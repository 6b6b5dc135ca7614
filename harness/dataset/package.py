"""Package files of a pinned version and hash, downloaded by the ordinary package clients and never installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import InputError, MissingToolError

_TIMEOUT_S = 900
_NPM_DETAILS = {"code", "errno", "syscall", "path", "dest"}
_ENVIRONMENT = {"LC_ALL": "C", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Package:
    """One file of a package registry. `file_name` is what the client saves; `.tar.gz` of pip is a source package."""

    client: Literal["pip", "npm"]
    name: str
    version: str
    file_name: str
    sha256: str

    @property
    def title(self) -> str:
        """Return `pip mlxtend 0.25.0`."""
        return f"{self.client} {self.name} {self.version}"


def run_client(title: str, command: list[str], folder: Path) -> None:
    """Run one packaging command in `folder`; raise MissingToolError with its last complaint when it fails."""
    try:
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise MissingToolError(f"'{title}' did not end within {_TIMEOUT_S} s") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingToolError(
            f"'{title}' failed: {_complaint(getattr(error, 'stderr', None) or str(error))}"
        ) from None


def _complaint(output: str) -> str:
    """Return the line of a client's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "npm error", "npm ERR!", "E:"))]
    if any("DO NOT MATCH THE HASHES" in line for line in lines):
        got = [line.split()[-1] for line in lines if line.startswith("Got ")]
        return f"the package file has the SHA-256 {' '.join(got)}, not the expected one"
    # npm ends with the place of a log; the first line that is none of its details says more.
    npm = [line for line in errors if line.startswith("npm") and not set(line.split()) & _NPM_DETAILS]
    return (npm[:1] or errors[-1:] or lines[-1:] or ["no output"])[0]


def download(package: Package) -> bytes:
    """Return the content of the package file, whose SHA-256 is checked.

    Raises MissingToolError when the client is missing or fails, and InputError when the file is another one.
    """
    with tempfile.TemporaryDirectory(prefix="harness-fetch-") as temporary:
        folder = Path(temporary)
        if package.client == "pip":
            _download_with_pip(package, folder)
        else:
            _download_with_npm(package, folder)
        path = folder / package.file_name
        if not path.is_file():
            raise MissingToolError(f"{package.client} saved no file {package.file_name}")
        content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != package.sha256:
        raise InputError(f"{package.file_name} has the SHA-256 {found}; expected {package.sha256}")
    return content


def _download_with_pip(package: Package, folder: Path) -> None:
    """Save a wheel or source package.

    pip asks the build backend of a source package for its metadata, so the hash is given to pip, which checks it first.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", "utf-8")
    form = "--no-binary=:all:" if package.file_name.endswith(".tar.gz") else "--only-binary=:all:"
    options = ["--quiet", "--no-deps", form, "--ignore-requires-python", "--require-hashes", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, "--requirement", str(requirements)]
    try:
        run_client("pip download", command, folder)
    except MissingToolError as error:
        if "No module named pip" in str(error):
            raise MissingToolError(f"{error}; install it with: {sys.executable} -m ensurepip") from None
        raise


def _download_with_npm(package: Package, folder: Path) -> None:
    if shutil.which("npm") is None:
        raise MissingToolError("npm is missing; install it with: apt-get install --no-install-recommends npm")
    command = ["npm", "pack", "--ignore-scripts", "--loglevel=error", f"{package.name}@{package.version}"]
    run_client("npm pack", command, folder)
