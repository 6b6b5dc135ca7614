"""Seeded initial weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model.layer import Conv2d, Dense
from harness.model.network import Network


@dataclass(frozen=True)
class LayerWeights:
    """float32 `weights` (structures, elements of a structure) and `bias` (structures,)."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


def initial_weights(network: Network, seed: int) -> tuple[LayerWeights | None, ...]:
    """Return the initial weights, one entry a layer, None where a layer has none.

    Weights are uniform in +-sqrt(6 / fan_in) (He et al. 2015, arXiv 1502.01852, uniform form), biases zero; the
    generator is NumPy's PCG64 seeded with (seed, layer index), so adding a layer does not change the ones before it.
    """
    shapes = network.shapes()
    drawn: list[LayerWeights | None] = []
    for index, (layer, shape) in enumerate(zip(network.layers, shapes, strict=False)):
        match layer:
            case Conv2d():
                structures, elements = layer.filters, layer.kernel * layer.kernel * shape[2]
            case Dense():
                structures, elements = layer.units, shape[0]
            case _:
                drawn.append(None)
                continue
        limit = math.sqrt(6.0 / elements)
        generator = np.random.Generator(np.random.PCG64((seed, index)))
        values = generator.uniform(-limit, limit, size=(structures, elements)).astype(np.float32)
        drawn.append(LayerWeights(values, np.zeros(structures, dtype=np.float32)))
    return tuple(drawn)
