"""Waits of a board's memories: misses of its caches times what a miss costs, from simulated caches or by assumption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.cost.waits import Waits
from harness.platform import AccessPath, Cache, Memory, Platform, Spread
from harness.trace.instruction import Instruction, Listing, passed
from harness.trace.trace import Trace

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Misses:
    """Accesses of one path that wait: float64 (n, c) like the arrays of the trace, with `low <= value <= high`."""

    low: Floats
    value: Floats
    high: Floats


class BoardMemory:
    """The memory system that the file of the trace's board describes; a `MemorySystem`."""

    def waits(self, trace: Trace, listing: Listing, platform: Platform) -> Waits:
        """Return the waits of `trace`: for every path misses x wait, and taken branches x refill.

        With simulated caches the misses are exact under their model and the range is that of the costs. Without, misses
        are assumed, see `assumed_misses`.
        """
        hierarchy = platform.memory_system
        low, value, high = (np.zeros(trace.executions.shape) for _ in range(3))
        for path in hierarchy.paths:
            seen = path_misses(trace, listing, platform, path)
            cost, refill = path.wait_cycles, path.taken_branch_cycles
            branches = taken_in(trace, platform, path) if path.access == "fetch" else np.zeros_like(low)
            low += seen.low * cost.low + branches * refill.low
            value += seen.value * cost.value + branches * refill.value
            high += seen.high * cost.high + branches * refill.high
        how = "simulated caches" if trace.simulated else "assumed hit rates"
        return Waits(
            model=f"{hierarchy.model} ({how})",
            error=f"waits: {hierarchy.error.strip().removesuffix('.')}",
            low=low,
            by_address=value,
            high=high,
        )


def path_misses(trace: Trace, listing: Listing, platform: Platform, path: AccessPath) -> Misses:
    """Return the accesses of `path` that wait: as simulated, or else as assumed."""
    if trace.simulated:
        exact = trace.simulated[path.name].misses.astype(np.float64)
        return Misses(exact, exact, exact)
    return assumed_misses(trace, listing, platform, path)


def taken_in(trace: Trace, platform: Platform, path: AccessPath) -> Floats:
    """Return the taken branches (n, c) of the code in the memory of `path`."""
    inside = _inside(trace.addresses, _region(platform, path))
    return trace.taken.astype(np.float64) * inside[:, None]


def assumed_misses(trace: Trace, listing: Listing, platform: Platform, path: AccessPath) -> Misses:
    """Return what `path` misses when nobody looked, from what the trace knows of code and literals.

    Fetches: which lines of code were executed, and so which of them share a set of the cache, is known; when, is not. A
    line is filled once at least: that is the low end. In a set that holds all its lines nothing else happens. Elsewhere
    a line is taken to be filled again when its phase and layer (its context) begins, with the probability that one of
    its set's lines is out: 1 - ways / lines. Where the lines of one context alone are more than the set holds,
    `miss_share` of the lines entered miss as well. At the high end every begin of a context fills all lines of such
    sets and the high `miss_share` holds; of a cache that loads share with fetches, every set is such a set.

    Loads: those relative to the program counter are known to come from flash; of those through another register,
    `load_share` do. `miss_share` of them miss.
    """
    cache = platform.memory_system.cache_of(path)
    region = _region(platform, path)
    if path.access == "fetch":
        line_bytes = cache.line_bytes if cache else path.width_bytes
        others = [other for other in platform.memory_system.paths if other.cache == path.cache and other is not path]
        return _missed_fetches(trace, listing, region, cache, line_bytes, path.miss_share, bool(others))
    loads = _loads(trace, listing, region, path.load_share)
    if cache is None:
        return loads
    share = path.miss_share
    return Misses(loads.low * share.low, loads.value * share.value, loads.high * share.high)


def _region(platform: Platform, path: AccessPath) -> Memory:
    return next(memory for memory in platform.memories if memory.name == path.memory)


def _inside(addresses: npt.NDArray[np.uint32], region: Memory) -> npt.NDArray[np.bool_]:
    return (addresses >= region.origin) & (addresses < region.origin + region.size_bytes)


def _missed_fetches(
    trace: Trace, listing: Listing, region: Memory, cache: Cache | None, line_bytes: int, share: Spread, shared: bool
) -> Misses:
    entered, lines = _lines_entered(trace, listing, region, line_bytes)
    if cache is None:
        return Misses(entered, entered, entered)
    sets = cache.lines // cache.ways
    executed = trace.executions > 0
    everywhere = _lines_of_each_set(lines[lines >= 0], sets)
    contested = lines >= 0
    contested &= everywhere[lines % sets] > cache.ways
    out = np.where(contested, 1.0 - cache.ways / np.maximum(everywhere[lines % sets], 1), 0.0)
    begins = _begins(trace, listing)
    low, value, high = (np.zeros_like(entered) for _ in range(3))
    met: set[int] = set()
    for context in range(entered.shape[1]):
        rows = np.flatnonzero(executed[:, context] & (lines >= 0))
        own, first = np.unique(lines[rows], return_index=True)
        at = rows[first]
        fresh = [row for line, row in zip(own.tolist(), at.tolist(), strict=True) if line not in met]
        met.update(own.tolist())
        low[fresh, context] = 1
        value[at, context] = np.maximum(low[at, context], begins[context] * out[at])
        high[at, context] = np.maximum(low[at, context], begins[context] * (contested[at] | shared))
        crowded = _lines_of_each_set(own, sets)[lines[rows] % sets] > cache.ways
        value[rows, context] += entered[rows, context] * share.value * crowded
        high[rows, context] += entered[rows, context] * share.high * (crowded | shared)
    # A line cannot be filled more often than it was entered; its first fill is certain.
    most = np.maximum(entered, low)
    return Misses(low, np.minimum(value, most), np.minimum(np.maximum(value, high), most))


def _lines_of_each_set(lines: npt.NDArray[np.int64], sets: int) -> npt.NDArray[np.int64]:
    return np.bincount(np.unique(lines) % sets, minlength=sets)


def _lines_entered(
    trace: Trace, listing: Listing, region: Memory, line_bytes: int
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return how often each address was the first of a line that was entered, and its line (-1 outside the region)."""
    count = len(trace.addresses)
    sizes = np.array([listing.at(int(address)).size_bytes for address in trace.addresses], dtype=np.int64)
    begin = trace.addresses.astype(np.int64)
    inside = _inside(trace.addresses, region)
    line = begin // line_bytes
    last = (begin + sizes - 1) // line_bytes
    executions, taken = trace.executions.astype(np.float64), trace.taken.astype(np.float64)
    fallen_through = np.zeros_like(executions)
    before_last = np.full(count, -1, dtype=np.int64)
    if count > 1:
        follows = begin[1:] == begin[:-1] + sizes[:-1]
        fallen_through[1:] = np.where(follows[:, None], executions[:-1] - taken[:-1], 0.0)
        before_last[1:] = np.where(follows, last[:-1], -1)
    fallen_through = np.clip(fallen_through, 0.0, executions)
    jumped_to = executions - fallen_through
    crossing = (line != before_last)[:, None]
    entered = (jumped_to + fallen_through * crossing + executions * (last - line)[:, None]) * inside[:, None]
    return entered, np.where(inside, line, -1)


def _begins(trace: Trace, listing: Listing) -> Floats:
    """Return how often each context began: executions of the marker's first instruction, 1 without a marker."""
    marker = listing.image.symbols.get("marker")
    rows = np.flatnonzero(trace.addresses == marker.address) if marker else np.array([], dtype=np.int64)
    if not len(rows):
        return np.ones(len(trace.contexts))
    begins: Floats = np.maximum(1.0, trace.executions[rows[0]].astype(np.float64))
    return begins


def _loads(trace: Trace, listing: Listing, region: Memory, share: Spread) -> Misses:
    literal, other = np.zeros(len(trace.addresses)), np.zeros(len(trace.addresses))
    in_region = _inside(trace.addresses, region)
    for row, address in enumerate(trace.addresses):
        instruction = listing.at(int(address))
        if instruction.loaded_words and _base(instruction) == "pc":
            literal[row] = instruction.loaded_words * in_region[row]
        elif instruction.loaded_words and _base(instruction) != "sp":
            other[row] = instruction.loaded_words
    executed = passed(trace).astype(np.float64)
    sure, possible = executed * literal[:, None], executed * other[:, None]
    return Misses(sure + possible * share.low, sure + possible * share.value, sure + possible * share.high)


def _base(instruction: Instruction) -> str:
    """Return the register that a load takes its address from: `pc`, `sp` or another one."""
    if instruction.mnemonic.startswith(("pop", "vpop")):
        return "sp"
    inside = instruction.operands.partition("[")[2]
    return (inside or instruction.operands).split(",")[0].strip(" ]!")
