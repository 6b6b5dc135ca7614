"""What the counts of a run cost: the parts of its document that the cost models decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata

from harness.build import Build, Image
from harness.cache import Cache, Entry, Output, code_hash
from harness.cost import BoardMemory, Cycles, energy, peak_stack_bytes, price, ram_share, static_memory
from harness.pipeline.kept_files import TRACE
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.sampled_costs import sampling_of, uncertainty
from harness.result import NO_LAYER, Counts, Estimate, Estimates, LayerCost, Memory, Sampling
from harness.trace import STEP_PHASES, Trace

_CODE = ("cost", "trace", "build/elf.py", "build/call_frames.py", "platform", "plan", "pipeline/priced_run.py")


@dataclass(frozen=True)
class PricedRun:
    """Counts, estimates and memory of a run, and the name of the model that made cycles of its counts.

    `sampling` is there when samples of the training were emulated.
    """

    counts: Counts
    estimates: Estimates
    memory: Memory
    cycle_model: str
    sampling: Sampling | None = None


def price_run(
    cache: Cache, prepared: PreparedRun, target: Build, emulation: Entry, samples: Sequence[Entry] = ()
) -> PricedRun:
    """Return what the stored trace of a run costs by today's models, without another emulation.

    With `samples`, the emulations whose sum `emulation` is, it says how far their mean may be off.
    """
    sampled = prepared.draw
    inputs = {
        "trace": emulation.checksums[TRACE],
        "samples": [sample.checksums[TRACE] for sample in samples],
        "draw": None if sampled is None else [asdict(sample) for sample in sampled.samples],
        "blocks": None if sampled is None else list(sampled.blocks),
        "elf": target.content,
        "platform": prepared.platform.model_dump(mode="json"),
        "steps": [prepared.steps_emulated, prepared.steps_total],
        "budgets": [prepared.ram_budget_bytes, prepared.flash_budget_bytes, prepared.scenario.memory.stack],
        "capstone": metadata.version("capstone"),
        "code": code_hash(*_CODE),
    }

    def compute() -> Output:
        trace, image = Trace.load(emulation.path(TRACE)), Image(target.executable)
        cycles = price(trace, image, prepared.platform, BoardMemory())
        sampling = None
        if sampled is not None:
            traces = [Trace.load(sample.path(TRACE)) for sample in samples]
            sampling = sampling_of(sampled, prepared, image, traces, cycles)
        return Output(
            {
                "counts": _counts(prepared, trace, cycles).model_dump(mode="json"),
                "estimates": _estimates(prepared, trace, cycles, sampling).model_dump(mode="json"),
                "sampling": None if sampling is None else sampling.model_dump(mode="json"),
                "memory": _memory(prepared, image, trace).model_dump(mode="json"),
                "cycle_model": cycles.model,
            }
        )

    values = cache.get("price", inputs, compute).values
    return PricedRun(
        counts=Counts.model_validate(values["counts"]),
        estimates=Estimates.model_validate(values["estimates"]),
        memory=Memory.model_validate(values["memory"]),
        cycle_model=str(values["cycle_model"]),
        sampling=None if sampled is None else Sampling.model_validate(values["sampling"]),
    )


def _steps_of_trace(prepared: PreparedRun) -> int:
    """Return how many steps the trace holds that is priced."""
    return prepared.steps_emulated if prepared.draw is None else prepared.draw.weighted_steps


def _counts(prepared: PreparedRun, trace: Trace, cycles: Cycles) -> Counts:
    steps = _steps_of_trace(prepared)
    totals = trace.executions.sum(axis=0)
    by_layer = tuple(
        LayerCost(
            phase=context.phase,
            layer=context.layer,
            layer_name="" if context.layer == NO_LAYER else prepared.plan.layer_name(context.layer),
            instructions_per_step=int(instructions) / steps,
            cycles_per_step=cycles.by_context_cycles[context] / steps,
        )
        for context, instructions in zip(trace.contexts, totals, strict=True)
        if context.phase in STEP_PHASES
    )
    by_phase = {phase: n / steps for phase, n in trace.instructions_by_phase().items() if phase in STEP_PHASES}
    return Counts(
        instructions_per_step=sum(by_phase.values()),
        instructions_total=trace.instructions,
        by_phase=by_phase,
        by_layer=by_layer,
    )


def _estimates(prepared: PreparedRun, trace: Trace, cycles: Cycles, sampling: Sampling | None) -> Estimates:
    platform, steps, total = prepared.platform, _steps_of_trace(prepared), prepared.steps_total
    ranges = cycles.by_phase_range_cycles
    per_step = (
        sum(ranges[phase][0] for phase in STEP_PHASES if phase in ranges) / steps,
        sum(cycles.by_phase_cycles.get(phase, 0.0) for phase in STEP_PHASES) / steps,
        sum(ranges[phase][1] for phase in STEP_PHASES if phase in ranges) / steps,
    )
    from_ram = ram_share(trace, cycles, platform)
    costs = [energy(bound, platform, from_ram) for bound in per_step]
    millijoules = [costs[0].low_mj, costs[1].energy_mj, costs[2].high_mj]
    power = f"{cycles.model}, {costs[1].power_mw:.3g} mW ({costs[1].conditions})"
    power_error = f"{cycles.error.removesuffix('.')}; power {costs[1].error}"
    beyond = "" if steps == total else f"; all {total} steps taken to cost what the first {steps} do"
    of_samples = ""
    if sampling is not None:
        beyond, of_samples = "", f"; {uncertainty(sampling, total)}"
    error = cycles.error.removesuffix(".") + of_samples
    power_error += of_samples

    def estimate(values: Sequence[float], model: str, error: str) -> Estimate:
        low, value, high = values
        return Estimate(value=value, low=low, high=high, model=model, error=error)

    error_beyond = error.removesuffix(".") + beyond
    return Estimates(
        cycles_per_step=estimate(per_step, cycles.model, error),
        time_ms_per_step=estimate([cost.time_ms for cost in costs], cycles.model, error),
        energy_mj_per_step=estimate(millijoules, power, power_error),
        training_time_s=estimate([cost.time_ms * total / 1e3 for cost in costs], cycles.model, error_beyond),
        training_energy_mj=estimate([one * total for one in millijoules], power, power_error + beyond),
    )


def _memory(prepared: PreparedRun, image: Image, trace: Trace) -> Memory:
    plan, stack = prepared.plan, prepared.scenario.memory.stack
    static = static_memory(image, prepared.platform)
    return Memory(
        arena_bytes=plan.arena_bytes,
        arena_lower_bound_bytes=plan.lower_bound_bytes,
        arena_by_category=plan.bytes_by_category(),
        data_bytes=static.data_bytes,
        bss_bytes=static.bss_bytes - plan.arena_bytes - stack,
        stack_reserved_bytes=stack,
        stack_peak_bytes=peak_stack_bytes(trace, image),
        ram_bytes=static.ram_bytes,
        ram_budget_bytes=prepared.ram_budget_bytes,
        flash_bytes=static.total_flash_bytes,
        flash_by_section=static.flash_bytes,
        flash_budget_bytes=prepared.flash_budget_bytes,
    )
