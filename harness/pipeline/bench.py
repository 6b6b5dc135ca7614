"""Speed of the kernels on every core: exact instructions and estimated cycles per multiply-accumulate.

Each case is one layer inside a small network, planned, built and emulated like any other run: a minibatch with every
layer trained. That is one training step, and sixteen for a dense layer, which adds the gradients of several steps in
one go. What the layer itself costs is told apart by planning twice: trained from this layer on, its backward pass is
the weight gradient alone; trained from the layer before it on, error back-propagation comes on top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from harness.build import Image, build_firmware, memory_script, plan_source
from harness.cache import user_cache
from harness.cost import core_model, price
from harness.engine.job import Job
from harness.engine.request import RunRequest, SampleStore
from harness.engine.worker import run_isolated
from harness.model import (
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerSpec,
    Network,
    Pointwise,
    Shape,
    fold_batch_norm,
    initial_weights,
    load_network,
)
from harness.pipeline.calibration import calibrate
from harness.pipeline.training_data import TrainingData
from harness.plan import Affine, Dtype, deploy, make_plan
from harness.platform import Platform, load_platform

BATCH_SIZES = (16, 100)
"""Steps that share one update when the cost of a step is told; 100 is the minibatch of the follow-up paper."""

RATIO_NETWORKS = (("mbednet", 5), ("mcunet-tail", 7))
"""The networks for transfer learning, with how many of their last layers are trained."""

_SEED = 1
_CALIBRATION_STEPS = 4
_DENSE_STEPS = 16
_STACK_BYTES = 4096
_TIMEOUT_S = 300.0
_OTHER_RAM_BYTES = 2 * _STACK_BYTES
_RAM_BANK_BYTES = 1 << 16


@dataclass(frozen=True)
class KernelCase:
    """One layer to measure: `layer` of a network that runs it with trained layers before and behind it.

    `macs` are its multiply-accumulates in a forward pass, those on padding left out; `steps` are emulated.
    """

    name: str
    dtype: Dtype
    input_shape: Shape
    layers: tuple[LayerSpec, ...]
    layer: int
    macs: int
    steps: int = 1

    @property
    def network(self) -> Network:
        """Return the network around the layer."""
        return Network(self.name, self.name, self.input_shape, self.layers)


@dataclass(frozen=True)
class Cost:
    """Instructions (exact) and cycles (estimated) of one pass."""

    instructions: float
    cycles: float

    def __add__(self, other: Cost) -> Cost:
        """Return the cost of both."""
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles)

    def __sub__(self, other: Cost) -> Cost:
        """Return what this costs more."""
        return Cost(self.instructions - other.instructions, self.cycles - other.cycles)

    def __truediv__(self, number: float) -> Cost:
        """Return the cost of one of `number` parts."""
        return Cost(self.instructions / number, self.cycles / number)


@dataclass(frozen=True)
class KernelSpeed:
    """What a case costs on one platform: its passes in a step, and the update that closes a minibatch.

    `enlarged` says that the board was given more RAM than it has, because the case does not fit.
    """

    case: KernelCase
    platform: str
    forward: Cost
    error: Cost
    gradient: Cost
    select: Cost
    update: Cost
    enlarged: bool

    def step(self, batch_size: int) -> Cost:
        """Return the cost of a training step of the layer, with its share of the update of a minibatch."""
        return self.forward + self.select + self.error + self.gradient + self.update / batch_size


@dataclass(frozen=True)
class RatioSpeed:
    """Selection and backward pass of a whole network at two update ratios."""

    network: str
    platform: str
    trained_layers: int
    at_full: Cost
    at_tenth: Cost


def _convolution(name: str, dtype: Dtype, size: int, channels: int, filters: int, kernel: int) -> KernelCase:
    layer = Conv2d(filters=filters, kernel=kernel, padding=kernel // 2) if kernel > 1 else Pointwise(filters=filters)
    along = sum(1 for at in range(size) for tap in range(kernel) if 0 <= at + tap - kernel // 2 < size)
    layers = (Pointwise(filters=channels), layer, GlobalAvgPool(), Dense(units=10))
    return KernelCase(name, dtype, (size, size, 1), layers, 1, along * along * channels * filters)


def _dense(name: str, dtype: Dtype, features: int, units: int) -> KernelCase:
    layers = (Flatten(), Dense(units=features), Dense(units=units), Dense(units=10))
    return KernelCase(name, dtype, (1, 1, 4), layers, 2, features * units, _DENSE_STEPS)


def kernel_cases() -> tuple[KernelCase, ...]:
    """Return the cases of `harness bench kernels`."""
    return (
        _convolution("conv2d 3x3 16x16x32 -> 32", "uint8", 16, 32, 32, 3),
        _convolution("conv2d 1x1 16x16x32 -> 32", "uint8", 16, 32, 32, 1),
        _convolution("conv2d 3x3 8x8x1 -> 8", "uint8", 8, 1, 8, 3),
        _dense("dense 1024 -> 128", "uint8", 1024, 128),
        _convolution("conv2d 3x3 16x16x32 -> 32", "float32", 16, 32, 32, 3),
    )


def _with_ram(platform: Platform, size_bytes: int) -> Platform:
    """Return `platform` with at least `size_bytes` in its first RAM, which must have free addresses behind it."""
    ram = platform.memory("ram")
    if ram.size_bytes >= size_bytes:
        return platform
    larger = ram.model_copy(update={"size_bytes": -(-size_bytes // _RAM_BANK_BYTES) * _RAM_BANK_BYTES})
    memories = [larger if memory is ram else memory for memory in platform.memories]
    return platform.model_copy(update={"memories": memories})


def _samples(network: Network) -> SampleStore:
    """Return a few random samples, the same in every run."""
    generator = np.random.default_rng(_SEED)
    images = generator.integers(
        0, 256, (max(_CALIBRATION_STEPS, _DENSE_STEPS), math.prod(network.input_shape)), dtype=np.uint8
    )
    labels = np.zeros(len(images), dtype=np.uint8)
    order = np.arange(len(images), dtype=np.uint32)
    return SampleStore(images, labels, images[:0], labels[:0], order, 1 / 255, 0)


def _request(steps: int, policy: str, ratio: float) -> RunRequest:
    return RunRequest(
        steps=steps,
        batch_size=steps,
        policy=policy,
        learning_rate=0.01,
        min_ratio=ratio,
        max_ratio=ratio,
        range_smoothing=0.1,
        weight_slack=0.0,
    )


class _Minibatch:
    """One minibatch of a network on one platform."""

    def __init__(
        self,
        network: Network,
        dtype: Dtype,
        trained: int,
        platform: str,
        *,
        steps: int = 1,
        policy: str = "full",
        ratio: float = 1.0,
    ) -> None:
        store, weights = _samples(network), fold_batch_norm(network, initial_weights(network, _SEED))
        plan = make_plan(network, dtype, trained)
        ranges = None
        if dtype != "float32":
            shape: list[JsonValue] = list(network.input_shape)
            data = TrainingData({"random": [_SEED, *shape]}, _CALIBRATION_STEPS, 1 / 255, 0, lambda: store)
            ranges = calibrate(user_cache(), network, trained, weights, data, _CALIBRATION_STEPS, _TIMEOUT_S)
        source = plan_source(plan, deploy(plan, weights, Affine.of_range(0.0, 1.0), ranges))
        board = load_platform(platform)
        enlarged = _with_ram(board, plan.arena_bytes + _OTHER_RAM_BYTES)
        self.enlarged = enlarged is not board
        ram, flash = enlarged.memory("ram").size_bytes, enlarged.memory("flash").size_bytes
        script = memory_script(enlarged, ram, flash, _STACK_BYTES)
        build = build_firmware(platform, {"plan.c": source, "memory.ld": script})
        image = Image(build.executable)
        request = image.symbols["run_request"].address, _request(steps, policy, ratio).pack()
        samples = enlarged.memory("samples").origin, store.first_steps(steps, 0).pack()
        trace = run_isolated(Job(build.executable, enlarged, writes=(request, samples), timeout_s=_TIMEOUT_S))
        cycles = price(trace, image, enlarged).by_context_cycles
        counts = trace.executions.sum(axis=0).tolist()
        self._costs = {
            context: Cost(count, cycles[context]) for context, count in zip(trace.contexts, counts, strict=True)
        }

    def cost(self, *phases: str, layer: int | None = None) -> Cost:
        """Return what the phases cost, in one layer or in all."""
        total = Cost(0, 0)
        for context, cost in self._costs.items():
            if context.phase in phases and layer in (None, context.layer):
                total += cost
        return total


def measure_kernel(case: KernelCase, platform: str) -> KernelSpeed:
    """Return the speed of one case on one platform."""
    layer = case.layer
    behind = sum(spec.trainable for spec in case.layers[layer:])
    alone = _Minibatch(case.network, case.dtype, behind, platform, steps=case.steps)
    whole = _Minibatch(case.network, case.dtype, behind + 1, platform, steps=case.steps)
    gradient, backward = alone.cost("backward", layer=layer), whole.cost("backward", layer=layer)
    return KernelSpeed(
        case,
        platform,
        forward=whole.cost("forward", layer=layer) / case.steps,
        error=(backward - gradient) / case.steps,
        gradient=gradient / case.steps,
        select=whole.cost("select", layer=layer) / case.steps,
        update=whole.cost("update", layer=layer),
        enlarged=whole.enlarged,
    )


def measure_ratio(network: str, trained_layers: int, platform: str) -> RatioSpeed:
    """Return what selection and backward pass of the last layers of a network cost at update ratios 1.0 and 0.1."""
    costs = [
        _Minibatch(load_network(network), "uint8", trained_layers, platform, policy="static", ratio=ratio).cost(
            "select", "backward"
        )
        for ratio in (1.0, 0.1)
    ]
    return RatioSpeed(network, platform, trained_layers, *costs)


def cycle_model(platform: str) -> tuple[str, str]:
    """Return the name of the cycle model of a platform's core, and its error."""
    model = core_model(load_platform(platform).core)
    return model.model, model.error
