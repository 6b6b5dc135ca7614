"""The graph of an ONNX file in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy.typing as npt

from harness.errors import InputError

Array = npt.NDArray[Any]

_SHOWN = 60


def quoted(name: str) -> str:
    """Return a name of a file between quotes, shortened, without characters that garble a line."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return f"'{text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}'"


@dataclass(frozen=True)
class Node:
    """One operation. `attributes` are numbers, texts, arrays or tuples; inputs left out have an empty name."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def refuse(self, reason: str) -> NoReturn:
        """Raise InputError: the node, then `reason`, which says what is wrong and what was expected."""
        known_by = quoted(self.name) if self.name else f"that gives {quoted(self.outputs[0] if self.outputs else '')}"
        raise InputError(f"node {known_by} ({quoted(self.op)[1:-1]}): {reason}")

    def input(self, index: int) -> str:
        """Return the name of an input, empty when the node has none there."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        """Return an attribute that is a whole number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            self.refuse(f"attribute {name} is no whole number")
        return value

    def real(self, name: str, default: float) -> float:
        """Return an attribute that is a number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            self.refuse(f"attribute {name} is no number")
        return float(value)

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return an attribute that is a list of whole numbers."""
        value = self.attributes.get(name, default)
        if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
            self.refuse(f"attribute {name} is no list of whole numbers")
        return value

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is text."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            self.refuse(f"attribute {name} is no text")
        return value


@dataclass(frozen=True)
class Graph:
    """Nodes in order, constants by name, and the one input with its extents (None: free) and the one output."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    input: str
    extents: tuple[int | None, ...]
    output: str
    opset: int

    def needed(self) -> tuple[Node, ...]:
        """Return the nodes that the output depends on, in order."""
        wanted = {self.output}
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        return tuple(reversed(kept))


def is_number(array: Array) -> bool:
    """Say whether `array` holds real numbers of a type that NumPy knows."""
    return array.dtype.kind in "fiub"
