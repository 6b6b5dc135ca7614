"""Renode with cycle counters that go as the cycle model says, for `engine: {cpi: model}`."""

from __future__ import annotations

from harness.build import Build
from harness.cache import Cache
from harness.engine import Engine, UnicornEngine
from harness.engine.renode.engine import RenodeEngine
from harness.engine.renode.pace import pace
from harness.engine.request import RunRequest
from harness.pipeline.emulation import emulate
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.priced_run import price_run
from harness.pipeline.training_data import TrainingData


def paced_engine(cache: Cache, prepared: PreparedRun, target: Build, request: RunRequest, data: TrainingData) -> Engine:
    """Return Renode at the mean pace of the training steps of `prepared`.

    The default engine counts the same firmware first, and the cycle models price its counts. Raises what it raises.
    """
    counted = emulate(cache, UnicornEngine(), prepared, target, request, data, None)
    priced = price_run(cache, prepared, target, counted)
    cycles_per_instruction = priced.estimates.cycles_per_step.value / priced.counts.instructions_per_step
    chosen = pace(prepared.platform.clock_hz, cycles_per_instruction)
    return RenodeEngine(prepared.scenario.engine.fidelity, pace=chosen)
