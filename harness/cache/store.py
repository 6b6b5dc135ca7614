"""The store of all entries: looked up by what a step depends on, computed once, written in one piece."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path

from harness.assets import cache_dir
from harness.cache.entry import NOTE, Entry, Output, read_entry, write_entry
from harness.cache.lock import Use, locked

STEPS, LOCKS, HALF_WRITTEN, USE = "steps-1", "locks", "half-written", "in-use"
"""What lies in the cache folder; the number grows with the format of an entry."""

Inputs = Mapping[str, object]
"""All that a step depends on, by name: settings, the code it runs, the contents of the steps before it."""


class NotCachedError(Exception):
    """A step would have to be computed, and the cache was asked for what it has."""


class StoppedError(Exception):
    """The suite that waits for a step is ended."""


class Cache:
    """A view of the cache folder.

    With `only_stored`, a step that is not stored raises NotCachedError. With `fresh`, only what a
    cache of the same `maker` (this one, when not given) stored counts.
    """

    def __init__(self, folder: Path, *, only_stored: bool = False, fresh: bool = False, maker: str = "") -> None:
        self.folder = folder
        self._only_stored = only_stored
        self._maker = maker or uuid.uuid4().hex
        self._fresh = fresh
        self._verified: dict[Path, Entry] = {}
        self.used: dict[Path, Entry] = {}
        """The entries that were found or made so far, by their folder."""
        self._stopped = threading.Event()
        self._computing: Callable[[str], None] = lambda step: None
        self.use = _use_of(folder / USE)

    def stop(self) -> None:
        """Let everyone who waits for a step another one computes give up with StoppedError."""
        self._stopped.set()

    def get(self, step: str, inputs: Inputs, compute: Callable[[], Output]) -> Entry:
        """Return the entry of `step` for `inputs`: the stored one, or what `compute` returns, stored now.

        Threads and processes that want the same entry at the same time wait for the first and take what it made. Raises
        what `compute` raises; nothing is stored then.
        """
        if found := self.find(step, inputs):
            return found
        with self.locked(step, inputs):
            if found := self.find(step, inputs):
                return found
            self.announce(step)
            began = time.perf_counter()
            output = compute()
            return self._write(step, inputs, output, time.perf_counter() - began)

    @contextmanager
    def locked(self, step: str, inputs: Inputs) -> Iterator[None]:
        """Compute `step` for `inputs` alone. Raises NotCachedError where nothing may be computed."""
        if self._only_stored:
            raise NotCachedError(step)
        with self.locked_folder(self._folder(step, inputs)):
            self.check_stopped()
            yield

    @contextmanager
    def locked_folder(self, folder: Path) -> Iterator[None]:
        """Hold the entry in `folder` alone."""
        with locked(self.folder / LOCKS / f"{folder.parent.name}-{folder.name}", self.check_stopped):
            yield

    def watched(self, computing: Callable[[str], None]) -> Cache:
        """Return a view of the same entries that calls `computing` with the name of every step it has to compute."""
        view = copy(self)
        view._computing = computing
        return view

    def announce(self, step: str) -> None:
        """Tell who watches that `step` is computed now."""
        self._computing(step)

    def find(self, step: str, inputs: Inputs) -> Entry | None:
        """Return the stored entry of `step` for `inputs`, None when there is none that can be believed."""
        folder = self._folder(step, inputs)
        entry = self._verified.get(folder) or read_entry(folder)
        if entry is None or (self._fresh and entry.maker != self._maker):
            return None
        if folder not in self._verified:
            with contextlib.suppress(OSError):
                os.utime(folder / NOTE)  # the oldest in use goes first
        self._verified[folder] = self.used[folder] = entry
        return entry

    def forget(self) -> None:
        """Look at the disk again for what was already seen."""
        self._verified.clear()

    def _folder(self, step: str, inputs: Inputs) -> Path:
        text = json.dumps(inputs, sort_keys=True)
        return self.folder / STEPS / step / hashlib.sha256(text.encode()).hexdigest()[:32]

    def check_stopped(self) -> None:
        """Raise StoppedError after `stop`."""
        if self._stopped.is_set():
            raise StoppedError

    def put(self, step: str, inputs: Inputs, output: Output, wall_s: float) -> Entry:
        """Store what `step` came to for `inputs`, which `get` does not know how to compute, and return its entry."""
        with self.locked(step, inputs):
            return self._write(step, inputs, output, wall_s)

    def _write(self, step: str, inputs: Inputs, output: Output, wall_s: float) -> Entry:
        folder, written = self._folder(step, inputs), self.folder / HALF_WRITTEN / uuid.uuid4().hex
        try:
            write_entry(written, step, inputs, output, wall_s, self._maker)
            folder.parent.mkdir(parents=True, exist_ok=True)
            before = read_entry(folder)
            made = read_entry(written)
            if before is not None and made is not None and before.content == made.content:
                (written / NOTE).replace(folder / NOTE)  # others may be reading the files
            else:
                if folder.exists():
                    folder.rename(written.with_suffix(".old"))
                written.rename(folder)
        finally:
            shutil.rmtree(written, ignore_errors=True)
            shutil.rmtree(written.with_suffix(".old"), ignore_errors=True)
        entry = read_entry(folder)
        assert entry is not None, f"{folder} changed while it was written"
        self._verified[folder] = self.used[folder] = entry
        return replace(entry, fresh=True)


@cache
def _use_of(path: Path) -> Use:
    # One for the process, which is then alone with all its caches of the same folder.
    return Use(path)


@cache
def _cache_in(folder: Path) -> Cache:
    return Cache(folder)


def user_cache() -> Cache:
    """Return the cache of the user, the same one for the whole process."""
    return _cache_in(cache_dir())
