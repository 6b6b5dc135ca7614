"""Seeded initial weights, and the folding of batch normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model.layer import BatchNorm, Dense, DepthwiseConv2d, Window
from harness.model.network import Network

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LayerWeights:
    """float32 `weights` (structures, elements of a structure) and `bias` (structures,)."""

    weights: Floats
    bias: Floats


@dataclass(frozen=True)
class Normalization:
    """float32 (channels,) each: y = gamma * (x - mean) / sqrt(variance + epsilon) + beta."""

    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats


NetworkWeights = tuple[LayerWeights | Normalization | None, ...]
"""One entry a layer; None where a layer has no weights."""


def weights_shape(network: Network, index: int) -> tuple[int, int]:
    """Return structures and elements of a structure of layer `index`, which must have weights."""
    layer, shape = network.layers[index], network.shapes()[index]
    match layer:
        case Dense():
            return layer.units, shape[0]
        case DepthwiseConv2d():
            return shape[2], layer.kernel**2
        case Window():
            return layer.channels(shape[2]), layer.windows[0] * layer.windows[1] * shape[2]
        case _:
            raise TypeError(f"{layer.type} has no weights")


def initial_weights(network: Network, seed: int) -> NetworkWeights:
    """Return the initial weights.

    Weights are uniform in +-sqrt(6 / fan_in) (He et al. 2015, arXiv 1502.01852, uniform form), biases zero, batch
    normalization neutral; the generator is NumPy's PCG64 seeded with (seed, layer index), so adding a layer does not
    change the ones before it.
    """
    drawn: list[LayerWeights | Normalization | None] = []
    for index, (layer, shape) in enumerate(zip(network.layers, network.shapes(), strict=False)):
        if isinstance(layer, BatchNorm):
            one, zero = np.ones(shape[-1], dtype=np.float32), np.zeros(shape[-1], dtype=np.float32)
            drawn.append(Normalization(one, zero, zero, one))
        elif layer.trainable:
            structures, elements = weights_shape(network, index)
            limit = math.sqrt(6.0 / elements)
            generator = np.random.Generator(np.random.PCG64((seed, index)))
            values = generator.uniform(-limit, limit, size=(structures, elements)).astype(np.float32)
            drawn.append(LayerWeights(values, np.zeros(structures, dtype=np.float32)))
        else:
            drawn.append(None)
    return tuple(drawn)


def fold_batch_norm(
    network: Network, weights: Sequence[LayerWeights | Normalization | None]
) -> list[LayerWeights | None]:
    """Return the weights with every batch normalization folded into the layer before it.

    w' = w * gamma / sqrt(variance + epsilon), b' = (b - mean) * gamma / sqrt(variance + epsilon) + beta.
    """
    folded: list[LayerWeights | None] = []
    for layer, entry in zip(network.layers, weights, strict=True):
        if isinstance(entry, Normalization):
            assert isinstance(layer, BatchNorm)
            before = folded[-1]
            assert before is not None
            factor = entry.gamma / np.sqrt(entry.variance + np.float32(layer.epsilon))
            folded[-1] = LayerWeights(
                before.weights * factor[:, np.newaxis], (before.bias - entry.mean) * factor + entry.beta
            )
            folded.append(None)
        else:
            folded.append(entry)
    return folded
