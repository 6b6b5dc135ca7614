"""A network as nodes between named values: what the layers of a reference training do, in forward order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Pair = tuple[int, int]
Shape = tuple[int, ...]

WEIGHTED = ("conv2d", "depthwise_conv2d", "dense")


@dataclass(frozen=True)
class Layer:
    """One layer. Window, stride and padding are (down, across); `other` is the index of the value that an add adds.

    `kind` is conv2d, depthwise_conv2d, dense, max_pool2d, avg_pool2d, global_avg_pool, add, or flatten or batch_norm,
    which do nothing: the first moves no data, the second is folded.
    """

    kind: str
    activation: str = "none"
    window: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    other: int = 0


@dataclass(frozen=True)
class Node:
    """What one kernel does. `kind` is one of those of layers, or hard_swish, which is never folded."""

    kind: str
    layer: int
    inputs: tuple[str, ...]
    output: str
    input_shape: Shape
    output_shape: Shape
    activation: str = "none"
    window: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    @property
    def weighted(self) -> bool:
        return self.kind in WEIGHTED


def nodes_of(specs: Sequence[Layer], shapes: Sequence[Shape]) -> list[Node]:
    """Return the nodes of layers with `shapes` between them; values are named by the layer that gives them."""
    nodes: list[Node] = []
    current = "input"
    given = [current]
    for i, spec in enumerate(specs):
        before, after = tuple(shapes[i]), tuple(shapes[i + 1])
        output = f"output{i}"
        if spec.kind in ("flatten", "batch_norm"):
            output = current
        elif spec.kind == "add":
            nodes.append(Node("add", i, (current, given[spec.other]), output, before, after))
        elif spec.kind == "global_avg_pool":
            window = before[0], before[1]
            nodes.append(Node("avg_pool2d", i, (current,), output, before, (1, 1, *after), window=window))
        else:
            swish = spec.activation == "hard_swish"
            direct = f"{output}_linear" if swish else output
            folded = "none" if swish else spec.activation
            nodes.append(
                Node(
                    spec.kind, i, (current,), direct, before, after, folded, spec.window, spec.stride, spec.padding
                )
            )  # fmt: skip
            if swish:
                nodes.append(Node("hard_swish", i, (direct,), output, after, after))
        current = output
        given.append(current)
    return nodes


def activations_of(nodes: Sequence[Node]) -> dict[str, str]:
    """Return the folded activation that each value came out of; a maximum is one of the values it was taken from."""
    activations = {"input": "none"}
    for node in nodes:
        activations[node.output] = activations[node.inputs[0]] if node.kind == "max_pool2d" else node.activation
    return activations


def trained_values(nodes: Sequence[Node], first: int) -> set[str]:
    """Return the values that depend on weights of layer `first` or one behind it."""
    trained: set[str] = set()
    for node in nodes:
        if (node.weighted and node.layer >= first) or not trained.isdisjoint(node.inputs):
            trained.add(node.output)
    return trained


def window_size(node: Node) -> int:
    return math.prod(node.window)
