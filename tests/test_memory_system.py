"""Waits of a board's memories: simulated caches against a plain model, assumptions against the simulation."""

from __future__ import annotations

import ctypes
import random
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
from firmware_builds import BOARDS, job, probe
from pydantic import ValidationError

from harness.build import Image
from harness.cost import BoardMemory, price
from harness.cost.memory_system import assumed_misses
from harness.engine import UnicornEngine
from harness.engine.memory_simulation import MemorySimulation
from harness.engine.native import Counter, Range
from harness.platform import AccessPath, Cache, Hierarchy, Spread, load_platform
from harness.trace import Listing, Trace

NO_WAIT = Spread(low=0, value=0, high=0)
HALFWORDS = 4096


def board_with(cache: Cache | None, width_bytes: int = 8):
    """Return a board whose flash, from address 0, is reached for fetches and loads through `cache` alone."""
    caches = [cache] if cache else []
    paths = [
        AccessPath(
            memory="flash",
            access=access,
            cache=cache.name if cache else None,
            width_bytes=width_bytes,
            wait_cycles=NO_WAIT,
            source="test",
        )
        for access in ("fetch", "load")
    ]
    hierarchy = Hierarchy(model="test", error="none", caches=caches, paths=paths)
    return load_platform("nrf52840").model_copy(update={"memory_system": hierarchy})


def cache(size_bytes: int, line_bytes: int, ways: int, replacement: str = "lru") -> Cache:
    return Cache(
        name="c", size_bytes=size_bytes, line_bytes=line_bytes, ways=ways, replacement=replacement, source="test"
    )


class Replay:
    """The native hooks, called by hand."""

    def __init__(self, platform):
        self._ranges = (Range * 1)(Range(0, HALFWORDS, 0))
        self._counter = Counter(ranges=self._ranges, range_count=1, halfwords=HALFWORDS, context_count=1)
        self.simulation = MemorySimulation(platform, self._counter)
        self._state = ctypes.byref(self.simulation.state)
        self._fetch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)(
            self.simulation.on_fetch.value
        )
        self._load = ctypes.CFUNCTYPE(
            None,
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_uint64,
            ctypes.c_int,
            ctypes.c_int64,
            ctypes.c_void_p,
        )(self.simulation.on_load.value)

    def fetch(self, address, size):
        self._fetch(None, address, size, self._state)

    def load(self, address, size):
        self._load(None, 16, address, size, 0, self._state)

    def totals(self):
        seen = self.simulation.accesses(np.arange(HALFWORDS))
        return {name: (int(one.accesses.sum()), int(one.misses.sum())) for name, one in seen.items()}


class Lru:
    """Sets of an associative cache, each in the order of use."""

    def __init__(self, described: Cache):
        self.line_bytes, self.ways = described.line_bytes, described.ways
        self.sets = [OrderedDict() for _ in range(described.lines // described.ways)]
        self.accesses = self.misses = 0

    def touch(self, line):
        chosen = self.sets[line % len(self.sets)]
        self.accesses += 1
        self.misses += line not in chosen
        chosen[line] = True
        chosen.move_to_end(line)
        if len(chosen) > self.ways:
            chosen.popitem(last=False)


@pytest.mark.parametrize("shape", [(256, 8, 2), (512, 32, 16), (128, 16, 1), (1024, 8, 4)])
def test_a_simulated_cache_equals_a_plain_model_of_one(shape):
    described = cache(*shape)
    replay, plain = Replay(board_with(described)), Lru(described)
    draw = random.Random(7)
    fetched, fetches, loads = None, 0, 0
    for _ in range(3000):
        address, size = 2 * draw.randrange(600), 2 * draw.randrange(1, 30)
        replay.fetch(address, size)
        for line in range(address // shape[1], (address + size - 1) // shape[1] + 1):
            if line != fetched:
                plain.touch(line)
                fetches += 1
            fetched = line
        if draw.random() < 0.5:
            address, size = draw.randrange(2000), draw.choice((1, 2, 4))
            replay.load(address, size)
            for line in range(address // shape[1], (address + size - 1) // shape[1] + 1):
                plain.touch(line)
                loads += 1
    totals = replay.totals()
    assert (totals["flash.fetch"][0], totals["flash.load"][0]) == (fetches, loads)
    assert totals["flash.fetch"][1] + totals["flash.load"][1] == plain.misses
    assert 500 < plain.misses < plain.accesses


def test_three_lines_in_turn_always_miss_two_lines_of_lru_but_not_two_of_random_replacement():
    misses = {}
    for replacement in ("lru", "random"):
        replay = Replay(board_with(cache(32, 16, 2, replacement)))
        for turn in range(300):
            replay.fetch(turn % 3 * 16, 4)
        misses[replacement] = replay.totals()["flash.fetch"]
    assert misses["lru"] == (300, 300)
    assert misses["random"][0] == 300
    assert 60 < misses["random"][1] < 240


def test_without_a_cache_every_line_behind_the_buffer_waits_and_so_does_every_load():
    replay = Replay(board_with(None))
    replay.fetch(0, 8)
    replay.fetch(4, 4)
    replay.fetch(8, 10)
    replay.load(0, 4)
    replay.load(0, 4)
    assert replay.totals() == {"flash.fetch": (3, 3), "flash.load": (2, 2)}


def test_code_in_ram_and_loads_from_ram_are_no_accesses_of_a_slow_memory():
    replay = Replay(board_with(cache(32, 16, 2)))
    replay.fetch(0, 4)
    replay.fetch(0x20000000, 64)
    replay.load(0x20000000, 4)
    assert replay.totals() == {"flash.fetch": (1, 1), "flash.load": (0, 0)}


@pytest.fixture(scope="module", params=BOARDS)
def runs(request):
    """The probe on a board, without and with simulated caches."""
    board = request.param
    elf = probe(board)
    work = job(board, elf)
    engine = UnicornEngine()
    return load_platform(board), Image(elf), engine.run(work), engine.run(replace(work, simulate_caches=True))


def test_simulated_caches_leave_the_counts_as_they_are(runs):
    _, _, without, simulated = runs
    for name in ("addresses", "executions", "skipped", "taken", "stack_low"):
        assert np.array_equal(getattr(without, name), getattr(simulated, name)), name
    assert without.simulated == {}


def test_simulated_misses_lie_within_the_assumed_range(runs):
    platform, image, without, simulated = runs
    listing = Listing(image)
    for path in platform.memory_system.paths:
        if path.access == "fetch":
            assumed = assumed_misses(without, listing, platform, path)
            misses = int(simulated.simulated[path.name].misses.sum())
            # Lines that are fetched and never executed, behind a branch, are no part of the assumption.
            assert 0.8 * assumed.low.sum() <= misses <= assumed.high.sum()
            assert misses <= int(simulated.simulated[path.name].accesses.sum())
            assert (assumed.low <= assumed.value).all()
            assert (assumed.value <= assumed.high).all()


def test_waits_come_on_top_of_the_cycles_of_the_core_and_simulating_narrows_their_range(runs):
    platform, image, without, simulated = runs
    core = price(without, image, platform)
    assumed = price(without, image, platform, BoardMemory())
    exact = price(simulated, image, platform, BoardMemory())
    assert assumed.waits is not None
    assert exact.waits is not None
    for one in (assumed, exact):
        low, high = one.total_range_cycles
        assert core.total_range_cycles[0] < low < one.total_cycles < high
        assert core.total_cycles < one.total_cycles
        assert core.total_range_cycles[1] < high
    spread = [one.waits.high.sum() - one.waits.low.sum() for one in (assumed, exact)]
    assert spread[1] < spread[0]
    assert "assumed hit rates" in assumed.model
    assert "simulated caches" in exact.model


def test_code_that_runs_from_ram_waits_for_no_fetch(runs):
    platform, image, without, _ = runs
    ram = platform.memory("ram")
    in_ram = (without.addresses >= ram.origin) & (without.addresses < ram.origin + ram.size_bytes)
    assert in_ram.any()
    path = next(path for path in platform.memory_system.paths if path.access == "fetch")
    assumed = assumed_misses(without, Listing(image), platform, path)
    assert not assumed.high[in_ram].any()
    assert assumed.low[~in_ram].any()


def test_a_trace_keeps_what_was_simulated(runs, tmp_path):
    simulated = runs[3]
    simulated.save(tmp_path / "trace.npz")
    loaded = Trace.load(tmp_path / "trace.npz")
    assert loaded.simulated.keys() == simulated.simulated.keys()
    for name, seen in simulated.simulated.items():
        assert np.array_equal(loaded.simulated[name].misses, seen.misses)
        assert np.array_equal(loaded.simulated[name].accesses, seen.accesses)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"caches": []}, "no cache 'c'"),
        ({"caches": [{**cache(32, 16, 2).model_dump(), "size_bytes": 48}]}, "must be powers of 2"),
    ],
)
def test_a_memory_system_that_contradicts_itself_is_refused(change, message):
    described = board_with(cache(32, 16, 2)).memory_system.model_dump()
    with pytest.raises(ValidationError, match=message):
        Hierarchy.model_validate({**described, **change})


def test_the_least_of_a_spread_is_not_above_the_most():
    with pytest.raises(ValidationError, match="expected low <= value <= high, not 2, 1, 3"):
        Spread(low=2, value=1, high=3)
