"""How often intervals of sampled runs hold the true mean, and how much faster the twin is than emulation.

    python benchmarks/sampling.py [scenario.yaml ...]

Each run of a scenario is emulated whole, with every minibatch priced by itself; then samples are drawn with many seeds
as `engine.sampling` says, for one and two samples a stratum. Speeds are those of the same training in one process after
the other, the best of some repeats, without evaluations: seconds of the twin with the start of its process, and of
Unicorn with set-up and self-checks.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.build import Image
from harness.cache import user_cache
from harness.cost import BoardMemory, price
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

SEEDS, REPEATS = 1000, 3


def _emulated(prepared: PreparedRun, steps: RunSteps, first_step: int, count: int, state: bytes) -> Trace:
    symbols, platform = Image(steps.target.executable).symbols, prepared.platform
    request = replace(emulated_request(prepared), first_step=first_step, steps=count, record_steps=0, evaluate_at_end=0)
    store = steps.data.store().steps_behind(first_step, count, 0, state).pack()
    writes = ((symbols["run_request"].address, request.pack()), (platform.memory("samples").origin, store))
    return UnicornEngine().run(Job(steps.target.executable, platform, writes, timeout_s=3600))


def _speeds(prepared: PreparedRun, steps: RunSteps, count: int) -> tuple[float, float]:
    """Return training steps a second of twin and emulation."""
    many = replace(emulated_request(prepared), steps=prepared.steps_total, record_steps=0, evaluate_at_end=0)
    store = steps.data.store().first_steps(many.steps, 0).pack()
    twin_s, emulated_s = [], []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run_twin(steps.twin.executable, many, store, 600)
        twin_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        _emulated(prepared, steps, 0, count, b"")
        emulated_s.append(time.perf_counter() - began)
    return many.steps / min(twin_s), count / min(emulated_s)


def _measure(prepared: PreparedRun) -> None:
    scenario = prepared.scenario
    steps = RunSteps(prepared, user_cache())
    twin, emulated = _speeds(prepared, steps, min(128, prepared.steps_total))
    print(f"{scenario.label}: twin {twin:.0f} steps/s, emulation {emulated:.1f} steps/s, ratio {twin / emulated:.0f}")
    if scenario.engine.steps != "sampled":
        return
    blocks = blocks_of(scenario)
    bounds = sorted({first for first, _ in blocks} - {0})
    request = replace(emulated_request(prepared), steps=prepared.steps_total, record_steps=0, evaluate_at_end=0)
    store = steps.data.store().first_steps(request.steps, 0).pack()
    saved = run_twin(steps.twin.executable, request, store, 600, saved_steps=bounds).saved
    image, costs = Image(steps.target.executable), {}
    for first, count in blocks:
        trace = _emulated(prepared, steps, first, count, saved.get(first, b""))
        phases = price(trace, image, prepared.platform, BoardMemory()).by_phase_cycles
        costs[first] = sum(phases.get(phase, 0.0) for phase in STEP_PHASES)
    true = sum(costs.values()) / prepared.steps_total
    print(f"  {len(blocks)} blocks, true mean {true:.1f} cycles/step, {SEEDS} draws")
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
