"""Everything that can be checked before anything is built: the plan of each run, and its budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.errors import InputError
from harness.model import Network, NetworkWeights, initial_weights, read_weights
from harness.pipeline.recall import board_of
from harness.pipeline.sampling import Draw, draw
from harness.plan import Plan, check_flash, check_ram, make_plan
from harness.platform import Calibration, Platform
from harness.scenario import Scenario, Training

_LABELS_SHOWN = 3


@dataclass(frozen=True)
class PreparedRun:
    """One run whose plan fits its budget."""

    scenario: Scenario
    network: Network
    platform: Platform
    plan: Plan
    weights: NetworkWeights
    ram_budget_bytes: int
    flash_budget_bytes: int

    @property
    def id(self) -> str:
        """Return a short name of all settings: the same scenario has the same id everywhere."""
        return self.scenario.id

    @property
    def steps_total(self) -> int:
        """Return the training steps of all epochs."""
        return self.scenario.dataset.train * self.scenario.training.epochs

    @property
    def steps_emulated(self) -> int:
        """Return the training steps that are emulated."""
        steps = self.scenario.engine.steps
        if self.draw is not None:
            return sum(sample.steps for sample in self.draw.samples)
        return self.steps_total if steps == "all" else int(steps)

    @cached_property
    def draw(self) -> Draw | None:
        """Return which parts of the training are emulated; None when it is emulated from its first step on."""
        return draw(self.scenario) if self.scenario.engine.steps == "sampled" else None

    @property
    def reset_layers(self) -> int:
        """Return how many of the last layers with weights do not start from weights that were trained before."""
        reset = self.scenario.training.reset
        return self.plan.trained_layers if reset == "all" else int(reset)


def _prepare_one(scenario: Scenario, calibrations: Sequence[Calibration]) -> PreparedRun:
    platform = board_of(scenario, calibrations)
    network = scenario.network()
    training, memory = scenario.training, scenario.memory
    ram = platform.memory("ram").size_bytes
    flash = platform.memory("flash").size_bytes
    ram_budget = min(memory.ram_budget or ram, ram)
    try:
        plan = _plan(network, training, ram_budget - memory.stack)
    except InputError as error:
        key = "training.trainable_layers" if "trainable_layers" in str(error) else "model"
        raise InputError(f"{scenario.locate(key)}: {key}: {error}") from None
    reset = training.reset
    if isinstance(reset, int) and reset > plan.trained_layers:
        raise InputError(
            f"{scenario.locate('training.reset')}: training.reset: {reset} layers, of which {plan.trained_layers} are "
            f"trained; expected at most {plan.trained_layers}"
        )
    check_ram(plan, ram_budget, memory.stack, scenario.locate("memory.ram_budget"))
    flash_budget = min(memory.flash_budget or flash, flash)
    check_flash(plan, flash_budget, scenario.locate("memory.flash_budget"))
    return PreparedRun(scenario, network, platform, plan, _weights(scenario, network), ram_budget, flash_budget)


def _plan(network: Network, training: Training, arena_budget_bytes: int) -> Plan:
    """Return the plan of a run; with `auto`, of the most layers that fit, or of one when none do."""

    def plan(layers: int | Literal["all"]) -> Plan:
        return make_plan(
            network,
            training.dtype,
            layers,
            tracked_activations=training.quantization.activations == "tracked",
            tracked_errors=training.quantization.errors == "tracked",
            velocities=training.optimizer.name != "standardized",
            gradient_bits=training.gradients.bits,
        )

    if training.trainable_layers != "auto":
        return plan(training.trainable_layers)
    weighted = sum(layer.trainable for layer in network.layers)
    plans = (plan(layers) for layers in range(max(weighted, 1), 0, -1))
    return next((found for found in plans if found.arena_bytes <= arena_budget_bytes), None) or plan(1)


def _weights(scenario: Scenario, network: Network) -> NetworkWeights:
    if scenario.model.weights is None:
        return scenario.onnx_weights() or initial_weights(network, scenario.training.seed)
    try:
        return tuple(read_weights(Path(scenario.file).parent / scenario.model.weights, network))
    except InputError as error:
        raise InputError(f"{scenario.locate('model.weights')}: model.weights: {error}") from None


def prepare(scenarios: Sequence[Scenario], calibrations: Sequence[Calibration] = ()) -> list[PreparedRun]:
    """Return the plans of all runs; `calibrations` hold for the boards they name.

    Raises InputError with a line for every run that cannot be planned or does not fit its budget.
    """
    prepared: list[PreparedRun] = []
    problems: defaultdict[str, list[str]] = defaultdict(list)
    for scenario in scenarios:
        try:
            prepared.append(_prepare_one(scenario, calibrations))
        except InputError as error:
            problems[str(error)].append(scenario.label)
    if problems:
        raise InputError(*(f"{problem} ({_named(labels)})" for problem, labels in problems.items()))
    return prepared


def _named(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:_LABELS_SHOWN])
    more = len(labels) - _LABELS_SHOWN
    return f"run {shown}" if len(labels) == 1 else f"runs {shown}" + (f" and {more} more" if more > 0 else "")
