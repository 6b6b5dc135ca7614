"""The commits between two results, as git tells them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import harness

ROOT = Path(harness.__file__).resolve().parent.parent
_TIMEOUT_S = 30


@dataclass(frozen=True)
class Commit:
    """One commit: its full hash and the first line of its message."""

    hash: str
    subject: str

    def __str__(self) -> str:
        return f"{self.hash[:10]} {self.subject}".rstrip()


def git(*arguments: str, root: Path = ROOT) -> str | None:
    """Return what git prints in the checkout `root`; None when it fails or is absent."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def resolve(name: str, root: Path = ROOT) -> str | None:
    """Return the full hash of a commit, branch or tag; None when git knows none of that name."""
    if name.startswith("-"):
        return None
    return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", root=root)


def commits_between(before: str, after: str, root: Path = ROOT, *, first_parent: bool = False) -> list[Commit]:
    """Return the commits that `after` has and `before` has not, the oldest first; none when git does not know them."""
    options = ["--first-parent"] if first_parent else []
    told = git("log", "--reverse", "--format=%H %s", *options, f"{before}..{after}", "--", root=root)
    lines = (line.partition(" ") for line in (told or "").splitlines())
    return [Commit(name, subject) for name, _, subject in lines]
