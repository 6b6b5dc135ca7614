"""What made a result: commit, versions, machine."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import harness
from harness.result.document import Provenance

_ROOT = Path(harness.__file__).resolve().parent.parent
_PACKAGES = ("capstone", "matplotlib", "numpy", "pandas", "pydantic", "pyelftools", "scikit-learn", "unicorn")
_GIT_TIMEOUT_S = 10


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_state(root: Path = _ROOT) -> tuple[str | None, bool | None]:
    """Return the commit of the checkout at `root`, and whether tracked files differ from it.

    Both are None when `root` is no checkout of its own (an installed package) or git is absent.
    """
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


@cache
def _own_git_state() -> tuple[str | None, bool | None]:
    return git_state()


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of the Python packages that results depend on."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def collect_provenance(
    *,
    tools: dict[str, str],
    compiler_flags: tuple[str, ...],
    seeds: dict[str, int],
    engine: str,
    engine_version: str,
    cycle_model: str,
    wall_s: dict[str, float],
    cached: tuple[str, ...] = (),
) -> Provenance:
    """Return the provenance of a run that ends now on this machine; `tools` joins the package versions."""
    commit, dirty = _own_git_state()
    return Provenance(
        harness=harness.__version__,
        git_commit=commit,
        git_dirty=dirty,
        python=platform.python_version(),
        tools=package_versions() | tools,
        compiler_flags=compiler_flags,
        seeds=seeds,
        engine=engine,
        engine_version=engine_version,
        cycle_model=cycle_model,
        created=datetime.now(UTC).replace(microsecond=0),
        host=f"{platform.system()} {platform.release()} {platform.machine()}",
        wall_s=wall_s,
        cached=cached,
    )
