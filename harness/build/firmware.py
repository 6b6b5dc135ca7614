"""Builds of the firmware through CMake, kept by the sources that are in the image."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from harness.assets import asset_dir, content_hash
from harness.build.program import program_hash
from harness.build.used_sources import used_sources
from harness.cache import Cache, Entry, Inputs, Output, code_hash, user_cache
from harness.cache.lock import locked
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
_STEP, _USED = "build", "used-sources"
_TREES = "objects-1"
_UNFINISHED = "unfinished"
_DESCRIBES_BUILD = ("CMakeLists.txt", "CMakePresets.json", "cmake/arm-none-eabi.cmake", "port/cortex_m/sections.ld")


@dataclass(frozen=True)
class Build:
    """A finished build: the executable, its map file, the generated plan.c, and how it was compiled.

    `program` is the hash of what runs, `content` that of the files, debug information included. `fresh` says that it
    was built just now, in `wall_s` seconds.
    """

    executable: Path
    map_file: Path
    plan: Path
    compiler: str
    flags: str
    program: str
    content: str
    fresh: bool
    wall_s: float


def _require(tool: str) -> None:
    if shutil.which(tool) is None:
        raise MissingToolError(f"{tool} is not installed; install it with: {_INSTALL[tool]}")


@cache
def _compiler_version(compiler: str) -> str:
    _require(compiler)
    return subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]


def compiler_versions() -> tuple[str, str]:
    """Return the versions of the compilers for boards and for the twin; raise MissingToolError without them."""
    return _compiler_version(_CROSS_COMPILER), _compiler_version("cc")


@cache
def _sources() -> Mapping[str, bytes]:
    """Return the firmware's sources as they are now, by their path in `firmware/`."""
    root = asset_dir("firmware")
    files = sorted(path for path in root.rglob("*") if path.is_file() and "tests" not in path.relative_to(root).parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@cache
def _source_hashes() -> Mapping[str, str]:
    return {name: hashlib.sha256(text).hexdigest() for name, text in _sources().items()}


@cache
def sources_hash() -> str:
    """Return the hash of the firmware's sources as they are now."""
    return content_hash([part for name, text in _sources().items() for part in (name.encode(), text)])


def _run(command: list[str], what: str, lock: int) -> None:
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, pass_fds=[lock]
    )
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


def build_firmware(preset: str, files: dict[str, str], optimization: str = "-O2", cache: Cache | None = None) -> Build:
    """Build the firmware with a CMake preset and the generated `files` (plan.c, memory.ld), or take it from `cache`.

    What was built is known by the sources that are in it: a kernel that the image does not hold may change without
    another build. Raises MissingToolError, BuildError, or BudgetError when the linker finds a region too small.
    """
    store = cache or user_cache()
    cross = not preset.startswith("host")
    for tool in ("cmake", "ninja"):
        _require(tool)
    version = _compiler_version(_CROSS_COMPILER if cross else "cc")
    inputs: dict[str, object] = {
        "preset": preset,
        "optimization": optimization,
        "compiler": version,
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
        "sources": sorted(_sources()),
        "description": [_source_hashes()[name] for name in _DESCRIBES_BUILD],
        "code": code_hash("build/firmware.py", "build/used_sources.py", "build/program.py"),
    }
    entry = _find(store, inputs)
    if entry is None:
        with store.locked(_STEP, inputs):
            entry = _find(store, inputs) or _build(store, inputs, files, _Tree(store, preset, optimization, version))
    return Build(
        executable=entry.path("firmware.elf" if cross else "twin"),
        map_file=entry.path("firmware.map"),
        plan=entry.path("plan.c"),
        compiler=version,
        flags=str(entry.values["flags"]),
        program=str(entry.values["program"]),
        content=entry.content,
        fresh=entry.fresh,
        wall_s=entry.wall_s,
    )


def _find(store: Cache, inputs: Inputs) -> Entry | None:
    """Return the build whose sources are as they were.

    Sources say what else they include, so there is a list of those in use for each way they once were.
    """
    number = 0
    while used := store.find(_USED, {**inputs, "number": number}):
        names = used.values["names"]
        assert isinstance(names, list)
        if entry := store.find(_STEP, _with_sources(inputs, names)):
            return entry
        number += 1
    return None


def _with_sources(inputs: Inputs, names: Sequence[JsonValue]) -> Inputs:
    return {**inputs, "used": {str(name): _source_hashes().get(str(name)) for name in names}}


def _build(store: Cache, inputs: Inputs, files: Mapping[str, str], tree: _Tree) -> Entry:
    store.announce(_STEP)
    began = time.perf_counter()
    with locked(tree.folder.with_suffix(".lock"), store.check_stopped) as lock:
        output = tree.build(files, lock)
        names: list[JsonValue] = list(used_sources(tree.build_folder, tree.source))
    wall_s = time.perf_counter() - began
    number = 0
    while (used := store.find(_USED, {**inputs, "number": number})) and used.values["names"] != names:
        number += 1
    if used is None:
        store.put(_USED, {**inputs, "number": number}, Output({"names": names}), 0.0)
    return store.put(_STEP, _with_sources(inputs, names), output, wall_s)


class _Tree:
    """The objects of one preset: what does not depend on the plan is compiled once, for all builds to link.

    They are compiled from a copy of the sources, in which a file is as new as its content.
    """

    def __init__(self, store: Cache, preset: str, optimization: str, version: str) -> None:
        # CMake notes absolute paths in its tree, so a tree serves only where it was made.
        place = str((store.folder / _TREES).resolve())
        key = content_hash([part.encode() for part in (preset, version, optimization, place)])
        self.folder = store.folder / _TREES / f"{preset}-{key}"
        self.source, self.build_folder, self._plan = (self.folder / name for name in ("source", "build", "plan"))
        self._preset, self._optimization = preset, optimization

    def build(self, files: Mapping[str, str], lock: int) -> Output:
        """Return the build with the generated `files`; `lock` is the descriptor of the lock file of the tree."""
        unfinished = self.folder / _UNFINISHED
        if unfinished.exists():  # killed in the middle: an object may be half-written
            shutil.rmtree(self.folder)
        configured = self.folder.is_dir()
        self._plan.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        self._copy_sources()
        if not configured:
            (self._plan / "plan.c").touch()
            self._configure(lock)
        for name, text in files.items():
            (self._plan / name).write_text(text)
        # Whoever finds this process killed waits for the compilers that it left behind.
        _run(["ninja", "-C", str(self.build_folder)], "building the firmware", lock)
        unfinished.unlink()
        executable = self.build_folder / "firmware"
        return Output(
            values={"flags": _compile_flags(self.build_folder), "program": program_hash(executable)},
            files={
                "twin" if self._preset.startswith("host") else "firmware.elf": executable,
                "firmware.map": self.build_folder / "firmware.map",
                "plan.c": self._plan / "plan.c",
            },
        )

    def _copy_sources(self) -> None:
        for path in [path for path in self.source.rglob("*") if path.is_file()]:
            if path.relative_to(self.source).as_posix() not in _sources():
                path.unlink()
        for name, text in _sources().items():
            path = self.source / name
            if not path.exists() or path.read_bytes() != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)

    def _configure(self, lock: int) -> None:
        _run(
            [
                "cmake",
                "--preset",
                self._preset,
                "-S",
                str(self.source.resolve()),
                "-B",
                str(self.build_folder),
                f"-DHARNESS_PLAN_DIR={self._plan.resolve()}",
                f"-DHARNESS_OPTIMIZATION={self._optimization}",
            ],
            "configuring the firmware",
            lock,
        )
