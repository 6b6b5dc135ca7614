"""ONNX files written node by node, and what ONNX Runtime computes from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from reference.forward import logits

from harness.model import Network, NetworkWeights
from harness.model.onnx import read_onnx

FLOAT = onnx.TensorProto.FLOAT


class Writer:
    """A graph that grows node by node; each method returns the name of what the node gives."""

    def __init__(self, *shape: int | str, opset: int = 17, seed: int = 1) -> None:
        self.shape = shape
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.generator = np.random.default_rng(seed)

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"constant{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def random(self, *shape: int, low: float = -1.0) -> str:
        return self.constant(self.generator.uniform(low, 1.0, shape))

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        names = [f"{op.lower()}{len(self.nodes)}"]
        names += [f"{names[0]}_{number}" for number in range(1, outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"the_{names[0]}", domain=domain, **attributes))
        return names[0]

    def conv(self, source: str, filters: int, channels: int, *kernel: int, **attributes: Any) -> str:
        return self.node("Conv", source, self.random(filters, channels, *kernel), self.random(filters), **attributes)

    def gemm(self, source: str, units: int, features: int, **attributes: Any) -> str:
        return self.node("Gemm", source, self.random(units, features), self.random(units), transB=1, **attributes)

    def model(self, output: str, shape: Sequence[int | str] | None = None) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("input", FLOAT, self.shape)],
            [helper.make_tensor_value_info(output, FLOAT, shape)],
            self.tensors,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def write(self, path: Path, output: str) -> Path:
        path.write_bytes(self.model(output).SerializeToString())
        return path


def run_onnx(path: Path, samples: np.ndarray) -> np.ndarray:
    """Return the output of a file for `samples` as its graph wants them, by ONNX Runtime without its optimizations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: samples.astype(np.float32)})
    return np.asarray(result)


def first_channels(samples: np.ndarray) -> np.ndarray:
    """Return (n, height, width, channels) as (n, channels, height, width), and vectors as they are."""
    return samples.transpose(0, 3, 1, 2) if samples.ndim == 4 else samples


def random_samples(network: Network, count: int = 3) -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, (count, *network.input_shape)).astype(np.float32)


def forward(network: Network, weights: NetworkWeights, samples: np.ndarray) -> np.ndarray:
    return np.stack([logits(network, weights, sample) for sample in samples])


def check_equal(path: Path, shape: tuple[int, ...], layout: Any = first_channels, batch: int = 3) -> Network:
    """Hold the network read from `path` against ONNX Runtime; `layout` makes of samples what the graph reads."""
    network, weights = read_onnx(path, shape)
    samples = random_samples(network, batch)
    expected = run_onnx(path, layout(samples))
    found = forward(network, weights, samples).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(expected).max())))
    return network
