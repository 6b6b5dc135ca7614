"""Caches of their own for tests that begin with the builds of the small scenario: nothing is compiled again."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from small_scenarios import run, write_scenario

from harness.assets import cache_dir
from harness.cache.store import STEPS

_BUILDS = (f"{STEPS}/build", f"{STEPS}/used-sources", "native")


@cache
def _build() -> None:
    """Bring the builds of the small scenario for two boards into the user's cache."""
    with tempfile.TemporaryDirectory(prefix="small-caches-") as folder:
        write_scenario(Path(folder) / "s.yaml", matrix={"platform": ["nrf52840", "rp2040"]})
        assert run("s.yaml", "-o", "out", cwd=Path(folder)).returncode == 0


def cache_with_builds(folder: Path) -> Path:
    """Return a new cache in `folder` that has what the user's has of compiled code, and nothing else."""
    _build()
    for name in _BUILDS:
        shutil.copytree(cache_dir() / name, folder / name, copy_function=os.link)
    return folder
