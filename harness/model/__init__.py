"""Networks: the layer vocabulary, shape inference, the named networks and their initial weights."""

from harness.model.layer import Conv2d, Dense, Flatten, LayerSpec, MaxPool2d
from harness.model.network import Network, infer_shapes, load_network, network_names, network_of_layers
from harness.model.weights import LayerWeights, initial_weights

__all__ = [
    "Conv2d",
    "Dense",
    "Flatten",
    "LayerSpec",
    "LayerWeights",
    "MaxPool2d",
    "Network",
    "infer_shapes",
    "initial_weights",
    "load_network",
    "network_names",
    "network_of_layers",
]
