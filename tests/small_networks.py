"""Small networks with random weights, samples and ranges, for tests of whole training steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from reference.training import Layer

from harness.engine.request import SampleStore
from harness.model import Conv2d, Dense, Flatten, LayerSpec, LayerWeights, MaxPool2d, Network

Span = tuple[float, float]


def conv(filters: int, kernel: int = 3, stride: int = 1, padding: int = 0, *, relu: bool = True) -> Conv2d:
    return Conv2d(filters=filters, kernel=kernel, stride=stride, padding=padding, activation="relu" if relu else "none")


def dense(units: int, *, relu: bool = False) -> Dense:
    return Dense(units=units, activation="relu" if relu else "none")


def network(name: str, shape: tuple[int, ...], *layers: LayerSpec) -> Network:
    return Network(name, f"{name}, for tests", shape, layers)


NETWORKS = {
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


def reference_layer(spec: LayerSpec) -> Layer:
    """Return the layer in the words of the reference."""
    if isinstance(spec, Conv2d):
        sizes = {"window": spec.kernel, "stride": spec.stride, "padding": spec.padding}
    elif isinstance(spec, MaxPool2d):
        sizes = {"window": spec.size, "stride": spec.stride or spec.size}
    else:
        sizes = {}
    relu = getattr(spec, "activation", "none") == "relu"
    return Layer(spec.type, relu, **{name: (size, size) for name, size in sizes.items()})


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
    for layer, shape in zip(net.layers, net.shapes(), strict=False):
        if isinstance(layer, Conv2d):
            structures, elements = layer.filters, layer.kernel**2 * shape[2]
        elif isinstance(layer, Dense):
            structures, elements = layer.units, shape[0]
        else:
            drawn.append(None)
            continue
        limit = np.sqrt(6 / elements)
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
    for index in reversed(range(len(net.layers))):
        relu = getattr(net.layers[index], "activation", "none") == "relu"
        ranges[f"output{index}"] = (0.0, 2.0) if relu else (-float(generator.uniform(0.5, 2)), 2.0)
        consumer = net.layers[index + 1] if index + 1 < len(net.layers) else None
        # Pooling keeps the quantization of the error.
        pooled = ranges.get(f"error_of_output{index + 1}") if isinstance(consumer, MaxPool2d) else None
        ranges[f"error_of_output{index}"] = pooled or span(float(generator.uniform(0.3, 1.5)))
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
