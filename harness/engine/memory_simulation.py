"""Models of the board's caches that see every fetch and every load from a slow memory, in native code."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.engine.native import CONTEXTS_MAX, Counter, Range, native_library
from harness.errors import EngineError
from harness.platform import AccessPath, Cache, Platform
from harness.trace.trace import Accesses

_SOURCE = Path(__file__).with_name("memory_hook.c")
_REPLACEMENT = {"lru": 0, "random": 1}
_NO_LINE = 0xFFFFFFFF
_RANDOM_SEED = 0x9E3779B9


class _Cache(Structure):
    _fields_ = (
        ("line_shift", c_uint32),
        ("sets", c_uint32),
        ("ways", c_uint32),
        ("replacement", c_uint32),
        ("lines", POINTER(c_uint32)),
        ("used", POINTER(c_uint64)),
        ("now", c_uint64),
        ("random", c_uint32),
    )


class _Path(Structure):
    _fields_ = (
        ("begin", c_uint32),
        ("end", c_uint32),
        ("line_shift", c_uint32),
        ("reserved", c_uint32),
        ("cache", POINTER(_Cache)),
        ("counts", POINTER(c_uint64) * CONTEXTS_MAX),
    )


class _Simulation(Structure):
    _fields_ = (
        ("ranges", POINTER(Range)),
        ("range_count", c_uint32),
        ("halfwords", c_uint32),
        ("context", POINTER(c_uint32)),
        ("hot_slot", POINTER(c_uint32)),
        ("fetch", POINTER(_Path)),
        ("load", POINTER(_Path)),
        ("fetch_count", c_uint32),
        ("load_count", c_uint32),
        ("block_index", c_uint32),
        ("fetched_line", c_uint32),
        ("out_of_memory", c_uint32),
    )


class MemorySimulation:
    """The caches of a board in one emulation; beginning empty, as after reset."""

    def __init__(self, platform: Platform, counter: Counter) -> None:
        """Model the memory system of `platform`; `counter` is that of the block hook, which must outlive this."""
        self._counter = counter
        self._keep: list[object] = []
        hierarchy = platform.memory_system
        caches = {cache.name: self._cache(cache) for cache in hierarchy.caches}
        regions = {memory.name: memory for memory in platform.memories}
        self._paths = {"fetch": self._select(hierarchy.paths, "fetch"), "load": self._select(hierarchy.paths, "load")}
        self._native: dict[str, ctypes.Array[_Path]] = {}
        for access, paths in self._paths.items():
            native = (_Path * max(1, len(paths)))()
            for place, path in enumerate(paths):
                memory, cache = regions[path.memory], hierarchy.cache_of(path)
                line_bytes = cache.line_bytes if cache else path.width_bytes
                native[place].begin = memory.origin
                native[place].end = memory.origin + memory.size_bytes - 1
                native[place].line_shift = line_bytes.bit_length() - 1
                if cache:
                    native[place].cache = ctypes.pointer(caches[cache.name])
            self._native[access] = native
        base = ctypes.addressof(counter)
        self._library = native_library(_SOURCE)
        self._library.release_counts.argtypes = [POINTER(_Path), c_uint32]
        self._library.release_counts.restype = None
        self.state = _Simulation(
            ranges=counter.ranges,
            range_count=counter.range_count,
            halfwords=counter.halfwords,
            context=ctypes.cast(base + Counter.context.offset, POINTER(c_uint32)),
            hot_slot=ctypes.cast(base + Counter.hot_slot.offset, POINTER(c_uint32)),
            fetch=self._native["fetch"],
            load=self._native["load"],
            fetch_count=len(self._paths["fetch"]),
            load_count=len(self._paths["load"]),
            fetched_line=_NO_LINE,
        )

    @staticmethod
    def _select(paths: list[AccessPath], access: str) -> list[AccessPath]:
        return [path for path in paths if path.access == access]

    def _cache(self, cache: Cache) -> _Cache:
        lines = np.full(cache.lines, _NO_LINE, dtype=np.uint32)
        used = np.zeros(cache.lines, dtype=np.uint64)
        self._keep += [lines, used]
        return _Cache(
            line_shift=cache.line_bytes.bit_length() - 1,
            sets=cache.lines // cache.ways,
            ways=cache.ways,
            replacement=_REPLACEMENT[cache.replacement],
            lines=lines.ctypes.data_as(POINTER(c_uint32)),
            used=used.ctypes.data_as(POINTER(c_uint64)),
            random=_RANDOM_SEED,
        )

    @property
    def on_fetch(self) -> c_void_p:
        """Return the hook of blocks."""
        return ctypes.cast(self._library.on_fetch, c_void_p)

    @property
    def on_load(self) -> c_void_p:
        """Return the hook of reads."""
        return ctypes.cast(self._library.on_load, c_void_p)

    @property
    def load_ranges(self) -> list[tuple[int, int]]:
        """Return the first and last address of every memory whose loads are watched."""
        return [(path.begin, path.end) for path in self._native["load"][: len(self._paths["load"])]]

    def accesses(self, rows: npt.NDArray[np.int64]) -> dict[str, Accesses]:
        """Return accesses and misses by path; `rows` are the indices of the trace's addresses in the code ranges.

        Raises EngineError when there was no memory to count them.
        """
        if self.state.out_of_memory:
            raise EngineError("no memory for the counts of the simulated caches")
        contexts, halfwords = self._counter.context_count, self._counter.halfwords
        found = {}
        for access, paths in self._paths.items():
            for path, native in zip(paths, self._native[access], strict=False):
                counted = np.zeros((len(rows), contexts, 2), dtype=np.uint64)
                for context in range(contexts):
                    if native.counts[context]:
                        whole = np.ctypeslib.as_array(native.counts[context], (halfwords * 2,)).reshape(-1, 2)
                        counted[:, context] = whole[rows]
                found[path.name] = Accesses(accesses=counted[:, :, 0], misses=counted[:, :, 1])
        return found

    def release(self) -> None:
        """Free what the hooks allocated."""
        for access, paths in self._paths.items():
            self._library.release_counts(self._native[access], len(paths))
