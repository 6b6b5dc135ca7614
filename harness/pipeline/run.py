"""One run, from its plan to its result document: every step is taken from the cache, or computed and kept there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.assets import cache_dir
from harness.build import Build, build_firmware, memory_script, sources_hash
from harness.cache import Cache, Entry, NotCachedError, Output, StoppedError, code_hash
from harness.engine import Engine, engine_named
from harness.engine.job import Progress
from harness.errors import EngineError, HarnessError, message_of
from harness.model import fold_batch_norm, pack_weights
from harness.pipeline.calibration import calibrate
from harness.pipeline.deployed_plan import SOURCE, DeployedPlan
from harness.pipeline.duration import note_duration
from harness.pipeline.emulation import agree, emulate
from harness.pipeline.kept_files import ELF, LAYOUT, MAP, PLAN, TRACE, TRAINED, TRANSCRIPT, evidence, keep_files
from harness.pipeline.layout import layout_of
from harness.pipeline.observer import Observer, Stage
from harness.pipeline.paced_engine import paced_engine
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.pretraining import Pretrained, pretrain, reset_layers
from harness.pipeline.priced_run import price_run
from harness.pipeline.recall import remember, run_of
from harness.pipeline.run_request import emulated_request, training_request
from harness.pipeline.sampled_emulation import emulate_samples, merged
from harness.pipeline.training_data import TrainingData, training_data
from harness.pipeline.twin_training import accuracy_of, build_twin, evaluate, train, twin_run, updated_share
from harness.plan import weights_in_state
from harness.result import Agreement, Document, collect_provenance
from harness.trace import Trace

_LARGEST_UINT8 = 255


@dataclass
class Journal:
    """What one run has come to so far; what fails keeps what was there. `cached` stages computed nothing."""

    prepared: PreparedRun
    observer: Observer | None = None
    wall_s: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    computed: list[Stage] = field(default_factory=list)
    tools: dict[str, str] = field(default_factory=dict)
    compiler_flags: tuple[str, ...] = ()
    cycle_model: str = "none"
    _stage: Stage | None = None
    _computing: bool = False

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Time a stage; what is computed in it is told to the observer as this stage."""
        name, began = stage.name.lower(), time.perf_counter()
        self._stage, self._computing = stage, False
        try:
            yield
        finally:
            self.wall_s[name] = time.perf_counter() - began
        if self._computing:
            self.computed.append(stage)
        else:
            self.cached.append(name)

    def computing(self, step: str) -> None:
        """Take note that `step` is not taken from the cache."""
        if not self._computing and self._stage is not None and self.observer is not None:
            self._computing = True
            self.observer.stage(self.prepared.scenario.label, self._stage)

    def steps(self, total: int) -> Callable[[int], None]:
        """Return what tells the observer how many of `total` training steps are done."""

        def tell(done: int) -> None:
            if self.observer is not None:
                self.observer.steps(self.prepared.scenario.label, done, total)

        return tell


class RunSteps:
    """The steps of one run up to its firmware; each is done when it is first asked for."""

    def __init__(self, prepared: PreparedRun, cache: Cache, progress: Callable[[int], Progress] | None = None) -> None:
        """Take steps of `prepared` from `cache`; `progress` makes of a number of steps what is told of pretraining."""
        self.prepared = prepared
        self.cache = cache
        self._progress = progress

    @cached_property
    def data(self) -> TrainingData:
        """Return the samples."""
        return training_data(self.cache, self.prepared.scenario)

    @cached_property
    def pretrained(self) -> Pretrained | None:
        """Return the network as it was trained on the host; None when it was not."""
        if not self.prepared.scenario.pretraining.epochs:
            return None
        return pretrain(self.cache, self.prepared, self._progress)

    @cached_property
    def deployed(self) -> DeployedPlan:
        """Return the plan with its weights and, for uint8, the ranges that they have on what the host knows."""
        prepared, pretrained = self.prepared, self.pretrained
        data = pretrained.data if pretrained else self.data
        training = prepared.scenario.training
        given = pretrained.weights if pretrained else fold_batch_norm(prepared.network, prepared.weights)
        weights = reset_layers(prepared, given)
        ranges = None
        if training.dtype != "float32":
            ranges = calibrate(
                self.cache,
                prepared.network,
                prepared.plan.trained_layers,
                weights,
                data,
                min(training.quantization.calibration_samples, data.steps),
                prepared.scenario.engine.timeout_s,
            )
        data = self.data
        low, high = -data.zero_point * data.scale, (_LARGEST_UINT8 - data.zero_point) * data.scale
        return DeployedPlan(prepared.plan, weights, (low, high), ranges)

    @cached_property
    def source(self) -> str:
        """Return plan.c."""
        return self.deployed.source(self.cache).read(SOURCE).decode()

    @cached_property
    def target(self) -> Build:
        """Return the firmware for the board."""
        prepared = self.prepared
        memory = memory_script(
            prepared.platform,
            prepared.ram_budget_bytes,
            prepared.flash_budget_bytes,
            prepared.scenario.memory.stack,
        )
        files = {"plan.c": self.source, "memory.ld": memory}
        return build_firmware(prepared.platform.name, files, cache=self.cache)

    @cached_property
    def twin(self) -> Build:
        """Return the twin."""
        return build_twin(self.source, self.cache)

    def accuracies_before(self) -> dict[str, float]:
        """Return the test accuracies (0..1) before the training, as `Accuracy` names them; none of random weights."""
        prepared, pretrained = self.prepared, self.pretrained
        found = {"pretrained": pretrained.accuracy} if pretrained else {}
        if not pretrained and not prepared.scenario.brings_weights:
            return {}
        accuracy = evaluate(self.cache, self.twin, self.data, prepared.scenario.dataset.test)
        if not prepared.reset_layers:
            return {**found, "deployed": accuracy}
        whole = RunSteps(replace(prepared, scenario=prepared.scenario.without_reset()), self.cache)
        deployed = evaluate(self.cache, whole.twin, self.data, prepared.scenario.dataset.test)
        return {**found, "deployed": deployed, "reset": accuracy}


class Runner:
    """Runs prepared runs; what they share is done once, for all that use the same cache."""

    def __init__(self, observer: Observer, folder: Path, cache: Cache | None = None) -> None:
        """Tell `observer` what happens; put firmware, traces and trained weights into `folder`."""
        self._observer = observer
        self._folder = folder
        self._cache = cache or Cache(cache_dir())

    def run(self, prepared: PreparedRun) -> Document:
        """Return the document of a run; what goes wrong makes it a failed one with its reason.

        With HARNESS_DEBUG set, what no one expected to go wrong is raised with its traceback.
        """
        journal = Journal(prepared, self._observer)
        try:
            document = self._run(journal)
        except (NotCachedError, StoppedError):
            raise
        except Exception as error:
            if os.environ.get("HARNESS_DEBUG") and not isinstance(error, HarnessError):
                raise
            if isinstance(error, EngineError) and error.records:
                keep_files(self._folder, prepared.id, {TRANSCRIPT: _transcript(error.records)})
            document = Document(status="failed", reason=message_of(error), **_identity(journal))
        self._observer.finished(document)
        return document

    def _run(self, journal: Journal) -> Document:
        prepared, cache = journal.prepared, self._cache.watched(journal.computing)
        sampled = prepared.draw
        steps, engine = RunSteps(prepared, cache, journal.steps), _engine(prepared)
        if prepared.scenario.pretraining.epochs:
            with journal.stage(Stage.PRETRAIN):
                _ = steps.pretrained
        with journal.stage(Stage.CALIBRATE):
            data, _ = steps.data, steps.source
        with journal.stage(Stage.BUILD):
            target, twin = steps.target, steps.twin
            journal.tools = {"arm-none-eabi-gcc": target.compiler, "cc": twin.compiler}
            journal.compiler_flags = tuple(target.flags.split())
            layout = layout_of(prepared.plan)
            files = {
                ELF: target.executable.read_bytes(),
                MAP: target.map_file.read_bytes(),
                PLAN: target.plan.read_bytes(),
                LAYOUT: (layout.model_dump_json(indent=1) + "\n").encode(),
            }
            keep_files(self._folder, prepared.id, files)
        with journal.stage(Stage.TRAIN):
            training = train(
                cache,
                twin,
                training_request(prepared),
                data,
                journal.steps(prepared.steps_total),
                saved_steps=sampled.bounds if sampled else (),
            )
            files[TRAINED] = _trained_weights(steps, training)
            records = twin_run(training).records
            before = steps.accuracies_before()
        with journal.stage(Stage.EMULATE):
            request = emulated_request(prepared)
            told = journal.steps(request.steps)
            if prepared.scenario.engine.cpi == "model":
                engine = paced_engine(cache, prepared, target, request, data)
            samples: list[Entry] = []
            if sampled is not None:
                samples = emulate_samples(cache, engine, prepared, sampled, target, twin, training, data, told)
                emulation = merged(cache, samples, sampled)
            else:
                emulation = emulate(cache, engine, prepared, target, request, data, told)
            if records_of_target := Trace.load(emulation.path(TRACE)).records:
                files[TRANSCRIPT] = _transcript(records_of_target)
                keep_files(self._folder, prepared.id, {TRANSCRIPT: files[TRANSCRIPT]})
            if sampled is None:
                agree(cache, prepared.plan, emulation, train(cache, twin, request, data, None))
            files[TRACE] = emulation.read(TRACE)
        with journal.stage(Stage.PRICE):
            priced = price_run(cache, prepared, target, emulation, samples)
            journal.cycle_model = priced.cycle_model
        kept = keep_files(self._folder, prepared.id, files)
        structures = sum(structures.count for structures in prepared.plan.trained)
        document = Document(
            status="ok",
            accuracy=accuracy_of(records, prepared.scenario.dataset.train).model_copy(update=before),
            agreement=Agreement(
                steps_emulated=prepared.steps_emulated,
                steps_total=prepared.steps_total,
                records_equal=True,
                weights_equal=True,
            ),
            counts=priced.counts,
            estimates=priced.estimates,
            sampling=priced.sampling,
            memory=priced.memory,
            updated_share=updated_share(records, structures, prepared.steps_total),
            evidence=evidence(kept, sources_hash()),
            **_identity(journal),
        )
        remember(cache, prepared.scenario, prepared.platform, document, files)
        for stage in journal.computed:
            note_duration(cache, prepared.scenario, stage, journal.wall_s[stage.name.lower()])
        return document


def _trained_weights(steps: RunSteps, training: Entry) -> bytes:
    """Return a file of the weights that a training ended with."""
    inputs = {
        "training": training.content,
        "plan": steps.deployed.identity,
        "code": code_hash("model/weights_file.py", "plan/deployment.py"),
    }

    def compute() -> Output:
        weights = weights_in_state(steps.prepared.plan, steps.deployed.deployment, twin_run(training).state)
        return Output(files={TRAINED: pack_weights(weights)})

    return steps.cache.get("weights", inputs, compute).read(TRAINED)


def _transcript(records: Sequence[dict[str, Any]]) -> bytes:
    """Return the lines that the UART carried."""
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()


def failed_document(prepared: PreparedRun, reason: str) -> Document:
    """Return the document of a run that came to nothing."""
    return Document(status="failed", reason=reason, **_identity(Journal(prepared)))


def _engine(prepared: PreparedRun) -> Engine:
    choice = prepared.scenario.engine
    return engine_named(choice.name, choice.fidelity)


def _identity(journal: Journal) -> dict[str, Any]:
    """Return which run it is and where its numbers come from."""
    prepared = journal.prepared
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
        "run": run_of(scenario),
        "settings": settings,
        "provenance": collect_provenance(
            tools=journal.tools,
            compiler_flags=journal.compiler_flags,
            seeds={"dataset": scenario.dataset.seed, "training": training.seed},
            engine=scenario.engine.name,
            engine_version=_engine(prepared).version,
            cycle_model=journal.cycle_model,
            wall_s={name: round(seconds, 3) for name, seconds in journal.wall_s.items()},
            cached=tuple(journal.cached),
        ),
    }
