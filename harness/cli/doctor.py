"""`harness doctor`: which tools are there, in which version, and how to install those that are not."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import typer

from harness.errors import EXIT_FAILURE, HarnessError

_APT = "apt-get install --no-install-recommends"
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)*")
_TIMEOUT_S = 20
_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Tool:
    """A program, library or data set: what of it is needed, and how to get it.

    `found` returns the version, an empty text when it is there without one, or None when it is missing.
    """

    name: str
    needed: str
    install: str
    found: Callable[[], str | None]
    required: bool = True


def doctor() -> None:
    """List every tool the harness uses: version found, version needed, and the command that installs it.

    The exit status is 3 when a required tool is missing or too old.
    """
    rows = [("tool", "found", "needed", "state", "install with")]
    broken = 0
    for tool in [*_programs(), *_packages(), *_optional()]:
        version = tool.found()
        good = version is not None and _satisfies(version, tool.needed)
        state = "ok" if good else "missing" if version is None else "too old or new"
        if not good and not tool.required:
            state += " (optional)"
        broken += not good and tool.required
        shown = "-" if version is None else version or "yes"
        rows.append((tool.name, shown, tool.needed or "any", state, "" if good else tool.install))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if broken:
        typer.echo(
            f"\n{broken} required tool{'s are' if broken > 1 else ' is'} missing or of the wrong version", err=True
        )
        raise typer.Exit(EXIT_FAILURE)
    typer.echo("\neverything that is required is there")


def _satisfies(version: str, needed: str) -> bool:
    """Return whether `version` meets a specifier such as `>=5.0.3,<6`; a version that is unknown does."""
    from packaging.specifiers import SpecifierSet

    return not version or SpecifierSet(needed).contains(version, prereleases=True)


def _output(*command: str, text: str = "") -> str | None:
    """Return what a command prints, or None when it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        result = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout


def _program(*command: str) -> Callable[[], str | None]:
    """Return a probe for the first version number in a program's output."""

    def probe() -> str | None:
        printed = _output(*command)
        if printed is None:
            return None
        match = _VERSION.search(re.sub(r"\([^)]*\)", "", printed))
        return match[0] if match else ""

    return probe


def _host_compiler() -> str | None:
    """Return the version of `cc` when it compiles a program that uses the C library."""
    if _output("cc", "-E", "-", text="#include <stdio.h>\n") is None:
        return None
    return (_output("cc", "-dumpfullversion", "-dumpversion") or "").strip()


def _newlib() -> str | None:
    """Return the version of newlib when its headers and its small library are there."""
    library = _output("arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-print-file-name=libc_nano.a")
    if library is None or not Path(library.strip()).is_absolute():
        return None
    macros = _output("arm-none-eabi-gcc", "-E", "-dM", "-", text="#include <newlib.h>\n")
    match = re.search(r'_NEWLIB_VERSION "([^"]+)"', macros or "")
    return match[1] if match else None


def _programs() -> list[Tool]:
    return [
        Tool("python", ">=3.11", f"{_APT} python3 python3-venv", platform.python_version),
        Tool("cc", "", f"{_APT} gcc libc6-dev", _host_compiler),
        Tool("cmake", ">=3.21", f"{_APT} cmake", _program("cmake", "--version")),
        Tool("ninja", ">=1.10", f"{_APT} ninja-build", _program("ninja", "--version")),
        Tool(
            "arm-none-eabi-gcc",
            ">=10",
            f"{_APT} gcc-arm-none-eabi",
            _program("arm-none-eabi-gcc", "-dumpfullversion"),
        ),
        Tool("newlib", ">=3.3", f"{_APT} libnewlib-arm-none-eabi", _newlib),
    ]


def _packages() -> Iterator[Tool]:
    """Yield the Python packages the project declares, those of extras as optional."""
    from packaging.requirements import Requirement

    for line, extra in _requirements():
        requirement = Requirement(line)
        yield Tool(
            requirement.name,
            str(requirement.specifier),
            f"pip install '{requirement.name}{requirement.specifier}'",
            _package(requirement.name),
            required=not extra,
        )


def _requirements() -> Iterator[tuple[str, bool]]:
    """Yield each requirement of the installed project, or of the checkout, and whether an extra asks for it."""
    try:
        declared = metadata.requires("harness") or []
    except metadata.PackageNotFoundError:
        project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        yield from ((line, False) for line in project["dependencies"])
        for extra in project["optional-dependencies"].values():
            yield from ((line, True) for line in extra)
        return
    for line in declared:
        yield line.partition(";")[0].strip(), "extra ==" in line


def _package(name: str) -> Callable[[], str | None]:
    def probe() -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    return probe


def _fashion_mnist() -> str | None:
    from harness.dataset import is_present

    return "" if is_present("fashion-mnist") else None


def _renode() -> Tool:
    """Look for Renode; its name tells how it was found, and where it does not start, what to do says why."""
    from harness.engine.renode.installation import HOW_TO_GET, TESTED_VERSION, find_renode

    needed = f"=={TESTED_VERSION}"
    try:
        renode = find_renode()
    except HarnessError as error:
        return Tool("renode", needed, str(error), lambda: None, required=False)
    if renode is None:
        return Tool("renode", needed, HOW_TO_GET, lambda: None, required=False)
    return Tool(f"renode (by {renode.found_by})", needed, HOW_TO_GET, lambda: renode.version, required=False)


def _optional() -> list[Tool]:
    return [
        Tool("git", "", f"{_APT} git", _program("git", "--version"), required=False),
        Tool(
            "fashion-mnist", "", f"{_APT} dataset-fashion-mnist (or at its first use)", _fashion_mnist, required=False
        ),
        _renode(),
    ]
