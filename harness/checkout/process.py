"""`harness run` as a process: of this checkout, or of another one with the same interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import EXIT_BAD_INPUT, EXIT_FAILURE, EXIT_OK, HarnessError, InputError
from harness.result.store import DOCUMENTS

_SHOWN_LINES = 12


class RunRefusedError(InputError):
    """`harness run` found its input wrong; it said why."""


def run_suite_process(
    arguments: Sequence[str], output: Path, checkout: Path | None = None, *, quiet: bool = False
) -> bool:
    """Run `harness run ARGUMENTS -o OUTPUT` and return whether every run ended well.

    With `checkout`, the harness of that checkout runs. What it prints goes to stderr, or nowhere when `quiet`. Raises
    RunRefusedError when the input is wrong and HarnessError when it ended in another way without results.
    """
    command = [sys.executable, "-m", "harness", "run", *arguments, "-o", str(output.resolve())]
    environment = dict(os.environ)
    if checkout is not None:
        environment["PYTHONPATH"] = str(checkout)
    earlier = _written(output)
    done = subprocess.run(
        command,
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode in (EXIT_OK, EXIT_FAILURE) and _written(output) not in (None, earlier):
        return done.returncode == EXIT_OK
    said = "\n".join((done.stderr or "").splitlines()[-_SHOWN_LINES:])
    message = f"harness run ended with status {done.returncode} and no results" + (f":\n{said}" if said else "")
    if done.returncode in (EXIT_OK, EXIT_BAD_INPUT):
        raise RunRefusedError(message)
    raise HarnessError(message)


def _written(output: Path) -> tuple[int, int] | None:
    """Tell one version of the results from the next; None when there are none."""
    try:
        status = (output / DOCUMENTS).stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
