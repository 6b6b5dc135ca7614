"""The chain of layers that a graph is read into, and what each of its tensors is in that chain."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from harness.errors import InputError
from harness.model.layer import Add, Dense, Flatten, LayerSpec, MaxPool1d, MaxPool2d, Shape
from harness.model.network import INPUT, infer_shapes
from harness.model.onnx.graph import Node
from harness.model.weights import LayerWeights

MAX_LAYERS = 255

Axes = tuple[tuple[str, ...], ...]
"""For each axis of a tensor the extents that it runs over, the last one fastest: n samples, h, w, c as in layers.

An extent of one is left out wherever it stands, so that adding or removing such axes needs no work.
"""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Value:
    """A tensor that is value `index` of the chain (0 is the input), laid out by `axes`.

    `version` tells a value from the one that it was before an activation or factor was folded into its layer. `role`
    is `plain`, `gate` for the hard sigmoid of the value, or `softmax`, behind which nothing may come.
    """

    index: int
    version: int
    axes: Axes
    role: str = "plain"


class Chain:
    """Layers one behind the other. What does not fit raises InputError, naming the node."""

    def __init__(self, shape: Shape, samples: int) -> None:
        """Start with an input of `shape`; graphs are read for `samples` samples at a time."""
        self.layers: list[LayerSpec] = []
        self.weights: list[LayerWeights | None] = []
        self.shapes: list[Shape] = [shape]
        self._versions = [0]
        self._samples = samples

    @property
    def last(self) -> int:
        """Return the index of the last value."""
        return len(self.layers)

    def sizes(self, value: Value) -> dict[str, int]:
        """Return the size of each extent of a value."""
        shape = self.shapes[value.index]
        names = ("h", "w", "c") if len(shape) == 3 else ("c",)
        return {"n": self._samples, **dict(zip(names, shape, strict=True))}

    def laid_out(self, value: Value, *axes: str) -> Axes:
        """Return `axes`, one name or nothing an axis, without extents of one."""
        sizes = self.sizes(value)
        return tuple((name,) if sizes.get(name, 1) > 1 else () for name in axes)

    def extents(self, value: Value) -> tuple[int, ...]:
        """Return the extents of the tensor as the graph sees it."""
        sizes = self.sizes(value)
        return tuple(math.prod(sizes[name] for name in axis) for axis in value.axes)

    def value(self, index: int, *axes: str) -> Value:
        """Return value `index` laid out as `axes`, one name or nothing an axis."""
        bare = Value(index, self._versions[index], ())
        return replace(bare, axes=self.laid_out(bare, *axes))

    def regrouped(self, node: Node, value: Value, extents: Sequence[int]) -> Value:
        """Return the same numbers in the same order with other axes."""
        sizes = self.sizes(value)
        left = [name for axis in value.axes for name in axis]
        axes: list[tuple[str, ...]] = []
        for extent in extents:
            taken: list[str] = []
            while left and math.prod(sizes[name] for name in taken) < extent:
                taken.append(left.pop(0))
            if math.prod(sizes[name] for name in taken) != extent:
                node.refuse(
                    f"reshapes {shown(self.extents(value))} to {shown(extents)}; expected axes merged or split "
                    "where height, width and channels meet"
                )
            axes.append(tuple(taken))
        if left:
            node.refuse(f"reshapes {shown(self.extents(value))} to {shown(extents)}, which holds fewer values")
        return replace(value, axes=tuple(axes))

    def check_current(self, node: Node, value: Value) -> None:
        """Raise InputError when `value` is not there any more, or is no plain value."""
        if value.role == "softmax":
            node.refuse("stands behind a softmax; expected the softmax at the end, where it is left to the loss")
        if value.role == "gate":
            node.refuse("reads a hard sigmoid; expected only its product with what it was computed from: hard-swish")
        if value.version != self._versions[value.index]:
            node.refuse(
                "reads a value of which only the activated, scaled or biased form is kept; expected one that "
                "nothing behind is folded into"
            )

    def check_tail(self, node: Node, value: Value) -> None:
        """Raise InputError when `value` is not what the last layer gives."""
        self.check_current(node, value)
        if value.index != self.last:
            node.refuse(
                "begins a second path; expected a chain of layers, each reading the one before it, in which only Add "
                "takes up an earlier value"
            )

    def append(self, node: Node, make: Callable[[], LayerSpec], weights: LayerWeights | None = None) -> None:
        """Put a layer at the end."""
        if len(self.layers) >= MAX_LAYERS:
            node.refuse(f"is layer {MAX_LAYERS + 1}; expected at most {MAX_LAYERS}")
        try:
            layer = make()
            shape = layer.output_shape(self.shapes[-1])
        except ValidationError as error:
            first = error.errors()[0]
            node.refuse(f"{first['loc'][-1]}: {first['msg']}")
        except InputError as error:
            node.refuse(str(error))
        self.layers.append(layer)
        self.weights.append(weights)
        self.shapes.append(shape)
        self._versions.append(0)

    def append_add(self, node: Node, one: Value, other: Value) -> None:
        """Put an addition of two values at the end, one of which the last layer gives."""
        self.check_current(node, one)
        self.check_current(node, other)
        if one.axes != other.axes or self.shapes[one.index] != self.shapes[other.index]:
            node.refuse(
                f"adds {shown(self.extents(one))} and {shown(self.extents(other))} that are laid out differently; "
                "expected two values of one shape"
            )
        earlier, tail = sorted((one, other), key=lambda value: value.index)
        self.check_tail(node, tail)
        name = INPUT if earlier.index == 0 else f"value{earlier.index}"
        if earlier.index:
            layer = self.layers[earlier.index - 1]
            self.layers[earlier.index - 1] = layer.model_copy(update={"name": name})
        self.append(node, lambda: Add(of=name))

    def activate(self, node: Node, value: Value, activation: str) -> Value:
        """Fold an activation into the layer that gives `value`, past maxima, which it may change places with."""
        index = self._weighted_before(node, value, passing=activation in ("relu", "relu6"))
        layer = self.layers[index]
        before = getattr(layer, "activation", "none")
        merged = {("none", activation): activation, ("relu", "relu"): "relu", ("relu", "relu6"): "relu6"}
        merged |= {("relu6", "relu6"): "relu6", ("relu6", "relu"): "relu6"}
        if (before, activation) not in merged:
            node.refuse(f"is a second activation, behind {before}; expected one a layer")
        self.layers[index] = layer.model_copy(update={"activation": merged[before, activation]})
        return self._changed(index, value)

    def scale(self, node: Node, value: Value, factor: Floats, shift: Floats) -> Value:
        """Fold y = factor * x + shift, both (channels,), into the layer that gives `value`."""
        index = self._weighted_before(node, value, passing=False)
        if getattr(self.layers[index], "activation", "none") != "none":
            node.refuse("stands behind an activation; expected it directly behind a convolution or dense layer")
        held = self.weights[index]
        assert held is not None
        self.weights[index] = LayerWeights(
            finite(node, held.weights.astype(np.float64) * factor.astype(np.float64)[:, np.newaxis]),
            finite(node, held.bias.astype(np.float64) * factor + shift),
        )
        return self._changed(index, value)

    def _weighted_before(self, node: Node, value: Value, *, passing: bool) -> int:
        self.check_tail(node, value)
        index = self.last - 1
        while passing and index > 0 and isinstance(self.layers[index], MaxPool2d | MaxPool1d):
            index -= 1
        if index < 0 or self.weights[index] is None:
            behind = self.layers[index].type if index >= 0 else "the input"
            node.refuse(f"stands behind {behind}; expected it directly behind a convolution or dense layer")
        return index

    def _changed(self, index: int, value: Value) -> Value:
        for number in range(index + 1, self.last + 1):
            self._versions[number] += 1
        return replace(value, version=self._versions[value.index])

    def end(self, output: Value) -> None:
        """Check that `output` is what the last layer gives, one logit a class; a 1x1 image is read as a vector."""
        if output.index != self.last or output.version != self._versions[output.index]:
            raise InputError("the output is not what the last layer gives; expected one chain of layers")
        order = [name for axis in output.axes for name in axis if name != "n"]
        if order != sorted(order, key=("h", "w", "c").index):
            raise InputError("the output is an image read channel by channel; expected one logit a class")
        if len(self.shapes[-1]) == 3:
            self.layers.append(Flatten())
            self.weights.append(None)
        infer_shapes(self.layers, self.shapes[0])


def flattened_columns(chain: Chain, value: Value) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return extents, in the order of the graph, and the permutation that brings them into that of the layers."""
    sizes = chain.sizes(value)
    order = [name for name in value.axes[-1] if name != "n"]
    wanted = sorted(order, key=("h", "w", "c").index)
    return tuple(sizes[name] for name in order), tuple(order.index(name) for name in wanted)


def append_dense(node: Node, chain: Chain, value: Value, weights: Floats, bias: Floats) -> None:
    """Put a dense layer with `weights` (units, features in the order of the graph) at the end."""
    extents, permutation = flattened_columns(chain, value)
    units = len(weights)
    ordered = weights.reshape(units, *extents).transpose(0, *(axis + 1 for axis in permutation)).reshape(units, -1)
    if len(chain.shapes[-1]) == 3:
        chain.append(node, Flatten)
    chain.append(node, lambda: Dense(units=units), LayerWeights(finite(node, ordered), finite(node, bias)))


def finite(node: Node, values: npt.NDArray[Any]) -> Floats:
    """Return `values` as contiguous float32; refuse what is no number or not finite."""
    result: Floats = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(result).all():
        node.refuse("has weights that are not finite in float32; expected finite ones")
    return result


def shown(extents: Sequence[int]) -> str:
    """Return extents as people write them: `1x3x32x32`."""
    return "x".join(str(extent) for extent in extents) or "a single number"
