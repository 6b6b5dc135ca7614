"""How long the core waits for the memories of a board: caches, wait states, refills; every number with its source."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spread(_Strict):
    """A number that is not known exactly: the least, the taken and the most."""

    low: float = Field(ge=0)
    value: float = Field(ge=0)
    high: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"expected low <= value <= high, not {self.low:g}, {self.value:g}, {self.high:g}")
        return self


class Cache(_Strict):
    """A cache between the core and slow memories; a hit costs nothing beyond the core's own cycles."""

    name: str
    size_bytes: int = Field(gt=0)
    line_bytes: int = Field(ge=4)
    ways: int = Field(ge=1, le=64)
    replacement: Literal["lru", "random"]
    source: str

    @model_validator(mode="after")
    def _whole_sets(self) -> Self:
        sets, rest = divmod(self.size_bytes, self.line_bytes * self.ways)
        if rest or not sets or sets & (sets - 1) or self.line_bytes & (self.line_bytes - 1):
            raise ValueError(f"cache {self.name}: line_bytes and size_bytes / (line_bytes * ways) must be powers of 2")
        return self

    @property
    def lines(self) -> int:
        """Return how many lines the cache holds."""
        return self.size_bytes // self.line_bytes


class AccessPath(_Strict):
    """How one kind of access reaches one memory.

    The accesses of a fetch path are lines of instructions, those of a load path words. With a `cache` (a name) an
    access waits `wait_cycles` core cycles when it misses. Without one every access waits; a fetch path then has a
    buffer of `width_bytes`. `taken_branch_cycles` come on top of the core's own for every taken branch in this memory.

    What a trace without simulated caches leaves open is assumed: `miss_share` of the accesses that a cache too small
    for the code of a layer misses, and, for loads through a register, `load_share` of them that go to this memory.
    """

    memory: str
    access: Literal["fetch", "load"]
    cache: str | None = None
    width_bytes: int = Field(4, ge=4, le=64)
    wait_cycles: Spread
    taken_branch_cycles: Spread = Spread(low=0, value=0, high=0)
    miss_share: Spread = Spread(low=0, value=0, high=0)
    load_share: Spread = Spread(low=0, value=0, high=0)
    source: str

    @property
    def name(self) -> str:
        """Return `memory.access`, under which traces and calibrations know this path."""
        return f"{self.memory}.{self.access}"


class Hierarchy(_Strict):
    """The memories of a board that make the core wait; all others, as SRAM and TCM, do not.

    `model` names this description in results, `error` says what it leaves out.
    """

    model: str
    error: str
    caches: list[Cache] = []
    paths: list[AccessPath] = []

    @model_validator(mode="after")
    def _caches_are_known(self) -> Self:
        known = {cache.name for cache in self.caches}
        for path in self.paths:
            if path.cache is not None and path.cache not in known:
                raise ValueError(f"path {path.name}: no cache '{path.cache}'")
        if len({path.name for path in self.paths}) != len(self.paths):
            raise ValueError("a memory has two paths for the same access")
        return self

    def cache_of(self, path: AccessPath) -> Cache | None:
        """Return the cache on `path`, or None."""
        return next((cache for cache in self.caches if cache.name == path.cache), None)
