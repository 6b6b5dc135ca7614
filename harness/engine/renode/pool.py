"""Renode processes that wait for the next job: starting one takes longer than most jobs."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Iterator
from functools import cache

from harness.engine.renode.installation import Renode, find_renode, require_renode
from harness.engine.renode.session import Session
from harness.errors import EngineError, HarnessError


class Sessions:
    """Sessions by the Renode they run; each serves one job at a time."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._all: set[Session] = set()
        atexit.register(self.close)

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Session]:
        """Lend a session with no machine in it, a new one when none is idle.

        A session that does not come back to this state, or lost its job to anything but an error for users, is ended.
        Raises MissingToolError without a Renode.
        """
        session = self._take(_renode() or require_renode())
        healthy = False
        try:
            try:
                yield session
                healthy = True
            except HarnessError:
                healthy = True
                raise
        finally:
            if healthy:
                with contextlib.suppress(EngineError):
                    session.clear()
                    self._give_back(session)
                    session = None  # type: ignore[assignment]
            if session is not None:
                self._end(session)

    def _take(self, renode: Renode) -> Session:
        with self._lock:
            for session in self._idle:
                if session.renode == renode:
                    self._idle.remove(session)
                    return session
        session = Session(renode)
        with self._lock:
            self._all.add(session)
        return session

    def _give_back(self, session: Session) -> None:
        with self._lock:
            self._idle.append(session)

    def _end(self, session: Session) -> None:
        with self._lock:
            self._all.discard(session)
        session.close()

    def close(self) -> None:
        """End all sessions."""
        with self._lock:
            sessions, self._all, self._idle = self._all, set(), []
        for session in sessions:
            session.close()


@cache
def _found(_named: str | None, _path: str | None, _cache: str | None) -> Renode | None:
    """Return the Renode of this environment; asking it for its version takes a while."""
    return find_renode()


def _renode() -> Renode | None:
    return _found(os.environ.get("RENODE"), os.environ.get("PATH"), os.environ.get("HARNESS_CACHE"))


def renode_version() -> str | None:
    """Return the version of the Renode that runs the jobs, None when there is none."""
    renode = _renode()
    return renode.version if renode else None


SESSIONS = Sessions()
