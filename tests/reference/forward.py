"""The logits of a network in float64, layer by layer, after the words of the layer vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.model import (
    Add,
    BatchNorm,
    Dense,
    DepthwiseConv2d,
    Flatten,
    GlobalAvgPool,
    LayerWeights,
    Network,
    Window,
    value_named,
)
from reference.activation import activated
from reference.average import avg_pool2d
from reference.depthwise import depthwise_conv2d
from reference.layers import conv2d, dense, max_pool2d
from reference.swish import hard_swish


def logits(network: Network, weights: Sequence[LayerWeights | None], sample: np.ndarray) -> np.ndarray:
    """Return what the last layer gives for one `sample` of the network's input shape; normalization is folded."""
    values = [sample.astype(np.float64)]
    for index, (layer, entry) in enumerate(zip(network.layers, weights, strict=True)):
        x = values[-1]
        match layer:
            case Flatten():
                x = x.reshape(-1)
            case BatchNorm():
                pass
            case Add():
                x = x + values[value_named(network.layers, layer.of, index)]
            case GlobalAvgPool():
                x = x.mean(axis=(0, 1))
            case Dense():
                x = dense(x, entry.weights.astype(np.float64)) + entry.bias
            case DepthwiseConv2d():
                w = entry.weights.astype(np.float64).reshape(-1, *layer.windows)
                x = depthwise_conv2d(x, w, layer.strides, layer.paddings) + entry.bias
            case Window() if entry is not None:
                w = entry.weights.astype(np.float64).reshape(len(entry.bias), *layer.windows, -1)
                x = conv2d(x, w, layer.strides, layer.paddings) + entry.bias
            case Window() if layer.type.startswith("max"):
                x, _ = max_pool2d(x, layer.windows, layer.strides)
            case Window():
                x = avg_pool2d(x, layer.windows, layer.strides) / np.prod(layer.windows)
        activation = getattr(layer, "activation", "none")
        values.append(hard_swish(x) if activation == "hard_swish" else activated(activation, x))
    return values[-1]
