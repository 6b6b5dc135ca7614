"""A network: layers with the shapes between them, and the networks known by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import InputError, nearest
from harness.model.layer import Conv2d, Dense, Flatten, LayerSpec, MaxPool2d, Shape


@dataclass(frozen=True)
class Network:
    """Layers in order; the last one gives the logits of softmax cross-entropy."""

    name: str
    description: str
    input_shape: Shape
    layers: tuple[LayerSpec, ...]

    def shapes(self) -> tuple[Shape, ...]:
        """Return the shape before the first layer and after each layer; raise InputError when they do not fit."""
        return infer_shapes(self.layers, self.input_shape)


def infer_shapes(layers: Sequence[LayerSpec], input_shape: Shape) -> tuple[Shape, ...]:
    """Return the shape before the first layer and after each layer.

    Raises InputError, naming the layer by its index, when shapes do not fit.
    """
    shapes = [tuple(input_shape)]
    for index, layer in enumerate(layers):
        try:
            shapes.append(layer.output_shape(shapes[-1]))
        except InputError as error:
            raise InputError(f"layers[{index}]: {error}") from None
    return tuple(shapes)


DIGITS_CNN = Network(
    name="digits-cnn",
    description="small convolutional net for 8x8 grey images, 10 classes",
    input_shape=(8, 8, 1),
    layers=(
        Conv2d(filters=8, kernel=3, padding=1, activation="relu"),
        MaxPool2d(size=2),
        Conv2d(filters=16, kernel=3, padding=1, activation="relu"),
        MaxPool2d(size=2),
        Flatten(),
        Dense(units=32, activation="relu"),
        Dense(units=10),
    ),
)

FMNIST_CNN = Network(
    name="fmnist-cnn",
    description="convolutional net with four trainable layers for 28x28 grey images, 10 classes",
    input_shape=(28, 28, 1),
    layers=(
        Conv2d(filters=8, kernel=3, stride=1, padding=1, activation="relu"),
        MaxPool2d(size=2),
        Conv2d(filters=16, kernel=3, padding=1, activation="relu"),
        MaxPool2d(size=2),
        Flatten(),
        Dense(units=32, activation="relu"),
        Dense(units=10),
    ),
)

_NETWORKS = {network.name: network for network in (DIGITS_CNN, FMNIST_CNN)}


def network_names() -> tuple[str, ...]:
    """Return the names of the networks that ship with the harness."""
    return tuple(_NETWORKS)


def load_network(name: str) -> Network:
    """Return the network `name`; raise InputError when there is none."""
    if name not in _NETWORKS:
        raise InputError(f"unknown model '{name}': {nearest(name, _NETWORKS)}")
    return _NETWORKS[name]


def network_of_layers(layers: Sequence[LayerSpec], input_shape: Shape) -> Network:
    """Return a network of layers written out in a scenario."""
    return Network("layers", "layers of the scenario", tuple(input_shape), tuple(layers))
