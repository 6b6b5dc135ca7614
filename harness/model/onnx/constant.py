"""Nodes whose inputs are all constant: what exporters leave around weights and shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.model.onnx.graph import Array, Node, is_number

_MAX_ELEMENTS = 1 << 24
_FLOAT, _DOUBLE, _FLOAT16, _INT32, _INT64 = 1, 11, 10, 6, 7
_DTYPES = {_FLOAT: np.float32, _DOUBLE: np.float64, _FLOAT16: np.float16, _INT32: np.int32, _INT64: np.int64}


def _constant(node: Node, inputs: Sequence[Array]) -> Array:
    kinds = {"value": None, "value_float": np.float32, "value_floats": np.float32, "value_int": np.int64}
    kinds["value_ints"] = np.int64
    for name, dtype in kinds.items():
        if name in node.attributes:
            return np.asarray(node.attributes[name], dtype=dtype)
    return node.refuse("has no number as its value; expected value, value_float(s) or value_int(s)")


def _cast(node: Node, inputs: Sequence[Array]) -> Array:
    to = node.integer("to", 0)
    if to not in _DTYPES:
        node.refuse(f"casts to the data type {to}; expected float16, float32, float64, int32 or int64")
    return inputs[0].astype(_DTYPES[to])


def _transpose(node: Node, inputs: Sequence[Array]) -> Array:
    return inputs[0].transpose(node.integers("perm", tuple(reversed(range(inputs[0].ndim)))))


def _reshape(node: Node, inputs: Sequence[Array]) -> Array:
    return inputs[0].reshape(resolved(node, inputs[0].shape, inputs[1]))


def _squeeze(node: Node, inputs: Sequence[Array]) -> Array:
    axes = axes_of(node, inputs[1] if len(inputs) > 1 else None)
    return inputs[0].squeeze(axes)


def _unsqueeze(node: Node, inputs: Sequence[Array]) -> Array:
    axes = axes_of(node, inputs[1] if len(inputs) > 1 else None) or ()
    return np.expand_dims(inputs[0], axes)


def _concat(node: Node, inputs: Sequence[Array]) -> Array:
    return np.concatenate(inputs, axis=node.integer("axis", 0))


def _gather(node: Node, inputs: Sequence[Array]) -> Array:
    if inputs[0].size * max(inputs[1].size, 1) > _MAX_ELEMENTS:
        node.refuse("gathers too many values")
    return np.take(inputs[0], inputs[1], axis=node.integer("axis", 0))


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Node, Sequence[Array]], Array]:
    def compute(node: Node, inputs: Sequence[Array]) -> Array:
        if math.prod(np.broadcast_shapes(inputs[0].shape, inputs[1].shape)) > _MAX_ELEMENTS:
            node.refuse("gives too many values")
        return np.asarray(operation(inputs[0], inputs[1]))

    return compute


def _divide(one: Any, other: Any) -> Any:
    return one // other if np.issubdtype(one.dtype, np.integer) else one / other


_FOLDED: dict[str, Callable[[Node, Sequence[Array]], Array]] = {
    "Constant": _constant,
    "Identity": lambda node, inputs: inputs[0],
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Gather": _gather,
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(_divide),
}


def folded(node: Node, inputs: Sequence[Array]) -> Array:
    """Return what a node gives for constant inputs; refuse one that exporters have no need of there."""
    compute = _FOLDED.get(node.op)
    if compute is None:
        node.refuse(f"has only constant inputs; expected one of {', '.join(sorted(_FOLDED))} there")
    try:
        result = compute(node, inputs)
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError, MemoryError) as error:
        node.refuse(f"cannot be computed: {' '.join(str(error).split())[:200]}")
    if not is_number(result):
        node.refuse("gives no numbers; expected numbers")
    return result


def resolved(node: Node, extents: Sequence[int], target: Array) -> tuple[int, ...]:
    """Return the extents that a reshape of `extents` to `target` means: 0 keeps one, -1 is what is left."""
    wanted = integers(node, target)
    if node.integer("allowzero", 0) == 0:
        wanted = [
            extents[axis] if extent == 0 and axis < len(extents) else extent for axis, extent in enumerate(wanted)
        ]
    total = math.prod(extents)
    known = math.prod(extent for extent in wanted if extent != -1)
    if wanted.count(-1) == 1 and known > 0 and total % known == 0:
        wanted = [total // known if extent == -1 else extent for extent in wanted]
    if any(extent < 0 for extent in wanted) or math.prod(wanted) != total:
        node.refuse(f"reshapes {tuple(extents)} to {tuple(integers(node, target))}, which does not fit")
    return tuple(wanted)


def axes_of(node: Node, given: Array | None) -> tuple[int, ...] | None:
    """Return the axes of a node, an input in newer opsets and an attribute in older ones; None when it names none."""
    if given is not None:
        return tuple(integers(node, given))
    return node.integers("axes", ()) if "axes" in node.attributes else None


def integers(node: Node, array: Array) -> list[int]:
    """Return a constant list of whole numbers."""
    if array.ndim > 1 or array.size > 32 or not np.issubdtype(array.dtype, np.integer):
        node.refuse(f"has a list of {array.dtype} of shape {array.shape} for extents or axes; expected whole numbers")
    return [int(value) for value in array.reshape(-1)]
