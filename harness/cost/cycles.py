"""Estimated cycles of a trace: every basic block goes through the pipeline of the core once, for all its executions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.build.elf import Image
from harness.cost.block import blocks_of
from harness.cost.coarse import price_classes
from harness.cost.core import CoreModel, core_model
from harness.cost.pipeline import Chance
from harness.cost.simulation import Prices, Simulation
from harness.cost.waits import MemorySystem, Waits
from harness.platform import Platform
from harness.trace.instruction import Listing
from harness.trace.trace import Context, Trace

Range = tuple[float, float]
"""The least and the most that an estimate may be."""


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

    Without a `memory_system` no fetch, load or store waits for a memory. The estimate is the mean of the two middle
    chances, the range goes from the best to the worst. A trace of classes is priced by the mean of each, waits
    included. Raises EngineError when an instruction was executed that the core has no timing for.
    """
    if trace.classes:
        coarse = price_classes(trace, platform)
        return Cycles(coarse.model, coarse.error, trace.contexts, coarse.low, coarse.value, coarse.high)
    core, listing = core_model(platform.core), Listing(image)
    instructions = [listing.at(int(address)) for address in trace.addresses]
    simulation = Simulation(core, instructions, blocks_of(trace, instructions))
    best, lucky, unlucky, worst = (_cycles(trace, core, simulation.prices(chance)) for chance in Chance)
    middle = (lucky + unlucky) / 2
    low, high = np.minimum(best, middle), np.maximum(worst, middle)
    priced = Cycles(core.model, core.error, trace.contexts, low, middle, high)
    return priced if memory_system is None else priced.with_waits(memory_system.waits(trace, listing, platform))


def _cycles(trace: Trace, core: CoreModel, prices: Prices) -> npt.NDArray[np.float64]:
    executions, taken = trace.executions.astype(np.float64), trace.taken.astype(np.float64)
    cycles = executions * prices.each[:, None] + taken * prices.taken[:, None]
    if core.skipped == "cycle":
        cycles -= trace.skipped.astype(np.float64) * (prices.each[:, None] - 1.0)
    return cycles + np.minimum(taken, executions - taken) * prices.rarer[:, None]
