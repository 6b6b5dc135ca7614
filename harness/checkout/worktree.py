"""A commit of a repository as files, in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.verdict.commits import git


@contextmanager
def checked_out(repository: Path, commit: str) -> Iterator[Path]:
    """Check out `commit` of `repository` beside it and yield the folder, which is gone afterwards.

    Raises HarnessError when git cannot.
    """
    with tempfile.TemporaryDirectory(prefix="harness-checkout-") as place:
        folder = Path(place) / "checkout"
        if git("worktree", "add", "--quiet", "--detach", str(folder), commit, root=repository) is None:
            raise HarnessError(f"{repository}: git cannot check out {commit} into {folder}")
        try:
            yield folder
        finally:
            git("worktree", "remove", "--force", str(folder), root=repository)
