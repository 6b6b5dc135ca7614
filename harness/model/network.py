"""A network: layers with the shapes between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import InputError, nearest
from harness.model.layer import Add, BatchNorm, Conv1d, Conv2d, Dense, DepthwiseConv2d, LayerSpec, Pointwise, Shape

INPUT = "input"
"""What an `add` calls the input of the network."""


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


def value_named(layers: Sequence[LayerSpec], name: str, before: int) -> int:
    """Return the index among the values between layers of the last one called `name` before layer `before`.

    Value 0 is the network's input, called `input`; value n is what layer n - 1 gives, called as that layer is. Raises
    InputError when there is none.
    """
    for index in reversed(range(before)):
        if layers[index].name == name:
            return index + 1
    if name == INPUT:
        return 0
    known = [INPUT, *(layer.name for layer in layers[:before] if layer.name)]
    raise InputError(f"add of '{name}', which no earlier layer is called; {nearest(name, known)}")


def infer_shapes(layers: Sequence[LayerSpec], input_shape: Shape) -> tuple[Shape, ...]:
    """Return the shape before the first layer and after each layer.

    Raises InputError, naming the layer by its index, when shapes do not fit.
    """
    shapes = [tuple(input_shape)]
    for index, layer in enumerate(layers):
        try:
            if isinstance(layer, Add):
                other = value_named(layers, layer.of, index)
                _check_add(layer, shapes[other], shapes[-1])
                _check_added_after_folding(layer, layers[other])
            if isinstance(layer, BatchNorm):
                _check_batch_norm(layers, index)
            shapes.append(layer.output_shape(shapes[-1]))
        except InputError as error:
            raise InputError(f"layers[{index}]: {error}") from None
    return tuple(shapes)


def _check_add(layer: Add, other: Shape, shape: Shape) -> None:
    if other != shape:
        raise InputError(f"add of '{layer.of}', whose shape is {other}, to an input of {shape}")


def _check_added_after_folding(layer: Add, behind: LayerSpec) -> None:
    if isinstance(behind, BatchNorm):
        raise InputError(
            f"add of '{layer.of}', which the batch_norm behind it is folded into; expected the name on that batch_norm"
        )


def _check_batch_norm(layers: Sequence[LayerSpec], index: int) -> None:
    before = layers[index - 1] if index else None
    weighted = isinstance(before, Conv2d | Conv1d | Pointwise | DepthwiseConv2d | Dense)
    if not weighted or getattr(before, "activation", "none") != "none":
        raise InputError("batch_norm can be folded only into a convolution or dense layer without activation before it")


def network_of_layers(layers: Sequence[LayerSpec], input_shape: Shape) -> Network:
    """Return a network of layers written out in a scenario."""
    return Network("layers", "layers of the scenario", tuple(input_shape), tuple(layers))
