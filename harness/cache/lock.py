"""Locks between threads and processes that end with their holder, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_PERIOD_S = 0.02


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the lock file `path` alone; `waiting` is called now and then meanwhile, and may raise.

    The kernel gives the lock up with the process, so nothing has to be cleared after a crash. A process that inherits
    the descriptor, which the context gives, holds it too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while not _taken(file.fileno(), fcntl.LOCK_EX):
            waiting()
            time.sleep(_LOOK_PERIOD_S)
        yield file.fileno()


class Use:
    """Tells other processes that the cache is in use, so that nothing is removed from it."""

    def __init__(self, path: Path) -> None:
        """Note the use in the lock file `path`; waits while another process clears the cache."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Say whether no one else uses the cache; nobody begins to while the context lasts."""
        alone = _taken(self._descriptor, fcntl.LOCK_EX)
        try:
            yield alone
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
