"""One run, from its plan to its result document."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.assets import content_hash
from harness.build import Build, Image, build_firmware, memory_script, plan_source, sources_hash
from harness.cost import BoardMemory, Cycles, energy, peak_stack_bytes, price, ram_share, static_memory
from harness.dataset import SampleSet, load_dataset, visiting_order
from harness.engine.job import Job
from harness.engine.request import RunRequest, SampleStore
from harness.engine.twin import TwinRun, float_of_bits, run_twin
from harness.engine.worker import run_isolated
from harness.errors import EngineError, HarnessError, message_of
from harness.model import LayerWeights, fold_batch_norm, write_weights
from harness.pipeline.agreement import check_agreement
from harness.pipeline.calibration import calibrate
from harness.pipeline.layout import layout_of
from harness.pipeline.observer import Observer, Stage
from harness.pipeline.once import Once
from harness.pipeline.prepare import PreparedRun
from harness.pipeline.schedule import learning_rates
from harness.plan import Affine, Deployment, deploy, weights_in_state
from harness.result import (
    NO_LAYER,
    Accuracy,
    Agreement,
    Counts,
    Document,
    Epoch,
    Estimate,
    Estimates,
    Evidence,
    LayerCost,
    Memory,
    Run,
    StoredFile,
    collect_provenance,
)
from harness.result.evidence import FIRMWARE, TRACES, WEIGHTS, store_file, store_layout
from harness.trace import STEP_PHASES, Trace

TWIN_OPTIMIZATION = "-O3"
TWIN_TIMEOUT_S = 4 * 3600.0

_LARGEST_UINT8 = 255


@dataclass
class _Work:
    """What one run has come to so far; what fails keeps what was there."""

    prepared: PreparedRun
    wall_s: dict[str, float] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    compiler_flags: tuple[str, ...] = ()
    cycle_model: str = "none"

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.wall_s[name] = self.wall_s.get(name, 0.0) + time.perf_counter() - began


class Runner:
    """Runs prepared runs; what they share (data, calibration, builds, trainings on the twin) is done once."""

    def __init__(self, observer: Observer, folder: Path) -> None:
        """Tell `observer` what happens; put firmware and trained weights into `folder`."""
        self._observer = observer
        self._folder = folder
        self._once = Once()
        self._stopped = False

    def stop(self) -> None:
        """Tell the observer nothing more: runs that are under way end because they are ended, not by a fault."""
        self._stopped = True

    def run(self, prepared: PreparedRun) -> Document:
        """Return the document of a run; what goes wrong makes it a failed one with its reason.

        With HARNESS_DEBUG set, what no one expected to go wrong is raised with its traceback.
        """
        work = _Work(prepared)
        try:
            document = self._run(work)
        except Exception as error:
            if os.environ.get("HARNESS_DEBUG") and not isinstance(error, HarnessError):
                raise
            document = Document(status="failed", reason=message_of(error), **self._identity(work))
        if not self._stopped:
            self._observer.finished(document)
        return document

    def _identity(self, work: _Work) -> dict[str, Any]:
        prepared = work.prepared
        scenario, training = prepared.scenario, prepared.scenario.training
        settings = scenario.model_dump(mode="json", exclude={"name", "description", "tags"})
        settings |= {
            "trained_layers": prepared.plan.trained_layers,
            "core": prepared.platform.core,
            "clock_hz": prepared.platform.clock_hz,
        }
        if scenario.model.name is None:
            # Files of layers and of samples may change; what was read from them stays with the result.
            settings["model"]["layers"] = [layer.model_dump(mode="json") for layer in prepared.network.layers]
            settings["model"]["input_shape"] = list(prepared.network.input_shape)
        return {
            "run": Run(
                id=prepared.id,
                scenario=scenario.name,
                label=scenario.label,
                tags=tuple(scenario.tags),
                file=scenario.file,
            ),
            "settings": settings,
            "provenance": collect_provenance(
                tools=work.tools,
                compiler_flags=work.compiler_flags,
                seeds={"dataset": scenario.dataset.seed, "training": training.seed},
                engine=scenario.engine.name,
                engine_version=metadata.version("unicorn"),
                cycle_model=work.cycle_model,
                wall_s={name: round(seconds, 3) for name, seconds in work.wall_s.items()},
            ),
        }

    def _samples(self, prepared: PreparedRun) -> SampleSet:
        choice = prepared.scenario.dataset
        arguments = (prepared.scenario.origin(), choice.train, choice.test, choice.seed)
        return self._once.get(("samples", *arguments), lambda: load_dataset(*arguments))

    def _store(self, prepared: PreparedRun) -> SampleStore:
        samples, training = self._samples(prepared), prepared.scenario.training
        return SampleStore(
            train=samples.train_x.reshape(len(samples.train_x), -1),
            train_labels=samples.train_y,
            test=samples.test_x.reshape(len(samples.test_x), -1),
            test_labels=samples.test_y,
            order=visiting_order(len(samples.train_x), training.epochs, training.seed),
            scale=samples.scale,
            zero_point=samples.zero_point,
            schedule=learning_rates(training),
        )

    def _deployment(
        self, prepared: PreparedRun, store: SampleStore, weights: Sequence[LayerWeights | None]
    ) -> Deployment:
        training = prepared.scenario.training
        ranges = None
        if training.dtype != "float32":
            samples = min(training.quantization.calibration_samples, len(store.order))
            drawn_from = prepared.scenario.model.weights or training.seed
            key = ("calibration", prepared.network, prepared.plan.trained_layers, drawn_from, samples)
            ranges = self._once.get(
                (*key, prepared.scenario.dataset.model_dump_json()),
                lambda: calibrate(
                    prepared.network,
                    prepared.plan.trained_layers,
                    weights,
                    store,
                    samples,
                    prepared.scenario.engine.timeout_s,
                ),
            )
        low, high = -store.zero_point * store.scale, (_LARGEST_UINT8 - store.zero_point) * store.scale
        return deploy(prepared.plan, weights, Affine.of_range(low, high), ranges)

    def _build(self, work: _Work, source: str) -> tuple[Build, Build]:
        prepared = work.prepared
        platform = prepared.platform
        memory = memory_script(
            platform, prepared.ram_budget_bytes, prepared.flash_budget_bytes, prepared.scenario.memory.stack
        )
        target = build_firmware(platform.name, {"plan.c": source, "memory.ld": memory})
        twin = build_firmware("host", {"plan.c": source}, TWIN_OPTIMIZATION)
        work.tools = {"arm-none-eabi-gcc": target.compiler, "cc": twin.compiler}
        work.compiler_flags = tuple(target.flags.split())
        return target, twin

    def _keep(self, prepared: PreparedRun, target: Build) -> dict[str, StoredFile]:
        """Put ELF, map file, plan and memory layout of a run beside its results, for a board, a debugger, `explain`."""

        def keep(path: Path) -> StoredFile:
            return store_file(self._folder, f"{FIRMWARE}/{prepared.id}/{path.name}", path.read_bytes())

        keep(target.map_file)
        layout = store_layout(self._folder, prepared.id, layout_of(prepared.plan))
        return {"firmware": keep(target.executable), "plan": keep(target.plan), "layout": layout}

    def _request(self, prepared: PreparedRun) -> RunRequest:
        """Return the request of the emulated run: its steps, each with a record, and the evaluation behind them."""
        training = prepared.scenario.training
        update, quantization = training.update, training.quantization
        return RunRequest(
            steps=prepared.steps_emulated,
            batch_size=training.batch_size,
            policy=update.policy,
            ratio_form=update.form,
            optimizer=training.optimizer.name,
            rounding=quantization.rounding,
            seed=training.seed,
            learning_rate=training.learning_rate,
            min_ratio=update.min_ratio,
            max_ratio=update.max_ratio,
            momentum=training.optimizer.momentum,
            range_smoothing=quantization.smoothing,
            weight_smoothing=quantization.weight_smoothing,
            weight_slack=quantization.weight_slack,
            epoch_steps=prepared.scenario.dataset.train,
            record_steps=prepared.steps_emulated,
            evaluate_at_end=prepared.scenario.engine.evaluate,
        )

    def _train(self, prepared: PreparedRun, twin: Build, store: SampleStore) -> TwinRun:
        """Return the whole training on the twin, evaluated after every epoch."""
        label, total = prepared.scenario.label, prepared.steps_total
        request = self._request(prepared)
        request = RunRequest(
            **{
                **vars(request),
                "steps": total,
                "record_steps": 0,
                "evaluate_each_epoch": prepared.scenario.dataset.test,
                "evaluate_at_end": 0,
            }
        )
        data = store.pack()
        key = ("training", twin.executable, request, content_hash([data]))
        return self._once.get(
            key,
            lambda: run_twin(
                twin.executable, request, data, TWIN_TIMEOUT_S, lambda done: self._observer.steps(label, done, total)
            ),
        )

    def _emulate(
        self, prepared: PreparedRun, target: Build, twin: Build, store: SampleStore
    ) -> tuple[Trace, Image, Agreement]:
        """Return the trace of the first steps; raises AgreementError when the twin does not do exactly the same."""
        scenario, platform, plan = prepared.scenario, prepared.platform, prepared.plan
        image = Image(target.executable)
        request = self._request(prepared)
        data = store.first_steps(request.steps, request.evaluate_at_end).pack()
        samples = platform.memory("samples")
        if len(data) > samples.size_bytes:
            raise EngineError(
                f"the samples of {request.steps} steps take {len(data)} bytes; {platform.name} maps "
                f"{samples.size_bytes} bytes of external flash for them; expected fewer engine.steps"
            )
        job = Job(
            elf=target.executable,
            platform=platform,
            writes=((image.symbols["run_request"].address, request.pack()), (samples.origin, data)),
            reads={"state": (image.symbols["arena"].address, plan.state_bytes)},
            timeout_s=scenario.engine.timeout_s,
            simulate_caches=scenario.engine.cache == "simulate",
        )
        trace = run_isolated(job, lambda done: self._observer.steps(scenario.label, done, request.steps))
        expected = run_twin(twin.executable, request, data, TWIN_TIMEOUT_S)
        check_agreement(plan, trace.records, expected.records, trace.memory["state"], expected.state)
        agreement = Agreement(
            steps_emulated=request.steps, steps_total=prepared.steps_total, records_equal=True, weights_equal=True
        )
        return trace, image, agreement

    def _run(self, work: _Work) -> Document:
        prepared, observer = work.prepared, self._observer
        label = prepared.scenario.label
        observer.stage(label, Stage.CALIBRATE)
        with work.timed("calibrate"):
            store = self._store(prepared)
            weights = fold_batch_norm(prepared.network, prepared.weights)
            deployment = self._deployment(prepared, store, weights)
            source = plan_source(prepared.plan, deployment)
        observer.stage(label, Stage.BUILD)
        with work.timed("build"):
            target, twin = self._build(work, source)
            stored = self._keep(prepared, target)
        observer.stage(label, Stage.TRAIN)
        with work.timed("train"):
            training = self._train(prepared, twin, store)
            write_weights(
                self._folder / WEIGHTS / f"{prepared.id}.npz",
                weights_in_state(prepared.plan, deployment, training.state),
            )
        observer.stage(label, Stage.EMULATE)
        with work.timed("emulate"):
            trace, image, agreement = self._emulate(prepared, target, twin, store)
            kept = replace(trace, memory={}, wall_seconds=0.0)  # equal runs leave equal files
            stored["trace"] = store_file(self._folder, f"{TRACES}/{prepared.id}.npz", kept.pack())
        observer.stage(label, Stage.PRICE)
        with work.timed("price"):
            cycles = price(trace, image, prepared.platform, BoardMemory())
            work.cycle_model = cycles.model
            parts: dict[str, Any] = {
                "accuracy": _accuracy(prepared, training),
                "agreement": agreement,
                "counts": _counts(prepared, trace, cycles),
                "estimates": _estimates(prepared, trace, cycles),
                "memory": _memory(prepared, image, trace),
                "updated_share": _updated_share(prepared, training),
                "evidence": Evidence(**stored, sources=sources_hash()),
            }
        return Document(status="ok", **parts, **self._identity(work))


def _accuracy(prepared: PreparedRun, training: TwinRun) -> Accuracy:
    trained = [record for record in training.records if record["r"] == "epoch"]
    tested = [record for record in training.records if record["r"] == "eval"]
    epochs = tuple(
        Epoch(
            epoch=number,
            train_loss=float_of_bits(epoch["loss"]),
            train_accuracy=epoch["ok"] / prepared.scenario.dataset.train,
            test_accuracy=test["ok"] / test["of"],
        )
        for number, (epoch, test) in enumerate(zip(trained, tested, strict=True), start=1)
    )
    last = tested[-1]
    return Accuracy(
        test=last["ok"] / last["of"],
        test_samples=last["of"],
        loss=float_of_bits(last["loss"]) / last["of"],
        by_epoch=epochs,
    )


def _updated_share(prepared: PreparedRun, training: TwinRun) -> float:
    selected = sum(record["selected"] for record in training.records if record["r"] == "epoch")
    structures = sum(structures.count for structures in prepared.plan.trained)
    return float(selected / (structures * prepared.steps_total))


def _counts(prepared: PreparedRun, trace: Trace, cycles: Cycles) -> Counts:
    steps = prepared.steps_emulated
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


def _estimates(prepared: PreparedRun, trace: Trace, cycles: Cycles) -> Estimates:
    platform, steps, total = prepared.platform, prepared.steps_emulated, prepared.steps_total
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

    def estimate(values: Sequence[float], model: str, error: str) -> Estimate:
        low, value, high = values
        return Estimate(value=value, low=low, high=high, model=model, error=error)

    error_beyond = cycles.error.removesuffix(".") + beyond
    return Estimates(
        cycles_per_step=estimate(per_step, cycles.model, cycles.error),
        time_ms_per_step=estimate([cost.time_ms for cost in costs], cycles.model, cycles.error),
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
