"""Gradients of the float32 twin are the slopes of the loss, measured on a float64 forward pass of the reference.

The network has every kind of layer, residual additions among them, so that also what joins the kernels is held to it:
where errors of two paths meet, where they are masked, and which lie in place of activations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from reference import depthwise, layers
from reference.activation import activated
from reference.average import avg_pool2d
from reference.swish import hard_swish
from small_twins import twin

from harness.engine.request import RunRequest, SampleStore
from harness.engine.twin import run_twin
from harness.model import (
    Add,
    AvgPool2d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Flatten,
    GlobalAvgPool,
    LayerWeights,
    MaxPool2d,
    Network,
    Pointwise,
)
from harness.model.weights import weights_shape
from harness.plan import deploy, make_plan
from harness.plan.deployment import Affine

RESIDUAL = Network(
    "residual",
    "every kind of layer, for tests",
    (10, 9, 2),
    (
        Conv2d(filters=6, kernel=3, padding=1, activation="hard_swish", name="first"),
        DepthwiseConv2d(kernel=3, padding=1, activation="relu6"),
        Pointwise(filters=6, activation="relu"),
        Add(of="first"),
        Conv2d(filters=6, kernel=3, padding=1, activation="relu6", name="second"),
        DepthwiseConv2d(kernel=3, padding=1, name="third"),
        Add(of="second"),
        Add(of="third"),
        Pointwise(filters=7, activation="relu6"),
        AvgPool2d(size=3, stride=2),
        DepthwiseConv2d(kernel=2, activation="hard_swish"),
        Flatten(),
        Dense(units=16, activation="hard_swish"),
        Dense(units=5),
    ),
)
POOLED = Network(
    "pooled",
    "pooling of activated layers, for tests",
    (9, 8, 3),
    (
        Conv2d(filters=5, kernel=3, stride=2, padding=1, activation="relu6"),
        MaxPool2d(size=2, stride=1),
        DepthwiseConv2d(kernel=3, padding=2, stride=2, activation="relu"),
        GlobalAvgPool(),
        Dense(units=4),
    ),
)
NETWORKS = {network.name: network for network in (RESIDUAL, POOLED)}

EPSILON = 1e-5
TOLERANCE = 1e-4


def random_weights(network: Network, generator: np.random.Generator) -> list[LayerWeights | None]:
    drawn: list[LayerWeights | None] = []
    for index, layer in enumerate(network.layers):
        if not layer.trainable:
            drawn.append(None)
            continue
        structures, elements = weights_shape(network, index)
        # Large enough that ReLU6 and both bends of hard-swish are reached.
        values = generator.normal(size=(structures, elements)) * 2 / np.sqrt(elements)
        bias = generator.uniform(-0.5, 0.5, structures)
        drawn.append(LayerWeights(values.astype(np.float32), bias.astype(np.float32)))
    return drawn


def parameters_of(drawn: LayerWeights | None) -> tuple[np.ndarray, np.ndarray] | None:
    return None if drawn is None else (drawn.weights.astype(np.float64), drawn.bias.astype(np.float64))


def weighted(layer, x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    if isinstance(layer, Dense):
        sums = layers.dense(x, weights)
    elif isinstance(layer, DepthwiseConv2d):
        shaped = weights.reshape(-1, *layer.windows)
        sums = depthwise.depthwise_conv2d(x, shaped, layer.strides, layer.paddings)
    else:
        shaped = weights.reshape(len(weights), *layer.windows, x.shape[2])
        sums = layers.conv2d(x, shaped, layer.strides, layer.paddings)
    sums = sums + bias
    return hard_swish(sums) if layer.activation == "hard_swish" else activated(layer.activation, sums)


def loss(network: Network, parameters: Sequence, sample: np.ndarray, label: int) -> float:
    """Return the cross-entropy of one sample, in float64."""
    x = sample.reshape(network.input_shape).astype(np.float64)
    named: dict[str | None, np.ndarray] = {}
    for layer, own in zip(network.layers, parameters, strict=True):
        if own is not None:
            x = weighted(layer, x, *own)
        elif isinstance(layer, Add):
            x = x + named[layer.of]
        elif isinstance(layer, AvgPool2d):
            x = avg_pool2d(x, layer.windows, layer.strides) / np.prod(layer.windows)
        elif isinstance(layer, MaxPool2d):
            x, _ = layers.max_pool2d(x, layer.windows, layer.strides)
        elif isinstance(layer, GlobalAvgPool):
            x = x.mean(axis=(0, 1))
        else:
            assert isinstance(layer, Flatten)
            x = x.reshape(-1)
        named[getattr(layer, "name", None)] = x
    shifted = x.ravel() - x.max()
    return float(np.log(np.exp(shifted).sum()) - shifted[label])


def slopes(network: Network, parameters: Sequence, index: int, part: int, sample: np.ndarray, label: int) -> np.ndarray:
    """Return the derivative of the loss by every weight (part 0) or bias (part 1) of one layer."""
    values = parameters[index][part]
    result = np.zeros_like(values)
    for at in np.ndindex(values.shape):
        held = values[at]
        values[at] = held + EPSILON
        above = loss(network, parameters, sample, label)
        values[at] = held - EPSILON
        result[at] = (above - loss(network, parameters, sample, label)) / (2 * EPSILON)
        values[at] = held
    return result


@pytest.mark.parametrize(("name", "trained"), [("residual", "all"), ("residual", 4), ("pooled", "all"), ("pooled", 2)])
def test_gradients_are_the_slopes_of_the_loss(name, trained, tmp_path):
    network, generator = NETWORKS[name], np.random.default_rng(6)
    weights = random_weights(network, generator)
    sample = generator.normal(size=(1, int(np.prod(network.input_shape)))).astype(np.float32)
    label = 2
    plan = make_plan(network, "float32", trained)
    deployment = deploy(plan, weights, Affine.of_range(0, 1), None)
    labels = np.array([label], dtype=np.uint8)
    store = SampleStore(sample, labels, sample[:0], labels[:0], np.zeros(1, dtype=np.uint32), 1.0, 0)
    # The minibatch is never full, so no update uses up the gradients.
    request = RunRequest(
        steps=1,
        batch_size=2,
        policy="full",
        learning_rate=1.0,
        min_ratio=1.0,
        max_ratio=1.0,
        range_smoothing=0.0,
        weight_slack=0.0,
        record_steps=1,
    )
    run = run_twin(twin(plan, deployment, tmp_path, sanitized=True), request, store.pack(), timeout_s=60)

    parameters = [parameters_of(own) for own in weights]
    for structures in plan.trained:
        for part, tensor in enumerate((structures.gradient, structures.bias_gradient)):
            exact = slopes(network, parameters, structures.layer, part, sample, label)
            offset = plan.offsets[tensor]
            seen = np.frombuffer(run.state[offset : offset + tensor.size_bytes], dtype="<f4").reshape(exact.shape)
            assert np.abs(exact).max() > 0, tensor.name
            np.testing.assert_allclose(seen, exact, rtol=0, atol=TOLERANCE * np.abs(exact).max(), err_msg=tensor.name)
