"""What samples of a training tell about all of it: means per step, and how far these may be off."""

from __future__ import annotations

from collections.abc import Sequence

from harness.build import Image
from harness.cost import BoardMemory, Cycles, price
from harness.cost.sampling import CONFIDENCE, Mean, Stratum, mean_per_step
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.sampling import Draw
from harness.result import Interval, SampleCost, Sampling
from harness.trace import STEP_PHASES, Trace


def sampling_of(sampled: Draw, prepared: PreparedRun, image: Image, traces: Sequence[Trace], whole: Cycles) -> Sampling:
    """Return the intervals that `traces`, one a sample, give; `whole` are the cycles of their weighted sum.

    That sum is priced as a whole because the waits of caches are not quite a sum; samples say how much it varies.
    """
    counts = [trace.instructions_by_phase() for trace in traces]
    instructions = [float(sum(count.get(phase, 0) for phase in STEP_PHASES)) for count in counts]
    cycles = [_in_step(price(trace, image, prepared.platform, BoardMemory())) for trace in traces]

    def mean(costs: Sequence[float]) -> Mean:
        strata = []
        for number, blocks in enumerate(sampled.blocks):
            drawn = [index for index, sample in enumerate(sampled.samples) if sample.stratum == number]
            steps = tuple(sampled.samples[index].steps for index in drawn)
            strata.append(Stratum(blocks, tuple(costs[index] for index in drawn), steps))
        return mean_per_step(strata, prepared.steps_total)

    phases = [phase for phase in STEP_PHASES if any(phase in count for count in counts)]
    return Sampling(
        strata=sampled.blocks,
        samples=tuple(
            SampleCost(
                stratum=sample.stratum,
                first_step=sample.first_step,
                steps=sample.steps,
                instructions_per_step=executed / sample.steps,
                cycles_per_step=taken / sample.steps,
            )
            for sample, executed, taken in zip(sampled.samples, instructions, cycles, strict=True)
        ),
        weighted_steps=sampled.weighted_steps,
        confidence=CONFIDENCE,
        instructions_per_step=_interval(mean(instructions)),
        by_phase={phase: _interval(mean([float(count.get(phase, 0)) for count in counts])) for phase in phases},
        cycles_per_step=_interval(mean(cycles), _in_step(whole) / sampled.weighted_steps),
    )


def uncertainty(sampling: Sampling, steps_total: int) -> str:
    """Say how far the mean over the whole training may be off because samples stand for it."""
    interval, strata = sampling.cycles_per_step, len(sampling.strata)
    share = (interval.high - interval.low) / 2 / interval.mean if interval.mean else 0.0
    return (
        f"sampled: mean of all {steps_total} steps ±{100 * share:.2g} % ({100 * sampling.confidence:.0f} % confidence, "
        f"{len(sampling.samples)} samples in {strata} {'stratum' if strata == 1 else 'strata'})"
    )


def _in_step(cycles: Cycles) -> float:
    return sum(cycles.by_phase_cycles.get(phase, 0.0) for phase in STEP_PHASES)


def _interval(mean: Mean, value: float | None = None) -> Interval:
    """Return the interval of `mean`, laid around `value` where that is given."""
    middle = mean.value if value is None else value
    return Interval(
        mean=middle,
        low=max(0.0, mean.low + middle - mean.value),
        high=mean.high + middle - mean.value,
        standard_error=mean.standard_error,
        degrees_of_freedom=mean.degrees_of_freedom,
    )
