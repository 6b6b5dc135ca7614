"""An ONNX file to a graph in plain values. Nothing in the file is executed, and nothing outside its folder is read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np

from harness.errors import InputError
from harness.model.onnx.graph import Array, Graph, Node, quoted
from harness.model.onnx.package import onnx_package

MAX_BYTES = 64 << 20
"""Largest file, and the most that all its tensors may take: no microcontroller holds as much."""

MAX_NODES = 4096
_MAX_RANK = 8
_OLDEST_OPSET = 7
_OWN_DOMAINS = ("", "ai.onnx")


def read_graph(path: Path) -> Graph:
    """Return the graph of an ONNX file.

    Tensors may lie in files of the same folder. Raises InputError, naming the file, when it cannot be read, is no ONNX
    model, exceeds the bounds, or is of a kind that has no single input and output; MissingToolError without the
    package onnx.
    """
    onnx = onnx_package()
    data = _content(path)
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # the DecodeError of protobuf, and what its versions raise beside it
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: no ONNX model: {reason}") from None
    try:
        return _Reader(onnx, path).graph(model)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: a damaged ONNX model: {reason}") from None


def _content(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: is no regular file; expected an ONNX model")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB; expected a network for a microcontroller")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected an ONNX model") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from None


class _Reader:
    def __init__(self, onnx: ModuleType, path: Path) -> None:
        self._onnx = onnx
        self._folder = path.parent
        self._bytes_left = MAX_BYTES

    def graph(self, model: Any) -> Graph:
        graph = model.graph
        if not graph.node or not graph.output:
            raise InputError("no ONNX model: it has no graph; expected what an exporter writes")
        if len(graph.node) > MAX_NODES:
            raise InputError(f"{len(graph.node)} nodes; expected at most {MAX_NODES}")
        if graph.sparse_initializer:
            raise InputError("sparse tensors; expected dense ones")
        constants = {_text(tensor.name): self._array(tensor) for tensor in graph.initializer}
        inputs = [value for value in graph.input if _text(value.name) not in constants]
        if len(inputs) != 1:
            names = ", ".join(quoted(_text(value.name)) for value in inputs[:5]) or "none"
            raise InputError(f"{len(inputs)} inputs ({names}); expected one: the samples")
        if len(graph.output) != 1:
            names = ", ".join(quoted(_text(value.name)) for value in graph.output[:5])
            raise InputError(f"{len(graph.output)} outputs ({names}); expected one: the logits")
        return Graph(
            nodes=tuple(self._node(node) for node in graph.node),
            constants=constants,
            input=_text(inputs[0].name),
            extents=_extents(inputs[0]),
            output=_text(graph.output[0].name),
            opset=_opset(model),
        )

    def _node(self, proto: Any) -> Node:
        inputs, outputs = (tuple(_text(name) for name in names) for names in (proto.input, proto.output))
        plain = Node(_text(proto.op_type), _text(proto.name), inputs, outputs)
        if proto.domain not in _OWN_DOMAINS:
            plain.refuse(
                f"an operator of {quoted(_text(proto.domain))}; expected operators of ONNX itself, functions inlined"
            )
        return replace(plain, attributes=dict(self._attributes(plain, proto)))

    def _attributes(self, node: Node, proto: Any) -> Iterator[tuple[str, Any]]:
        kinds = self._onnx.AttributeProto
        for attribute in proto.attribute:
            name = _text(attribute.name)
            match attribute.type:
                case kinds.INT:
                    yield name, int(attribute.i)
                case kinds.FLOAT:
                    yield name, float(attribute.f)
                case kinds.STRING:
                    yield name, _text(attribute.s)
                case kinds.INTS:
                    yield name, tuple(int(value) for value in attribute.ints)
                case kinds.FLOATS:
                    yield name, tuple(float(value) for value in attribute.floats)
                case kinds.TENSOR:
                    yield name, self._array(attribute.t)
                case _:
                    node.refuse(f"attribute {quoted(name)} is of a kind that is not supported")

    def _array(self, tensor: Any) -> Array:
        """Return a tensor; its size is checked before its values are touched."""
        name = quoted(_text(tensor.name))
        try:
            dtype = np.dtype(self._onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        except (KeyError, TypeError, ValueError):
            raise InputError(f"tensor {name} has the unknown data type {tensor.data_type}") from None
        shape = tuple(int(extent) for extent in tensor.dims)
        if len(shape) > _MAX_RANK or any(extent < 0 for extent in shape):
            raise InputError(f"tensor {name} has the shape {shape[: _MAX_RANK + 1]}; expected at most {_MAX_RANK} axes")
        size_bytes = dtype.itemsize
        for extent in shape:
            size_bytes *= extent
        self._bytes_left -= size_bytes
        if self._bytes_left < 0:
            raise InputError(f"with tensor {name}, the tensors take more than {MAX_BYTES >> 20} MiB; expected fewer")
        if tensor.data_location == self._onnx.TensorProto.EXTERNAL:
            raw = self._external(tensor, size_bytes)
            return np.frombuffer(raw, dtype=dtype.newbyteorder("<")).reshape(shape)
        try:
            array: Array = self._onnx.numpy_helper.to_array(tensor)
        except Exception as error:  # the helper has no error of its own
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"tensor {name} cannot be read: {reason}") from None
        if array.shape != shape:
            raise InputError(f"tensor {name} has {array.size} values; expected those of the shape {shape}")
        return array

    def _external(self, tensor: Any, size_bytes: int) -> bytes:
        """Return the bytes of a tensor that lies in another file of the model's folder."""
        name = quoted(_text(tensor.name))
        entries = {_text(entry.key): _text(entry.value) for entry in tensor.external_data}
        location = entries.get("location", "")
        parts = PurePosixPath(location).parts
        if len(parts) != 1 or parts[0] == ".." or "\\" in location or "\0" in location:
            raise InputError(f"tensor {name} lies in {quoted(location)}; expected a file of the model's own folder")
        file = self._folder / location
        if file.resolve().parent != self._folder.resolve() or not file.is_file():
            raise InputError(f"tensor {name} lies in {quoted(location)}; expected such a file in the model's folder")
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(size_bytes)))
        if offset < 0 or length != size_bytes:
            raise InputError(f"tensor {name} has {length} bytes in {quoted(location)}; expected {size_bytes}")
        with file.open("rb") as stream:
            stream.seek(offset)
            raw = stream.read(size_bytes)
        if len(raw) != size_bytes:
            raise InputError(f"{quoted(location)} ends within tensor {name}; expected {size_bytes} bytes of it")
        return raw


def _text(value: str | bytes) -> str:
    """Return a name of the file, which protobuf gives as bytes when it is no UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _extents(value: Any) -> tuple[int | None, ...]:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        raise InputError(f"input {quoted(_text(value.name))} has no shape; expected one such as (N, C, H, W)")
    return tuple(int(dim.dim_value) if dim.HasField("dim_value") else None for dim in kind.shape.dim)


def _opset(model: Any) -> int:
    versions = [int(entry.version) for entry in model.opset_import if entry.domain in _OWN_DOMAINS]
    if not versions or max(versions) < _OLDEST_OPSET:
        found = max(versions, default=0)
        raise InputError(f"opset {found}; expected at least {_OLDEST_OPSET}: export it with a newer exporter")
    return max(versions)
