"""Networks: the layer vocabulary, shape inference, the named networks and their initial weights."""

from harness.model.catalogue import load_network, network_names
from harness.model.layer import (
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
    MaxPool1d,
    MaxPool2d,
    Pointwise,
    Shape,
    Window,
)
from harness.model.network import Network, infer_shapes, network_of_layers, value_named
from harness.model.weights import (
    LayerWeights,
    NetworkWeights,
    Normalization,
    fold_batch_norm,
    initial_weights,
    weights_shape,
)
from harness.model.weights_file import read_weights, write_weights

__all__ = [
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "Dense",
    "DepthwiseConv2d",
    "Flatten",
    "GlobalAvgPool",
    "LayerSpec",
    "LayerWeights",
    "MaxPool1d",
    "MaxPool2d",
    "Network",
    "NetworkWeights",
    "Normalization",
    "Pointwise",
    "Shape",
    "Window",
    "fold_batch_norm",
    "infer_shapes",
    "initial_weights",
    "load_network",
    "network_names",
    "network_of_layers",
    "read_weights",
    "value_named",
    "weights_shape",
    "write_weights",
]
