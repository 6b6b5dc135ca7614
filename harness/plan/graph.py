"""The lowered network: nodes that are one kernel family each, on values with a data type of their own.

Lowering drops what moves no data (flatten), folds what can be folded (batch normalization, ReLU, ReLU6), turns 1-D,
pointwise and global layers into their general form, and puts a border between uint8 and float32 layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.model import (
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
    MaxPool1d,
    MaxPool2d,
    Network,
    Pointwise,
    Shape,
    Window,
    value_named,
    weights_shape,
)

Dtype = Literal["uint8", "mixed", "float32"]
"""Data type of a training: `mixed` is a uint8 feature extractor with a float32 head."""

ElementDtype = Literal["uint8", "float32"]

Kind = Literal["conv2d", "depthwise_conv2d", "dense", "max_pool2d", "avg_pool2d", "add", "hard_swish", "dequantize"]

FoldedActivation = Literal["none", "relu", "relu6"]


@dataclass(frozen=True, eq=False)
class Value:
    """What a node computes, or the input. `activation` is what it came out of, possibly through pooling."""

    name: str
    elements: int
    dtype: ElementDtype
    activation: FoldedActivation = "none"


@dataclass(frozen=True, eq=False)
class Node:
    """One kernel call of the forward pass. Shapes are those of one sample; `window` is None where there is none."""

    kind: Kind
    layer: int
    dtype: ElementDtype
    inputs: tuple[Value, ...]
    output: Value
    input_shape: Shape
    output_shape: Shape
    activation: FoldedActivation = "none"
    structures: int = 0
    elements: int = 0
    window: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """Return the name of the node's C struct."""
        return f"{self.kind}{self.layer}"

    @property
    def has_weights(self) -> bool:
        """Say whether the node has trainable parameters."""
        return self.structures > 0


@dataclass(frozen=True)
class Graph:
    """Nodes in forward order."""

    input: Value
    logits: Value
    nodes: tuple[Node, ...]


def _elements(shape: Shape) -> int:
    product = 1
    for extent in shape:
        product *= extent
    return product


def head_start(network: Network, first_trained: int) -> int:
    """Return the index of the first float32 layer of a `mixed` training.

    The head is what is trained; when everything is, it is the dense layers at the end.
    """
    layers = network.layers
    weighted = [index for index, layer in enumerate(layers) if layer.trainable]
    if first_trained != weighted[0]:
        return first_trained
    start = weighted[-1]
    for index in reversed(weighted):
        if not isinstance(layers[index], Dense):
            break
        start = index
    return start


def lower(network: Network, dtype: Dtype, first_trained: int) -> Graph:
    """Return the graph of `network` for a training of the layers from index `first_trained` on."""
    return _Lowering(network, dtype, first_trained).graph()


class _Lowering:
    def __init__(self, network: Network, dtype: Dtype, first_trained: int) -> None:
        self._network = network
        self._shapes = network.shapes()
        self._border = {
            "uint8": len(network.layers),
            "mixed": head_start(network, first_trained),
            "float32": 0,
        }[dtype]
        self._nodes: list[Node] = []

    def graph(self) -> Graph:
        source = Value("input", _elements(self._shapes[0]), "uint8" if self._border else "float32")
        current = source
        outputs = [source]
        for index in range(len(self._network.layers)):
            if index == self._border:
                current = self._as_float(current, index, "dequantized")
            current = self._layer(index, current, outputs)
            outputs.append(current)
        return Graph(source, current, tuple(self._nodes))

    def _append(self, node: Node) -> Value:
        self._nodes.append(node)
        return node.output

    def _as_float(self, value: Value, index: int, name: str) -> Value:
        if value.dtype == "float32":
            return value
        shape = (value.elements,)
        crossed = Value(name, value.elements, "float32", value.activation)
        return self._append(Node("dequantize", index, "float32", (value,), crossed, shape, shape))

    def _layer(self, index: int, current: Value, outputs: list[Value]) -> Value:
        layer, shape, result = self._network.layers[index], self._shapes[index], self._shapes[index + 1]
        name, kind, elements = f"output{index}", current.dtype, _elements(result)
        match layer:
            case Flatten() | BatchNorm():
                return current
            case Add():
                other = outputs[value_named(self._network.layers, layer.of, index)]
                if kind == "float32":
                    other = self._as_float(other, index, f"dequantized{index}")
                value = Value(name, elements, kind)
                return self._append(Node("add", index, kind, (current, other), value, shape, result))
            case GlobalAvgPool():
                value, window = Value(name, elements, kind), (shape[0], shape[1])
                pooled = (1, 1, *result)
                return self._append(
                    Node("avg_pool2d", index, kind, (current,), value, shape, pooled, window=window, stride=window)
                )
            case AvgPool2d() | AvgPool1d():
                value = Value(name, elements, kind)
                return self._append(self._pool("avg_pool2d", index, layer, current, value))
            case MaxPool2d() | MaxPool1d():
                value = Value(name, elements, kind, current.activation)
                return self._append(self._pool("max_pool2d", index, layer, current, value))
            case _:
                return self._weighted(index, layer, current)

    def _pool(self, kind: Kind, index: int, layer: Window, current: Value, output: Value) -> Node:
        shape, result = self._shapes[index], self._shapes[index + 1]
        return Node(
            kind,
            index,
            current.dtype,
            (current,),
            output,
            shape,
            result,
            window=layer.windows,
            stride=layer.strides,
            padding=layer.paddings,
        )

    def _weighted(
        self, index: int, layer: Conv2d | Conv1d | Pointwise | DepthwiseConv2d | Dense, current: Value
    ) -> Value:
        result = self._shapes[index + 1]
        structures, elements = weights_shape(self._network, index)
        swish = layer.activation == "hard_swish"
        folded: FoldedActivation = "none" if layer.activation == "hard_swish" else layer.activation
        kind: Kind = "conv2d"
        if isinstance(layer, Dense):
            kind = "dense"
        elif isinstance(layer, DepthwiseConv2d):
            kind = "depthwise_conv2d"
        window = layer if isinstance(layer, Window) else None
        linear = Value(f"output{index}{'_linear' if swish else ''}", _elements(result), current.dtype, folded)
        output = self._append(
            Node(
                kind,
                index,
                current.dtype,
                (current,),
                linear,
                self._shapes[index],
                result,
                activation=folded,
                structures=structures,
                elements=elements,
                window=window.windows if window else None,
                stride=window.strides if window else None,
                padding=window.paddings if window else (0, 0),
            )
        )
        if not swish:
            return output
        swished = Value(f"output{index}", output.elements, output.dtype)
        return self._append(Node("hard_swish", index, output.dtype, (output,), swished, result, result))
