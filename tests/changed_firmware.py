"""The harness as a git repository of its own, with a commit in which one kernel has become slower."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from small_scenarios import ROOT

from harness.verdict.commits import Commit

KERNEL = "kernels/max_pool2d.c"
FUNCTION = "max_pool2d_u8_error"
LOOP = "    for (volatile uint32_t wait = 0; wait < pool->input_error.elements; wait++) {"
_BEFORE = "    memset(input_error, zero, pool->input_error.elements);\n"


@dataclass(frozen=True)
class Repository:
    """`commits` are the harness as it is, the same with a slower kernel, and one that changes nothing of either.

    `number` is the line of the loop that makes the kernel slower.
    """

    path: Path
    commits: tuple[Commit, Commit, Commit]
    number: int


def git(repository: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(repository), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(repository: Path, subject: str) -> Commit:
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", subject)
    return Commit(git(repository, "rev-parse", "HEAD"), subject)


def _slow_down(repository: Path) -> int:
    """Put a loop of waiting into the kernel, and a comment that moves every line."""
    path = repository / "firmware" / KERNEL
    text = "/* A comment\n * that moves every line. */\n" + path.read_text()
    assert text.count(_BEFORE) == 1
    text = text.replace(_BEFORE, f"{_BEFORE}{LOOP}\n    }}\n")
    path.write_text(text)
    return text.splitlines().index(LOOP) + 1


@cache
def repository() -> Repository:
    """Return the repository, made once a process."""
    place = Path(tempfile.mkdtemp(prefix="repository-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for name in ("harness", "firmware", "reports", "renode"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(place, "init", "-q", "-b", "main")
    first = commit(place, "The harness as it is")
    number = _slow_down(place)
    second = commit(place, "Wait before the errors are passed on")
    (place / "NOTES").write_text("nothing\n")
    return Repository(place, (first, second, commit(place, "Notes")), number)
