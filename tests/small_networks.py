"""Small networks with random weights, samples and ranges, for tests of whole training steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from reference.graph import Layer

from harness.engine.request import SampleStore
from harness.model import (
    Add,
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Flatten,
    GlobalAvgPool,
    LayerSpec,
    LayerWeights,
    MaxPool1d,
    MaxPool2d,
    Network,
    Pointwise,
    Window,
    value_named,
    weights_shape,
)

Span = tuple[float, float]


def conv(filters: int, kernel: int = 3, stride: int = 1, padding: int = 0, *, relu: bool = True) -> Conv2d:
    return Conv2d(filters=filters, kernel=kernel, stride=stride, padding=padding, activation="relu" if relu else "none")


def dense(units: int, *, relu: bool = False) -> Dense:
    return Dense(units=units, activation="relu" if relu else "none")


def network(name: str, shape: tuple[int, ...], *layers: LayerSpec) -> Network:
    return Network(name, f"{name}, for tests", shape, layers)


PLAIN = {
    net.name: net
    for net in (
        network("mlp", (7,), dense(5, relu=True), dense(6), dense(3)),
        network("flattened-image", (3, 5, 2), Flatten(), dense(9, relu=True), dense(4)),
        network("conv-pool", (6, 7, 1), conv(5, padding=1), MaxPool2d(size=2), Flatten(), dense(4)),
        network("strided", (9, 8, 3), conv(6, stride=2, padding=1), conv(7, kernel=2, relu=False), Flatten(), dense(5)),
        network("pool-first", (8, 8, 2), MaxPool2d(size=2), conv(4, padding=2), conv(5, kernel=1), Flatten(), dense(3)),
        network(
            "overlapping-pools", (11, 9, 2),
            conv(6, padding=1), MaxPool2d(size=3, stride=2), MaxPool2d(size=2, stride=1), conv(5, relu=False),
            Flatten(), dense(6, relu=True), dense(4),
        ),
        network("gaps", (10, 10, 1), conv(3, kernel=2, stride=4), MaxPool2d(size=1, stride=2), Flatten(), dense(7)),
        network("convolutional", (6, 6, 2), conv(4, padding=1), conv(3, kernel=6, relu=False), Flatten()),
        network("conv-logits", (5, 5, 3), conv(8, kernel=3), conv(4, kernel=3, relu=False)),
    )
}  # fmt: skip
"""Convolutions, dense layers and maximum pooling in a row."""

GRAPHS = {
    net.name: net
    for net in (
        network(
            "inverted-residual", (7, 6, 2),
            Conv2d(filters=4, padding=1, activation="relu6"), MaxPool2d(size=2, name="stem"),
            Pointwise(filters=6, activation="relu6"), DepthwiseConv2d(padding=1, activation="relu6"),
            Pointwise(filters=4), Add(of="stem"),
            DepthwiseConv2d(stride=2, padding=1), BatchNorm(), Pointwise(filters=5, activation="relu"),
            AvgPool2d(size=2, stride=1), Flatten(), Dense(units=6, activation="hard_swish"), Dense(units=4),
        ),
        network(
            "paths", (6, 5, 2),
            Conv2d(filters=4, padding=1, stride=2, activation="hard_swish", name="start"),
            DepthwiseConv2d(padding=1, activation="hard_swish"), Add(of="start", name="first"),
            DepthwiseConv2d(padding=1, activation="relu"), Pointwise(filters=4, activation="hard_swish"),
            Conv2d(filters=4, padding=1, activation="relu"), Add(of="first"), Add(of="start"),
            Conv2d(filters=5, kernel=2), GlobalAvgPool(name="pooled"),
            Dense(units=5, activation="relu6"), Add(of="pooled"), Dense(units=3),
        ),
        network(
            "series", (1, 19, 2),
            Conv1d(filters=5, kernel=5, stride=2, padding=2, activation="hard_swish"), MaxPool1d(size=3, stride=2),
            Conv1d(filters=4, padding=1, activation="relu6", name="narrow"), MaxPool1d(size=1, name="copied"),
            Conv1d(filters=4, padding=1, activation="relu"), Add(of="copied"), Conv1d(filters=3, kernel=2),
            AvgPool1d(size=2, stride=1), Flatten(), Dense(units=5, activation="relu"), Dense(units=3),
        ),
        network(
            "crossing", (4, 5, 2),
            Conv2d(filters=3, padding=1, name="far"), DepthwiseConv2d(padding=1, name="near"),
            Add(of="far"), Add(of="near", name="sum"), Pointwise(filters=3), Add(of="near"), Add(of="near"),
            Add(of="sum"), Add(of="far"), Flatten(), Dense(units=4),
        ),
        network(
            "doubled", (6,),
            Dense(units=5, activation="relu", name="both"), Add(of="both"), Dense(units=4, activation="hard_swish"),
        ),
        network(
            "input-residual", (4, 5, 3),
            Pointwise(filters=6, activation="relu6"), DepthwiseConv2d(kernel=5, padding=2, activation="relu6"),
            Pointwise(filters=3), Add(of="input"), Pointwise(filters=4, activation="relu"), Flatten(), Dense(units=4),
        ),
    )
}  # fmt: skip
"""Every other layer, with residual additions."""

NETWORKS = {**PLAIN, **GRAPHS}

WIDE = network("wide", (131,), dense(99, relu=True), dense(140, relu=True), dense(5))
"""Dense layers that are large enough for the gradients of several steps to be added in one go."""


REFERENCE_KINDS = {
    "pointwise": "conv2d",
    "conv1d": "conv2d",
    "max_pool1d": "max_pool2d",
    "avg_pool1d": "avg_pool2d",
}
"""Layers that are a case of another one."""


def reference_layers(net: Network) -> list[Layer]:
    """Return the layers in the words of the reference."""
    result = []
    for index, spec in enumerate(net.layers):
        sizes = {}
        if isinstance(spec, Window):
            sizes = {"window": spec.windows, "stride": spec.strides, "padding": spec.paddings}
        other = value_named(net.layers, spec.of, index) if isinstance(spec, Add) else 0
        kind = REFERENCE_KINDS.get(spec.type, spec.type)
        result.append(Layer(kind, getattr(spec, "activation", "none"), **sizes, other=other))
    return result


@dataclass(frozen=True)
class Task:
    """A network with float32 weights, ranges by the names of tensors and a store of samples."""

    network: Network
    weights: tuple[LayerWeights | None, ...]
    input_range: Span
    ranges: dict[str, Span]
    store: SampleStore

    def samples(self, steps: int) -> list[tuple[np.ndarray, int]]:
        store = self.store
        return [(store.train[i], int(store.train_labels[i])) for i in store.order[:steps]]

    def tests(self, count: int) -> list[tuple[np.ndarray, int]]:
        return [(self.store.test[i], int(self.store.test_labels[i])) for i in range(count)]


def random_weights(net: Network, generator: np.random.Generator) -> tuple[LayerWeights | None, ...]:
    drawn: list[LayerWeights | None] = []
    for index, layer in enumerate(net.layers):
        if not layer.trainable:
            drawn.append(None)
            continue
        structures, elements = weights_shape(net, index)
        # Large enough to reach the six of ReLU6 and both bends of hard-swish.
        gain = 2 if getattr(layer, "activation", "none") in ("relu6", "hard_swish") else 1
        limit = gain * np.sqrt(6 / elements)
        values = generator.uniform(-limit, limit, (structures, elements)).astype(np.float32)
        drawn.append(LayerWeights(values, generator.uniform(-0.2, 0.2, structures).astype(np.float32)))
    return tuple(drawn)


def make_task(net: Network, seed: int, *, train: int = 24, test: int = 8, steps: int = 64) -> Task:
    """Return a task with zero points anywhere from 0 to 255, and ranges that some values leave."""
    generator = np.random.default_rng(seed)
    elements, classes = int(np.prod(net.input_shape)), int(np.prod(net.shapes()[-1]))

    def span(width: float) -> Span:
        low = float(generator.choice([0.0, -1.0, -generator.uniform(0, 1)])) * width
        return low, low + width

    ranges: dict[str, Span] = {}
    for index, layer in enumerate(net.layers):
        outputs = {
            "none": (-float(generator.uniform(0.5, 2)), 2.0),
            "relu": (0.0, 2.0),
            "relu6": (0.0, float(generator.choice([2.5, 6.0, 7.5]))),
            "hard_swish": (-0.4, float(generator.uniform(2, 5))),
        }
        ranges[f"output{index}"] = outputs[getattr(layer, "activation", "none")]
        ranges[f"output{index}_linear"] = (-float(generator.uniform(2, 6)), float(generator.uniform(2, 6)))
        for name in ("error_of_output{}", "error_of_output{}_linear", *(f"sum{n}_of_output{{}}" for n in range(4))):
            ranges[name.format(index)] = span(float(generator.uniform(0.3, 1.5)))
    for index in reversed(range(len(net.layers))):
        if isinstance(net.layers[index], MaxPool2d | MaxPool1d):
            # It keeps the quantization of the error, whether that is one path's or a sum.
            kept = ranges[f"error_of_output{index}"]
            ranges[f"error_of_output{index - 1}"] = ranges[f"sum0_of_output{index}"] = kept
    input_range = span(1.0)
    scale = np.float32(1 / 255)
    labels = generator.integers(0, classes, train + test).astype(np.uint8)
    # Samples of a class share a pattern, so that there is something to learn.
    patterns = generator.integers(0, 256, (classes, elements))
    noise = generator.integers(-40, 41, (train + test, elements))
    samples = np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8)
    return Task(
        net,
        random_weights(net, generator),
        input_range,
        ranges,
        SampleStore(
            samples[:train],
            labels[:train],
            samples[train:],
            labels[train:],
            generator.integers(0, train, steps).astype(np.uint32),
            float(scale),
            round(-input_range[0] * 255),
        ),
    )
