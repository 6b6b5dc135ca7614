"""Builds of the firmware through CMake, cached by the content they depend on."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.assets import asset_dir, cache_dir, content_hash
from harness.errors import BudgetError, BuildError, MissingToolError

_CROSS_COMPILER = "arm-none-eabi-gcc"
_INSTALL = {
    "cmake": "apt-get install --no-install-recommends cmake",
    "ninja": "apt-get install --no-install-recommends ninja-build",
    "cc": "apt-get install --no-install-recommends gcc libc6-dev",
    _CROSS_COMPILER: "apt-get install --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi",
}
_OVERFLOW = re.compile(r"region `(RAM|FLASH)' overflowed by (\d+) bytes")
_SHOWN_LINES = 30
_PLAN = "plan"
_CONFIGURED = "configured"

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Build:
    """A finished build: the executable, its map file, the generated plan.c, and how it was compiled."""

    executable: Path
    map_file: Path
    plan: Path
    compiler: str
    flags: str


def _require(tool: str) -> None:
    if shutil.which(tool) is None:
        raise MissingToolError(f"{tool} is not installed; install it with: {_INSTALL[tool]}")


@cache
def _compiler_version(compiler: str) -> str:
    _require(compiler)
    return subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]


@cache
def sources_hash() -> str:
    """Return the hash of the firmware's sources as they are now."""
    root = asset_dir("firmware")
    files = sorted(path for path in root.rglob("*") if path.is_file() and "tests" not in path.relative_to(root).parts)
    return content_hash([part for path in files for part in (str(path.relative_to(root)).encode(), path.read_bytes())])


def _run(command: list[str], what: str) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if finished.returncode == 0:
        return
    output = finished.stdout + finished.stderr
    if overflow := _OVERFLOW.search(output):
        region, excess = overflow.groups()
        raise BudgetError(
            f"the linked firmware is {excess} bytes larger than memory.{region.lower()}_budget allows; expected a "
            "budget larger by that much, or a smaller network"
        )
    shown = "\n".join(output.splitlines()[-_SHOWN_LINES:])
    raise BuildError(f"{what} failed: {' '.join(command)}\n{shown}")


def _compile_flags(folder: Path) -> str:
    """Return the flags of trainer.c as CMake used them, without paths."""
    commands = json.loads((folder / "compile_commands.json").read_text())
    command = next(entry["command"] for entry in commands if entry["file"].endswith("trainer/trainer.c"))
    flags = [word for word in command.split()[1:] if word.startswith("-") and "/" not in word]
    return " ".join(word for word in flags if word not in ("-o", "-c"))


def build_firmware(preset: str, files: dict[str, str], optimization: str = "-O2") -> Build:
    """Build the firmware with a CMake preset and the generated `files` (plan.c, memory.ld).

    Raises MissingToolError, BuildError, or BudgetError when the linker finds a region too small.
    """
    cross = not preset.startswith("host")
    compiler = _CROSS_COMPILER if cross else "cc"
    for tool in ("cmake", "ninja", compiler):
        _require(tool)
    version = _compiler_version(compiler)
    parts = [sources_hash(), preset, version, optimization, *(text for item in sorted(files.items()) for text in item)]
    key = content_hash([part.encode() for part in parts])
    folder = cache_dir() / "builds" / f"{preset}-{key}"
    with _locks[key]:
        if not folder.is_dir():
            _build(preset, files, optimization, version, folder)
    notes = json.loads((folder / "build.json").read_text())
    return Build(
        executable=folder / ("firmware.elf" if cross else "twin"),
        map_file=folder / "firmware.map",
        plan=folder / "plan.c",
        compiler=version,
        flags=notes["flags"],
    )


def _build(preset: str, files: dict[str, str], optimization: str, version: str, folder: Path) -> None:
    """Build into `folder`, in one piece. What does not depend on `files` is compiled once, for all builds to link."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    source = asset_dir("firmware").resolve()
    # CMake notes absolute paths in its tree, so a tree serves only where it was made.
    parts = [sources_hash(), preset, version, optimization, str(source), str(folder.parent.resolve())]
    tree = folder.parent / f"objects-{preset}-{content_hash([part.encode() for part in parts])}"
    with _locked(tree.with_suffix(".lock")), tempfile.TemporaryDirectory(prefix=".done-", dir=folder.parent) as done:
        if not (tree / _CONFIGURED).exists():
            _configure(preset, optimization, source, tree)
        for name, text in files.items():
            (tree / _PLAN / name).write_text(text)
        _run(["cmake", "--build", str(tree)], "building the firmware")
        result = Path(done) / "build"
        result.mkdir()
        shutil.copy2(tree / "firmware", result / ("twin" if preset.startswith("host") else "firmware.elf"))
        shutil.copy2(tree / "firmware.map", result)
        shutil.copy2(tree / _PLAN / "plan.c", result)
        (result / "build.json").write_text(json.dumps({"flags": _compile_flags(tree)}))
        try:
            os.rename(result, folder)  # noqa: PTH104 - a folder that is there already must not be replaced
        except OSError:
            if not folder.is_dir():
                raise


def _configure(preset: str, optimization: str, source: Path, tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    plan = tree / _PLAN
    plan.mkdir(parents=True)
    (plan / "plan.c").touch()
    _run(
        [
            "cmake",
            "--preset",
            preset,
            "-S",
            str(source),
            "-B",
            str(tree),
            f"-DHARNESS_PLAN_DIR={plan}",
            f"-DHARNESS_OPTIMIZATION={optimization}",
        ],
        "configuring the firmware",
    )
    (tree / _CONFIGURED).touch()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` against other threads and processes."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
