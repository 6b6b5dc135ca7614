"""Estimated cycles of a trace: a table of cycles per instruction class for each core, kept as data in `cores/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.build.elf import Image
from harness.cost.waits import MemorySystem, Waits
from harness.errors import EngineError
from harness.platform import Core, Platform
from harness.trace.instruction import Instruction, Kind, Listing, passed
from harness.trace.trace import Context, Trace

_CORES = Path(__file__).parent / "cores"
Range = tuple[float, float]
"""The least and the most that an estimate may be."""

_ACCESSES = frozenset({Kind.LOAD, Kind.STORE, Kind.FP_LOAD, Kind.FP_STORE})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KindCycles(_Strict):
    """What one instruction of a class costs.

    `cycles` plus `per_word` for every word loaded or stored, plus `taken` when it leaves for another address than the
    next, plus `register_offset` and `double` where these apply; less `pipelined` when the next instruction is a load or
    store whose address does not wait for this one. `dual` classes may issue in pairs.
    """

    cycles: float
    per_word: float = 0.0
    taken: float = 0.0
    register_offset: float = 0.0
    double: float = 0.0
    pipelined: float = 0.0
    dual: bool = False
    source: str


class Issue(_Strict):
    """How many cycles an instruction that may issue in pairs takes, as a factor."""

    factor: float = Field(gt=0, le=1)
    source: str


class CoreTable(_Strict):
    """The cycle table of one core; `source` of a kind is a key of `sources`."""

    core: Core
    model: str
    error: str
    issue: Issue | None = None
    sources: dict[str, str]
    kinds: dict[Kind, KindCycles]

    @model_validator(mode="after")
    def _sources_are_known(self) -> CoreTable:
        for kind, entry in self.kinds.items():
            if entry.source not in self.sources:
                raise ValueError(f"kinds.{kind}.source: '{entry.source}' is not in sources")
        return self


@cache
def core_table(core: Core) -> CoreTable:
    """Return the cycle table of `core`."""
    return CoreTable.model_validate(yaml.safe_load((_CORES / f"{core}.yaml").read_text()))


@dataclass(frozen=True)
class Cycles:
    """An estimate in core cycles, with its range.

    `low`, `by_address` (the estimate) and `high` are float64 (n, c), like the arrays of the trace they were made from,
    with `low <= by_address <= high`: the range holds what the counts leave open, as the operands of a division. The
    waits of the memory system are included; `waits` gives them by themselves. `model` names the model and `error` says
    how far off it may be beyond the range, and what it leaves out.
    """

    model: str
    error: str
    contexts: tuple[Context, ...]
    low: npt.NDArray[np.float64]
    by_address: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    waits: Waits | None = None

    @property
    def total_cycles(self) -> float:
        """Return the cycles of the whole trace."""
        return float(self.by_address.sum())

    @property
    def total_range_cycles(self) -> Range:
        """Return the least and the most cycles of the whole trace."""
        return float(self.low.sum()), float(self.high.sum())

    @property
    def by_context_cycles(self) -> dict[Context, float]:
        """Return the cycles of every phase and layer."""
        return dict(zip(self.contexts, self.by_address.sum(axis=0).tolist(), strict=True))

    @property
    def by_context_range_cycles(self) -> dict[Context, Range]:
        """Return the least and the most cycles of every phase and layer."""
        ranges = zip(self.low.sum(axis=0).tolist(), self.high.sum(axis=0).tolist(), strict=True)
        return dict(zip(self.contexts, ranges, strict=True))

    @property
    def by_phase_cycles(self) -> dict[str, float]:
        """Return the cycles of every phase."""
        phases: dict[str, float] = {}
        for context, cycles in self.by_context_cycles.items():
            phases[context.phase] = phases.get(context.phase, 0.0) + cycles
        return phases

    @property
    def by_phase_range_cycles(self) -> dict[str, Range]:
        """Return the least and the most cycles of every phase."""
        phases: dict[str, Range] = {}
        for context, (low, high) in self.by_context_range_cycles.items():
            before = phases.get(context.phase, (0.0, 0.0))
            phases[context.phase] = before[0] + low, before[1] + high
        return phases

    def with_waits(self, waits: Waits) -> Cycles:
        """Return these cycles and the waits of a memory system together."""
        return Cycles(
            model=f"{self.model}, {waits.model}",
            error=f"{self.error.removesuffix('.')}; {waits.error}",
            contexts=self.contexts,
            low=self.low + waits.low,
            by_address=self.by_address + waits.by_address,
            high=self.high + waits.high,
            waits=waits,
        )


def price(trace: Trace, image: Image, platform: Platform, memory_system: MemorySystem | None = None) -> Cycles:
    """Estimate the cycles of `trace`, which came from running `image` on `platform`.

    Without a `memory_system` no fetch, load or store waits for a memory. An instruction whose condition failed takes
    one cycle. Raises EngineError when an instruction was executed that the table of the core does not price.
    """
    table = core_table(platform.core)
    listing = Listing(image)
    factor = table.issue.factor if table.issue else 1.0
    count = len(trace.addresses)
    each, taken, skipped = np.empty(count), np.empty(count), np.empty(count)
    for row, address in enumerate(trace.addresses):
        instruction = listing.at(int(address))
        entry = table.kinds.get(instruction.kind)
        if entry is None:
            raise EngineError(f"{table.model} has no cycles for '{instruction}' ({instruction.kind})")
        scale = factor if entry.dual else 1.0
        following = listing.instructions.get(instruction.end)
        each[row] = scale * _cycles(entry, instruction, following)
        taken[row] = entry.taken
        skipped[row] = factor
    cycles = (
        passed(trace) * each[:, None]
        + trace.taken.astype(np.float64) * taken[:, None]
        + trace.skipped.astype(np.float64) * skipped[:, None]
    )
    priced = Cycles(table.model, table.error, trace.contexts, cycles, cycles, cycles)
    return priced if memory_system is None else priced.with_waits(memory_system.waits(trace, listing, platform))


def _cycles(entry: KindCycles, instruction: Instruction, following: Instruction | None) -> float:
    cycles = entry.cycles + entry.per_word * (instruction.loaded_words + instruction.stored_words)
    cycles += entry.register_offset * instruction.has_register_offset + entry.double * instruction.is_double
    if entry.pipelined and following is not None and following.kind in _ACCESSES:
        cycles -= entry.pipelined * (not _address_uses(following, instruction.operands.split(",", 1)[0]))
    return cycles


def _address_uses(access: Instruction, register: str) -> bool:
    address = access.operands.partition("[")[2].partition("]")[0]
    return re.search(rf"\b{re.escape(register)}\b", address) is not None
