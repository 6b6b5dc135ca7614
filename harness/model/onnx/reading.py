"""An ONNX graph to a chain of layers with weights, operator by operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.errors import InputError, nearest
from harness.model.layer import (
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    LayerSpec,
    MaxPool1d,
    MaxPool2d,
    Pointwise,
    Shape,
)
from harness.model.network import Network
from harness.model.onnx.chain import Axes, Chain, Floats, Value, append_dense, finite, shown
from harness.model.onnx.constant import axes_of, folded, resolved
from harness.model.onnx.file import read_graph
from harness.model.onnx.graph import Array, Graph, Node, is_number, quoted
from harness.model.weights import LayerWeights, NetworkWeights

_LARGE = 1e30
_SIXTH_ERROR = 1e-4


def read_onnx(path: Path, sample_shape: Shape) -> tuple[Network, NetworkWeights]:
    """Return the network of an ONNX file, for samples of (height, width, channels) or (features,), and its weights.

    Batch normalization and factors are folded into the layers before them, a softmax at the end is left to the loss,
    weights are brought from the order of the graph (channels first, or whatever its transpositions make) into that of
    the layers. Raises InputError, naming the file and the node, for what the layers cannot say or the bounds exceed,
    and MissingToolError without the package onnx.
    """
    graph = read_graph(path)
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused where it is seen
            chain = _Reading(graph, tuple(sample_shape)).chain()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    network = Network("onnx", "layers of an ONNX file", tuple(sample_shape), tuple(chain.layers))
    return network, tuple(chain.weights)


class _Reading:
    def __init__(self, graph: Graph, sample_shape: Shape) -> None:
        self._graph = graph
        self._constants = dict(graph.constants)
        samples = graph.extents[0] if graph.extents and graph.extents[0] else 1
        self._chain = Chain(sample_shape, samples)
        self._values = {graph.input: Value(0, 0, _input_axes(graph, sample_shape, self._chain))}

    def chain(self) -> Chain:
        """Return the layers that all nodes come to."""
        for node in self._graph.needed():
            if any(name and not self._is_known(name) for name in node.inputs):
                missing = next(name for name in node.inputs if name and not self._is_known(name))
                node.refuse(f"reads {quoted(missing)}, which nothing before it gives")
            if not node.outputs:
                node.refuse("gives nothing")
            self._read(node)
        output = self._values.get(self._graph.output)
        if output is None:
            raise InputError(f"the output {quoted(self._graph.output)} does not depend on the input")
        self._chain.end(output)
        return self._chain

    def _is_known(self, name: str) -> bool:
        return name in self._values or name in self._constants

    def _read(self, node: Node) -> None:
        varying = [name for name in node.inputs if name in self._values]
        if not varying:
            arrays = [self._constants[name] for name in node.inputs if name]
            self._constants[node.outputs[0]] = folded(node, arrays)
        elif node.op == "Shape":
            extents = self._chain.extents(self.same(node))
            end = node.integer("end", len(extents))
            self._constants[node.outputs[0]] = np.array(extents[node.integer("start", 0) : end], dtype=np.int64)
        else:
            read = _OPERATORS.get(node.op)
            if read is None:
                node.refuse(f"operator not supported; {nearest(node.op, _OPERATORS)}")
            self._values[node.outputs[0]] = read(self, node)

    # ---- Inputs of a node

    def _value(self, node: Node, index: int = 0) -> Value:
        """Return an input that depends on the samples and stands at the end of the chain."""
        value = self._values.get(node.input(index))
        if value is None:
            node.refuse(f"input {index} is constant; expected what depends on the samples")
        self._chain.check_tail(node, value)
        return value

    def _constant(self, node: Node, index: int) -> Array:
        name = node.input(index)
        if name in self._values:
            node.refuse(f"input {index}, {quoted(name)}, depends on the samples; expected a constant")
        if name not in self._constants:
            node.refuse(f"has no input {index}; expected a constant")
        array = self._constants[name]
        if not is_number(array):
            node.refuse(f"input {index}, {quoted(name)}, holds no numbers")
        return array

    def _optional(self, node: Node, index: int) -> Array | None:
        return self._constant(node, index) if node.input(index) else None

    # ---- Convolutions and pooling

    def _image(self, node: Node) -> tuple[Value, int]:
        """Return the image that a node reads and the number of its axes behind samples and channels: 1 or 2."""
        value = self._value(node)
        rank = len(value.axes)
        expected: Axes | None = None
        if rank == 4:
            expected = self._chain.laid_out(value, "n", "c", "h", "w")
        elif rank == 3:
            expected = self._chain.laid_out(value, "n", "c", "w")
        if expected is None or value.axes != expected or (rank == 3 and self._height(value) > 1):
            node.refuse(
                f"reads {shown(self._chain.extents(value))}; expected an image (N, C, H, W) or a series (N, C, T)"
            )
        return value, rank - 2

    def _height(self, value: Value) -> int:
        return self._chain.sizes(value).get("h", 1)

    def _window(self, node: Node, value: Value, kernel: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int], int]:
        """Return kernel and stride, (down, across) each, and the one padding of all sides."""
        spatial = len(kernel)
        strides = node.integers("strides", (1,) * spatial)
        dilations = node.integers("dilations", (1,) * spatial)
        if len(strides) != spatial or len(dilations) != spatial or min((*strides, *kernel)) < 1:
            node.refuse(f"kernel {shown(kernel)} and strides {shown(strides)} do not fit each other")
        if any(dilation != 1 for dilation in dilations):
            node.refuse(f"attribute dilations {shown(dilations)} is not supported; expected 1")
        sizes = self._chain.sizes(value)
        image = (sizes.get("h", 1), sizes.get("w", 1))[-spatial:]
        begins, ends = _pads(node, image, kernel, strides)
        positions = [
            _positions(node, extent + begin + end - window, stride)
            for extent, begin, end, window, stride in zip(image, begins, ends, kernel, strides, strict=True)
        ]
        down = (1,) * (2 - spatial)
        whole_kernel, whole_strides = (*down, *kernel), (*down, *strides)
        flat = self._height(value) == 1 and whole_kernel[0] == 1
        considered = slice(1, None) if flat and spatial == 2 else slice(None)
        if flat and spatial == 2 and (begins[0] or ends[0]):
            node.refuse("attribute pads adds rows to a series; expected padding along the series only")
        paddings = set(begins[considered])
        padding = paddings.pop()
        ours = [
            (extent + 2 * padding - window) // stride + 1
            for extent, window, stride in zip(image, kernel, strides, strict=True)
        ]
        if paddings or ours[considered] != positions[considered]:
            node.refuse(
                f"attribute pads {shown((*begins, *ends))} is not supported; expected the same padding on all sides, "
                "or padding at the end that no window reaches"
            )
        return (whole_kernel[0], whole_kernel[1]), (whole_strides[0], whole_strides[1]), padding

    def conv(self, node: Node) -> Value:
        value, spatial = self._image_or_vector(node)
        weights = self._constant(node, 1)
        if weights.ndim != spatial + 2 or 0 in weights.shape:
            node.refuse(f"weights of shape {weights.shape}; expected {spatial + 2} axes: filters, channels, window")
        filters, kernel = weights.shape[0], weights.shape[2:]
        given = self._optional(node, 2)
        bias = np.zeros(filters, np.float32) if given is None else given
        if bias.shape != (filters,):
            node.refuse(f"bias of shape {bias.shape}; expected ({filters},)")
        channels, group = self._chain.sizes(value)["c"], node.integer("group", 1)
        (height, width), (down, across), padding = self._window(node, value, kernel)
        depthwise = group == channels == filters and channels > 1
        if not depthwise and group != 1:
            node.refuse(
                f"attribute group {group} with {channels} channels and {filters} filters is not supported; expected 1, "
                "or one filter a channel"
            )
        if weights.shape[1] * group != channels:
            node.refuse(f"weights for {weights.shape[1] * group} channels; expected {channels}")
        if len(self._chain.shapes[-1]) == 1:
            append_dense(node, self._chain, replace(value, axes=(("n",), ("c",))), weights.reshape(filters, -1), bias)
            return self._chain.value(self._chain.last, "n", "c", *("",) * spatial)
        last_axis = np.moveaxis(weights.reshape(filters, -1, height, width), 1, 3).reshape(filters, -1)
        held = LayerWeights(finite(node, last_axis), finite(node, bias))
        square = height == width and down == across

        def layer() -> LayerSpec:
            if depthwise:
                return DepthwiseConv2d(kernel=height, stride=down, padding=padding)
            if (height, width, down, across, padding) == (1, 1, 1, 1, 0):
                return Pointwise(filters=filters)
            if height == 1 and self._height(value) == 1 and (width > 1 or not square):
                return Conv1d(filters=filters, kernel=width, stride=across, padding=padding)
            return Conv2d(filters=filters, kernel=height, stride=down, padding=padding)

        is_series = not depthwise and height == 1 and self._height(value) == 1
        if not square and not is_series:
            node.refuse(
                f"kernel {height}x{width} with strides {down}x{across} is not supported; expected square ones"
                + (" for a convolution of each channel by itself" if depthwise else ", or 1xN on a series")
            )
        self._chain.append(node, layer, held)
        return self._image_of_last(spatial)

    def _image_or_vector(self, node: Node) -> tuple[Value, int]:
        """Return what a convolution reads; behind a global mean that is a vector, of which 1x1 windows remain."""
        value = self._value(node)
        if len(self._chain.shapes[-1]) == 1 and value.axes == self._chain.laid_out(
            value, "n", "c", *("",) * (len(value.axes) - 2)
        ):
            if len(value.axes) not in (3, 4):
                node.refuse("reads a vector; expected an image (N, C, H, W) or a series (N, C, T)")
            return value, len(value.axes) - 2
        return self._image(node)

    def _image_of_last(self, spatial: int) -> Value:
        return self._chain.value(self._chain.last, *("n", "c", "h", "w") if spatial == 2 else ("n", "c", "w"))

    def _pool(self, node: Node, square: type[MaxPool2d | AvgPool2d], series: type[MaxPool1d | AvgPool1d]) -> Value:
        value, spatial = self._image(node)
        kernel = node.integers("kernel_shape", ())
        if len(kernel) != spatial:
            node.refuse(f"attribute kernel_shape {kernel}; expected {spatial} extents")
        (height, width), (down, across), padding = self._window(node, value, kernel)
        if padding:
            node.refuse("attribute pads is not supported; expected none")
        sizes = self._chain.sizes(value)
        if node.integer("ceil_mode", 0) and any(
            (extent - window) % stride
            for extent, window, stride in ((sizes["h"], height, down), (sizes["w"], width, across))
        ):
            node.refuse("attribute ceil_mode 1 adds a window over the edge; expected windows that fit")
        if node.integer("storage_order", 0):
            node.refuse("attribute storage_order 1 is not supported; expected 0")
        if height == width and down == across:
            self._chain.append(node, lambda: square(size=height, stride=None if down == height else down))
        elif height == 1 and sizes["h"] == 1:
            self._chain.append(node, lambda: series(size=width, stride=None if across == width else across))
        elif square is AvgPool2d and (height, width) == (sizes["h"], sizes["w"]):
            return self._global_mean(node, keep=True, spatial=spatial)
        else:
            node.refuse(
                f"window {height}x{width} with strides {down}x{across} is not supported; expected square ones, or 1xN "
                "on a series"
            )
        return self._image_of_last(spatial)

    def max_pool(self, node: Node) -> Value:
        if len(node.outputs) > 1 and node.outputs[1]:
            node.refuse("gives indices of the maxima; expected the maxima alone")
        return self._pool(node, MaxPool2d, MaxPool1d)

    def average_pool(self, node: Node) -> Value:
        return self._pool(node, AvgPool2d, AvgPool1d)

    def _global_mean(self, node: Node, *, keep: bool, spatial: int) -> Value:
        self._chain.append(node, GlobalAvgPool)
        return self._chain.value(self._chain.last, "n", "c", *("",) * (spatial if keep else 0))

    def global_average_pool(self, node: Node) -> Value:
        _, spatial = self._image(node)
        return self._global_mean(node, keep=True, spatial=spatial)

    def reduce_mean(self, node: Node) -> Value:
        value = self._value(node)
        rank = len(value.axes)
        given = axes_of(node, self._optional(node, 1))
        if given is None or any(not -rank <= axis < rank for axis in given):
            node.refuse("a mean over all axes or unknown ones; expected height and width")
        axes = {axis % rank for axis in given}
        gone = {name for axis in axes for name in value.axes[axis]}
        sizes = self._chain.sizes(value)
        if gone != {name for name in ("h", "w") if sizes.get(name, 1) > 1} or len(self._chain.shapes[-1]) != 3:
            node.refuse(f"a mean over axes {sorted(axes)}; expected one over height and width, all of both")
        keep = node.integer("keepdims", 1)
        remaining = [() if axis in axes else names for axis, names in enumerate(value.axes) if keep or axis not in axes]
        self._chain.append(node, GlobalAvgPool)
        mean = self._chain.value(self._chain.last)
        return replace(mean, axes=tuple(remaining))

    # ---- Dense layers

    def _dense(self, node: Node, weights: Array, bias: Array) -> Value:
        """Append a dense layer with `weights` (units, features)."""
        value = self._value(node)
        sizes = self._chain.sizes(value)
        features = math.prod(sizes[name] for name in value.axes[-1]) if value.axes else 0
        inner = [name for axis in value.axes[:-1] for name in axis if name != "n"]
        if len(value.axes) != 2 or inner or "n" in value.axes[-1]:
            node.refuse(f"reads {shown(self._chain.extents(value))}; expected vectors (N, features), flattened before")
        units = weights.shape[0]
        if weights.shape != (units, features) or 0 in weights.shape:
            node.refuse(f"weights for {weights.shape[-1]} features; expected {features}")
        if bias.size == 1:
            bias = np.full(units, bias.reshape(-1)[0], dtype=np.float32)
        if bias.size != units:
            node.refuse(f"bias of shape {bias.shape}; expected {units} values")
        append_dense(node, self._chain, value, finite(node, weights), bias.reshape(units))
        return self._chain.value(self._chain.last, "n", "c")

    def gemm(self, node: Node) -> Value:
        if node.integer("transA", 0):
            node.refuse("attribute transA 1 is not supported; expected 0")
        weights, bias = self._constant(node, 1), self._optional(node, 2)
        if weights.ndim != 2:
            node.refuse(f"weights of shape {weights.shape}; expected a matrix")
        rows = weights if node.integer("transB", 0) else weights.T
        offset = np.zeros(1, np.float32) if bias is None else bias * np.float32(node.real("beta", 1.0))
        return self._dense(node, rows * np.float32(node.real("alpha", 1.0)), offset)

    def matmul(self, node: Node) -> Value:
        weights = self._constant(node, 1)
        if weights.ndim != 2:
            node.refuse(f"weights of shape {weights.shape}; expected a matrix")
        return self._dense(node, weights.T, np.zeros(1, np.float32))

    # ---- What is folded into the layer before

    def relu(self, node: Node) -> Value:
        return self._chain.activate(node, self._value(node), "relu")

    def clip(self, node: Node) -> Value:
        low, high = (self._bound(node, index, name) for index, name in ((1, "min"), (2, "max")))
        if low == 0.0 and high == 6.0:
            return self._chain.activate(node, self._value(node), "relu6")
        if low == 0.0 and (high is None or high > _LARGE):
            return self.relu(node)
        return node.refuse(f"clips to {low} and {high}; expected 0 and 6 (relu6), or 0 alone (relu)")

    def _bound(self, node: Node, index: int, name: str) -> float | None:
        if name in node.attributes:
            return node.real(name, 0.0)
        given = self._optional(node, index)
        if given is None:
            return None
        if given.size != 1:
            node.refuse(f"{name} is no single number")
        return float(given.reshape(-1)[0])

    def hard_swish(self, node: Node) -> Value:
        return self._chain.activate(node, self._value(node), "hard_swish")

    def hard_sigmoid(self, node: Node) -> Value:
        alpha, beta = node.real("alpha", 0.2), node.real("beta", 0.5)
        if abs(alpha - 1 / 6) > _SIXTH_ERROR or beta != 0.5:
            node.refuse(f"alpha {alpha:g} and beta {beta:g}; expected 1/6 and 0.5, those of hard-swish")
        return replace(self._value(node), role="gate")

    def mul(self, node: Node) -> Value:
        values = [self._values[name] for name in node.inputs if name in self._values]
        if len(values) == 2:
            plain, gate = sorted(values, key=lambda value: value.role == "gate")
            if gate == replace(plain, role="gate") and plain.role == "plain":
                return self._chain.activate(node, plain, "hard_swish")
            node.refuse("a product of two values; expected hard-swish: a value times its own hard sigmoid")
        value, factor = self._with_constant(node)
        return self._chain.scale(node, value, factor, np.zeros_like(factor))

    def div(self, node: Node) -> Value:
        value, divisor = self._with_constant(node, in_order=True)
        return self._chain.scale(node, value, np.float32(1) / divisor, np.zeros_like(divisor))

    def add(self, node: Node) -> Value:
        values = [self._values[name] for name in node.inputs if name in self._values]
        if len(values) == 2:
            self._chain.append_add(node, *values)
            current = self._chain.value(self._chain.last)
            return replace(current, axes=values[0].axes)
        value, shift = self._with_constant(node)
        return self._chain.scale(node, value, np.ones_like(shift), shift)

    def sub(self, node: Node) -> Value:
        value, shift = self._with_constant(node, in_order=True)
        return self._chain.scale(node, value, np.ones_like(shift), -shift)

    def _with_constant(self, node: Node, *, in_order: bool = False) -> tuple[Value, Floats]:
        """Return the value and the constant (channels,) that an operation joins."""
        if len(node.inputs) != 2:
            node.refuse(f"{len(node.inputs)} inputs; expected two")
        varying = 0 if node.inputs[0] in self._values else 1
        if in_order and (varying or node.inputs[1] in self._values):
            node.refuse("expected a constant as its second input, and nothing else")
        value, constant = self._value(node, varying), self._constant(node, 1 - varying)
        channels = self._chain.sizes(value)["c"]
        if constant.size == 1:
            return value, np.full(channels, constant.reshape(-1)[0], dtype=np.float32)
        axis = value.axes.index(("c",)) if ("c",) in value.axes else -1
        behind = len(value.axes) - 1 - axis
        extents = [1] * constant.ndim
        if 0 <= behind < constant.ndim and axis >= 0:
            extents[constant.ndim - 1 - behind] = channels
        if constant.ndim > len(value.axes) or list(constant.shape) != extents:
            node.refuse(f"a constant of shape {constant.shape}; expected one number, or one a channel ({channels})")
        return value, constant.reshape(channels).astype(np.float32)

    def batch_normalization(self, node: Node) -> Value:
        value = self._value(node)
        channels = self._chain.sizes(value)["c"]
        if len(value.axes) < 2 or value.axes[1] != self._chain.laid_out(value, "c")[0]:
            node.refuse(f"reads {shown(self._chain.extents(value))}; expected the channels in its second axis")
        arrays = [self._constant(node, index) for index in (1, 2, 3, 4)]
        if any(array.shape != (channels,) for array in arrays):
            node.refuse(f"scale, bias, mean and variance; expected {channels} values each")
        gamma, beta, mean, variance = (array.astype(np.float64) for array in arrays)
        factor = gamma / np.sqrt(variance + node.real("epsilon", 1e-5))
        shift = beta - mean * factor
        return self._chain.scale(node, value, finite(node, factor), finite(node, shift))

    # ---- What moves or changes nothing

    def same(self, node: Node) -> Value:
        value = self._values.get(node.input(0))
        if value is None:
            node.refuse("its first input is constant; expected what depends on the samples")
        return value

    def softmax(self, node: Node) -> Value:
        value = self._value(node)
        axis = node.integer("axis", -1 if self._graph.opset >= 13 else 1)
        rank = len(value.axes)
        others = [name for index, names in enumerate(value.axes) if index != axis % max(rank, 1) for name in names]
        if not -rank <= axis < rank or value.axes[axis] != ("c",) or set(others) - {"n"}:
            node.refuse(f"attribute axis {axis}; expected that of the classes")
        return replace(value, role="softmax")

    def reshape(self, node: Node) -> Value:
        value = self.same(node)
        extents = self._chain.extents(value)
        given = self._optional(node, 1)
        target = np.array(node.integers("shape", ()), np.int64) if given is None else given
        return self._chain.regrouped(node, value, resolved(node, extents, target))

    def flatten(self, node: Node) -> Value:
        value = self.same(node)
        extents = self._chain.extents(value)
        axis = node.integer("axis", 1)
        if not -len(extents) <= axis <= len(extents):
            node.refuse(f"attribute axis {axis}; expected one of {len(extents)} axes")
        axis = axis + len(extents) if axis < 0 else axis
        return self._chain.regrouped(node, value, (math.prod(extents[:axis]), math.prod(extents[axis:])))

    def squeeze(self, node: Node) -> Value:
        value = self.same(node)
        extents = self._chain.extents(value)
        axes = axes_of(node, self._optional(node, 1))
        if axes is None:
            gone = {axis for axis, extent in enumerate(extents) if extent == 1}
        else:
            gone = {axis % max(len(extents), 1) for axis in axes}
        if any(axis >= len(extents) or extents[axis] != 1 for axis in gone):
            node.refuse(f"removes axes {sorted(gone)} of {shown(extents)}; expected axes of one")
        return replace(value, axes=tuple(names for axis, names in enumerate(value.axes) if axis not in gone))

    def unsqueeze(self, node: Node) -> Value:
        value = self.same(node)
        axes = axes_of(node, self._optional(node, 1)) or ()
        rank = len(value.axes) + len(axes)
        if any(not -rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) != len(axes):
            node.refuse(f"adds axes {axes}; expected different ones of {rank}")
        added, held = {axis % rank for axis in axes}, iter(value.axes)
        return replace(value, axes=tuple(() if axis in added else next(held) for axis in range(rank)))

    def transpose(self, node: Node) -> Value:
        value = self.same(node)
        rank = len(value.axes)
        order = node.integers("perm", tuple(reversed(range(rank))))
        if sorted(order) != list(range(rank)):
            node.refuse(f"attribute perm {order}; expected an order of {rank} axes")
        return replace(value, axes=tuple(value.axes[axis] for axis in order))


_OPERATORS: dict[str, Callable[[_Reading, Node], Value]] = {
    "Add": _Reading.add,
    "AveragePool": _Reading.average_pool,
    "BatchNormalization": _Reading.batch_normalization,
    "Cast": _Reading.same,
    "Clip": _Reading.clip,
    "Conv": _Reading.conv,
    "Div": _Reading.div,
    "Dropout": _Reading.same,
    "Flatten": _Reading.flatten,
    "Gemm": _Reading.gemm,
    "GlobalAveragePool": _Reading.global_average_pool,
    "HardSigmoid": _Reading.hard_sigmoid,
    "HardSwish": _Reading.hard_swish,
    "Identity": _Reading.same,
    "LogSoftmax": _Reading.softmax,
    "MatMul": _Reading.matmul,
    "MaxPool": _Reading.max_pool,
    "Mul": _Reading.mul,
    "ReduceMean": _Reading.reduce_mean,
    "Relu": _Reading.relu,
    "Reshape": _Reading.reshape,
    "Shape": _Reading.same,
    "Softmax": _Reading.softmax,
    "Squeeze": _Reading.squeeze,
    "Sub": _Reading.sub,
    "Transpose": _Reading.transpose,
    "Unsqueeze": _Reading.unsqueeze,
}


def _positions(node: Node, room: int, stride: int) -> int:
    if room < 0:
        node.refuse("a window larger than the padded image; expected one that fits")
    return room // stride + 1


def _pads(
    node: Node, image: Sequence[int], kernel: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the zeros before and behind each axis."""
    spatial = len(kernel)
    mode = node.text("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = node.integers("pads", (0,) * (2 * spatial))
        if len(pads) != 2 * spatial or any(not 0 <= pad < 1 << 16 for pad in pads):
            node.refuse(f"attribute pads {pads}; expected {2 * spatial} numbers of at least 0")
        return pads[:spatial], pads[spatial:]
    if mode == "VALID":
        return (0,) * spatial, (0,) * spatial
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        node.refuse(f"attribute auto_pad {quoted(mode)}; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    totals = [
        max((math.ceil(extent / stride) - 1) * stride + window - extent, 0)
        for extent, window, stride in zip(image, kernel, strides, strict=True)
    ]
    less, more = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (less, more) if mode == "SAME_UPPER" else (more, less)


def _input_axes(graph: Graph, shape: Shape, chain: Chain) -> Axes:
    """Return how the input lays out samples of `shape`, (height, width, channels); raise InputError when it does not.

    (N, C, H, W) is preferred to (N, H, W, C), (N, C, T) to (N, T, C), when both fit. A vector (N, features) is read in
    the order in which there is only one: of images of one channel, or of a single row and column.
    """
    height, width, channels = shape if len(shape) == 3 else (1, 1, *shape)
    rank = len(graph.extents)
    layouts: dict[int, list[tuple[str, ...]]] = {
        4: [("n", "c", "h", "w"), ("n", "h", "w", "c")] if len(shape) == 3 else [],
        3: [("n", "c", "w"), ("n", "w", "c")]
        if height == 1 and len(shape) == 3
        else [("n", "h", "w")]
        if channels == 1
        else [],
    }
    sizes = {"h": height, "w": width, "c": channels}
    start = Value(0, 0, ())
    for layout in layouts.get(rank, []):
        behind = zip(graph.extents[1:], layout[1:], strict=True)
        if all(extent in (None, sizes[name]) for extent, name in behind):
            return chain.laid_out(start, *layout)
    if rank == 2 and graph.extents[1] in (None, math.prod(shape)) and (channels == 1 or height * width == 1):
        samples, *rest = chain.laid_out(start, *("n", "h", "w", "c") if len(shape) == 3 else ("n", "c"))
        return samples, tuple(name for axis in rest for name in axis)
    found = "x".join("N" if extent is None else str(extent) for extent in graph.extents)
    raise InputError(
        f"input {quoted(graph.input)} is {found or 'a number'}; expected (N, C, H, W) or (N, H, W, C) for samples of "
        f"{height}x{width} with {channels} channel{'' if channels == 1 else 's'}"
        + (", or (N, C, T)" if height == 1 else ", or a flat one" if channels == 1 else "")
    )
