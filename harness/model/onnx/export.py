"""A network with weights as an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.model.layer import (
    Add,
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Dense,
    DepthwiseConv2d,
    Flatten,
    GlobalAvgPool,
    MaxPool1d,
    MaxPool2d,
    Shape,
    Window,
)
from harness.model.network import Network, value_named
from harness.model.onnx.package import onnx_package
from harness.model.weights import LayerWeights

OPSET = 17
_IR_VERSION = 8


def onnx_model(
    network: Network, weights: Sequence[LayerWeights | None], description: str, metadata: Mapping[str, str]
) -> bytes:
    """Return an ONNX model (opset 17, float32) of a network with `weights`, one entry a layer, normalization folded.

    Its input is (N, channels, height, width), or (N, features) for a network that reads vectors; its output `logits`
    is what the last layer gives, channels first. Raises MissingToolError without the package onnx.
    """
    return _Writer(onnx_package(), network, weights).model(description, metadata)


def _first_channels(shape: Shape) -> tuple[int, ...]:
    """Return (channels, height, width) of an image, and a vector as it is."""
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape


class _Writer:
    def __init__(self, onnx: ModuleType, network: Network, weights: Sequence[LayerWeights | None]) -> None:
        self._onnx = onnx
        self._network = network
        self._weights = weights
        self._shapes = network.shapes()
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._named = ["input"]
        """The tensor of each value between layers."""

    def model(self, description: str, metadata: Mapping[str, str]) -> bytes:
        for index in range(len(self._network.layers)):
            self._named.append(self._layer(index, self._named[-1]))
        helper, floats = self._onnx.helper, self._onnx.TensorProto.FLOAT
        self._nodes.append(helper.make_node("Identity", [self._named[-1]], ["logits"], name="logits"))
        graph = helper.make_graph(
            self._nodes,
            self._network.name,
            [helper.make_tensor_value_info("input", floats, ["N", *_first_channels(self._shapes[0])])],
            [helper.make_tensor_value_info("logits", floats, ["N", *_first_channels(self._shapes[-1])])],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="harness",
            doc_string=description,
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    def _layer(self, index: int, source: str) -> str:
        """Write layer `index`, which reads the tensor `source`, and return the name of what it gives."""
        layer, name = self._network.layers[index], f"layer{index}"
        match layer:
            case Flatten() | BatchNorm() if isinstance(layer, BatchNorm) or len(self._shapes[index]) == 1:
                return source
            case Flatten():
                if not self._is_flattened_channels_first(index):
                    source = self._node("Transpose", f"{name}_channels_last", [source], perm=(0, 2, 3, 1))
                return self._node("Flatten", name, [source], axis=1)
            case GlobalAvgPool():
                return self._node("Flatten", name, [self._node("GlobalAveragePool", f"{name}_mean", [source])], axis=1)
            case Add():
                other = self._named[value_named(self._network.layers, layer.of, index)]
                return self._node("Add", name, [source, other])
            case MaxPool2d() | MaxPool1d():
                return self._node("MaxPool", name, [source], kernel_shape=layer.windows, strides=layer.strides)
            case AvgPool2d() | AvgPool1d():
                return self._node("AveragePool", name, [source], kernel_shape=layer.windows, strides=layer.strides)
        linear = f"{name}_linear" if layer.activation != "none" else name
        return self._activation(layer.activation, name, self._weighted(index, linear, source))

    def _weighted(self, index: int, name: str, source: str) -> str:
        layer, shape, entry = self._network.layers[index], self._shapes[index], self._weights[index]
        assert entry is not None
        bias = self._constant(f"layer{index}_bias", entry.bias)
        weights = f"layer{index}_weights"
        if isinstance(layer, Dense):
            columns = entry.weights[:, self._columns(index)]
            return self._node("Gemm", name, [source, self._constant(weights, columns), bias], transB=1)
        assert isinstance(layer, Window)
        depthwise = isinstance(layer, DepthwiseConv2d)
        windows = entry.weights.reshape(len(entry.weights), *layer.windows, 1 if depthwise else shape[2])
        return self._node(
            "Conv",
            name,
            [source, self._constant(weights, windows.transpose(0, 3, 1, 2)), bias],
            kernel_shape=layer.windows,
            strides=layer.strides,
            pads=(*layer.paddings, *layer.paddings),
            group=shape[2] if depthwise else 1,
        )

    def _is_flattened_channels_first(self, index: int) -> bool:
        """Say whether only the columns of a dense layer see the order in which layer `index` flattens an image."""
        layers = self._network.layers
        followed = index + 1 < len(layers) and isinstance(layers[index + 1], Dense)
        return followed and isinstance(layers[index], Flatten) and layers[index].name is None

    def _columns(self, index: int) -> npt.NDArray[np.intp]:
        """Return the column of each feature of a dense layer, in the order of the graph."""
        columns = np.arange(self._shapes[index][0])
        image = self._shapes[index - 1] if index else ()
        if index and self._is_flattened_channels_first(index - 1) and len(image) == 3:
            columns = columns.reshape(image).transpose(2, 0, 1).reshape(-1)
        return columns

    def _activation(self, activation: str, name: str, source: str) -> str:
        match activation:
            case "relu":
                return self._node("Relu", name, [source])
            case "relu6":
                bounds = [self._constant(f"{name}_{key}", np.float32(key)) for key in (0, 6)]
                return self._node("Clip", name, [source, *bounds])
            case "hard_swish":
                return self._node("HardSwish", name, [source])
        return source

    def _node(self, op: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}
        self._nodes.append(self._onnx.helper.make_node(op, list(inputs), [name], name=name, **plain))
        return name

    def _constant(self, name: str, values: Any) -> str:
        array = np.ascontiguousarray(values, dtype=np.float32).reshape(np.shape(values))
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name
