"""Training on the host before deployment: the float32 twin trains every layer, on samples that the device lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.cache import Cache
from harness.engine.job import Progress
from harness.model import LayerWeights, fold_batch_norm, initial_weights
from harness.pipeline.deployed_plan import SOURCE, DeployedPlan
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.run_request import training_request
from harness.pipeline.training_data import TrainingData, training_data
from harness.pipeline.twin_training import accuracy_of, build_twin, train, twin_run
from harness.plan import make_plan, weights_in_state

Weights = Sequence[LayerWeights | None]
"""One entry a layer, batch normalization folded."""

_RESET_STREAM = 1 << 32
"""Added to a seed, beyond those of users: else a layer would go back to what the pretraining began with."""


@dataclass(frozen=True)
class Pretrained:
    """Float32 weights of a pretrained network, its test accuracy (0..1) on its own data, and that data."""

    weights: Weights
    accuracy: float
    data: TrainingData


def pretrain(cache: Cache, prepared: PreparedRun, progress: Callable[[int], Progress] | None) -> Pretrained:
    """Return the network of `prepared` as its pretraining leaves it.

    `progress` makes of the number of steps what learns of every epoch. Raises what loading the data, the compiler and
    the twin raise.
    """
    host, skipped = _host_run(prepared)
    data = training_data(cache, host.scenario, skipped)
    deployed = DeployedPlan(host.plan, fold_batch_norm(host.network, host.weights), (0.0, 1.0))
    twin = build_twin(deployed.source(cache).read(SOURCE).decode(), cache)
    told = progress(host.steps_total) if progress else None
    run = twin_run(train(cache, twin, training_request(host), data, told))
    weights = weights_in_state(host.plan, deployed.deployment, run.state)
    return Pretrained(weights, accuracy_of(run.records, host.scenario.dataset.train).test, data)


def reset_layers(prepared: PreparedRun, weights: Weights) -> Weights:
    """Return `weights` with those of the last layers, as many as the scenario says, drawn from its seed."""
    count = prepared.reset_layers
    if not count:
        return weights
    network = prepared.network
    drawn = fold_batch_norm(network, initial_weights(network, _RESET_STREAM + prepared.scenario.training.seed))
    weighted = [index for index, layer in enumerate(network.layers) if layer.trainable]
    renewed = set(weighted[-count:])
    return [drawn[index] if index in renewed else entry for index, entry in enumerate(weights)]


def _host_run(prepared: PreparedRun) -> tuple[PreparedRun, int]:
    """Return the run on the host, and how many samples of its data set are those of the device."""
    scenario, network = prepared.scenario, prepared.network
    host = scenario.on_host()
    weights = prepared.weights if scenario.brings_weights else initial_weights(network, scenario.pretraining.seed)
    velocities = host.training.optimizer.name != "standardized"
    plan = make_plan(network, "float32", "all", velocities=velocities)
    return replace(prepared, scenario=host, plan=plan, weights=weights), scenario.pretraining_skips
