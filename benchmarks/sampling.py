"""How often intervals of sampled runs hold the true mean, and how much faster the twin is than emulation.

    python benchmarks/sampling.py [scenario.yaml ...]

Every block of a sampled run is emulated by itself; then samples are drawn with many seeds as `engine.sampling` says,
one and two in each stratum, and their means of instructions per step held against the true one. Speeds are of
processor time, so that other work on the machine matters little: the best of some repeats, without evaluations.
"""

import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.build import Image
from harness.cache import user_cache
from harness.cost.sampling import Stratum, mean_per_step
from harness.engine import Job, UnicornEngine
from harness.engine.twin import run_twin
from harness.pipeline import prepare
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.run import RunSteps
from harness.pipeline.run_request import emulated_request
from harness.pipeline.sampling import blocks_of, draw
from harness.scenario import read_scenarios
from harness.trace import STEP_PHASES, Trace

SEEDS, REPEATS, EMULATED_STEPS = 1000, 3, 64


def _emulated(prepared: PreparedRun, steps: RunSteps, first_step: int, count: int, state: bytes) -> Trace:
    symbols, platform = Image(steps.target.executable).symbols, prepared.platform
    request = replace(emulated_request(prepared), first_step=first_step, steps=count, record_steps=0, evaluate_at_end=0)
    store = steps.data.store().steps_behind(first_step, count, 0, state).pack()
    writes = ((symbols["run_request"].address, request.pack()), (platform.memory("samples").origin, store))
    return UnicornEngine().run(Job(steps.target.executable, platform, writes, timeout_s=3600))


def _speeds(prepared: PreparedRun, steps: RunSteps, count: int) -> tuple[float, float]:
    """Return training steps a second of twin and emulation, beyond what a run of no steps takes."""
    twin_s, emulated_s = [], []
    for _ in range(REPEATS):
        twin_s.append(_twin_s(prepared, steps, prepared.steps_total) - _twin_s(prepared, steps, 0))
        emulated_s.append(_emulated_s(prepared, steps, count) - _emulated_s(prepared, steps, 0))
    return prepared.steps_total / min(twin_s), count / min(emulated_s)


def _twin_s(prepared: PreparedRun, steps: RunSteps, count: int) -> float:
    request = replace(emulated_request(prepared), steps=count, record_steps=0, evaluate_at_end=0)
    store = steps.data.store().first_steps(count, 0).pack()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_twin(steps.twin.executable, request, store, 600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _emulated_s(prepared: PreparedRun, steps: RunSteps, count: int) -> float:
    began = time.process_time()
    _emulated(prepared, steps, 0, count, b"")
    return time.process_time() - began


def _measure(prepared: PreparedRun) -> None:
    scenario = prepared.scenario
    steps = RunSteps(prepared, user_cache())
    twin, emulated = _speeds(prepared, steps, min(EMULATED_STEPS, prepared.steps_total))
    print(f"{scenario.label}: twin {twin:.0f} steps/s, emulation {emulated:.1f} steps/s, ratio {twin / emulated:.0f}")
    if scenario.engine.steps == "sampled":
        _cover(prepared, steps)


def _cover(prepared: PreparedRun, steps: RunSteps) -> None:
    scenario = prepared.scenario
    blocks = blocks_of(scenario)
    bounds = sorted({first for first, _ in blocks} - {0})
    request = replace(emulated_request(prepared), steps=prepared.steps_total, record_steps=0, evaluate_at_end=0)
    store = steps.data.store().first_steps(request.steps, 0).pack()
    saved = run_twin(steps.twin.executable, request, store, 600, saved_steps=bounds).saved
    costs = {}
    for first, count in blocks:
        trace = _emulated(prepared, steps, first, count, saved.get(first, b""))
        phases = trace.instructions_by_phase()
        costs[first] = float(sum(phases.get(phase, 0) for phase in STEP_PHASES))
    true = sum(costs.values()) / prepared.steps_total
    print(f"  {len(blocks)} blocks, true mean {true:.1f} instructions/step, {SEEDS} draws")
    for samples in (1, 2):
        held, widths, errors = 0, [], []
        for seed in range(SEEDS):
            sampling = scenario.engine.sampling.model_copy(update={"seed": seed, "samples": samples})
            engine = scenario.engine.model_copy(update={"sampling": sampling})
            drawn = draw(scenario.model_copy(update={"engine": engine}))
            strata = []
            for number, size in enumerate(drawn.blocks):
                own = [one for one in drawn.samples if one.stratum == number]
                strata.append(
                    Stratum(size, tuple(costs[one.first_step] for one in own), tuple(one.steps for one in own))
                )
            found = mean_per_step(strata, prepared.steps_total)
            held += found.low <= true <= found.high
            widths.append((found.high - found.low) / 2 / true)
            errors.append(abs(found.value / true - 1))
        print(
            f"  {scenario.engine.sampling.strata} strata of {samples}: {held / SEEDS:.1%} of intervals hold it, "
            f"half width {np.median(widths):.2%} (median), error {np.median(errors):.3%} (median)"
        )


def main() -> int:
    """Measure the runs of the scenarios named; exit status 0."""
    for path in sys.argv[1:]:
        for prepared in prepare(read_scenarios(Path(path))):
            _measure(prepared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
