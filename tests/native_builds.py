"""Builds parts of the firmware with its CMake presets, each once for all processes of a test run."""

from __future__ import annotations

import fcntl
import subprocess
from functools import cache
from pathlib import Path

from harness.assets import cache_dir, content_hash

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"


@cache
def _sources_hash() -> str:
    files = sorted(path for path in FIRMWARE.rglob("*") if path.is_file())
    return content_hash(
        [part for path in files for part in (str(path.relative_to(FIRMWARE)).encode(), path.read_bytes())]
    )


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"


@cache
def built(preset: str, target: str, *settings: str) -> Path:
    """Return the CMake build folder of `preset` in which `target` is up to date."""
    tree = cache_dir() / "tests" / f"{preset}-{content_hash([_sources_hash().encode(), *map(str.encode, settings)])}"
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tree.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (tree / "finished").exists():
            run("cmake", "--preset", preset, "-S", FIRMWARE, "-B", tree, *settings)
            run("cmake", "--build", tree, "--target", target)
            (tree / "finished").touch()
    return tree
