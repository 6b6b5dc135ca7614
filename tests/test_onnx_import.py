"""ONNX files read into layers: every supported node computes what ONNX Runtime computes; others are named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_graphs import Writer, check_equal, first_channels
from small_scenarios import ROOT, environment

from harness.errors import InputError, MissingToolError
from harness.model import Add, DepthwiseConv2d, Pointwise
from harness.model.onnx import package, read_onnx

IMAGE = (6, 6, 3)
GRAPH = ("N", 3, 6, 6)


def kinds(network: object) -> list[str]:
    return [layer.type for layer in network.layers]  # type: ignore[attr-defined]


def net(build: Callable[[Writer], str], *, opset: int = 17) -> tuple[Writer, str]:
    w = Writer(*GRAPH, opset=opset)
    return w, build(w)


def head(w: Writer, source: str, features: int) -> str:
    return w.gemm(w.node("Flatten", source), 4, features)


def scalar(w: Writer, value: float) -> str:
    return w.constant(value)


def residual(w: Writer) -> str:
    stem = w.node("Relu", w.conv("input", 4, 3, 3, 3, pads=[1, 1, 1, 1]))
    inner = w.conv(stem, 4, 4, 1, 1)
    inner = w.node("Clip", inner, scalar(w, 0), scalar(w, 6))
    inner = w.conv(inner, 4, 1, 3, 3, pads=[1, 1, 1, 1], group=4)
    return head(w, w.node("Add", stem, inner), 144)


def normalized(w: Writer) -> str:
    conv = w.node("Conv", "input", w.random(5, 3, 3, 3))
    arrays = [w.random(5), w.random(5), w.random(5), w.random(5, low=0.2)]
    return head(w, w.node("Relu", w.node("BatchNormalization", conv, *arrays, epsilon=1e-2)), 80)


def scaled(w: Writer) -> str:
    value = w.conv("input", 5, 3, 3, 3)
    value = w.node("Mul", w.random(5, 1, 1), value)
    value = w.node("Sub", value, w.random(1, 5, 1, 1))
    value = w.node("Div", value, scalar(w, 3))
    value = w.node("Add", value, scalar(w, 0.5))
    return head(w, value, 80)


def viewed(w: Writer) -> str:
    conv = w.conv("input", 2, 3, 3, 3)
    samples = w.node("Gather", w.node("Shape", conv), w.constant(0, np.int64), axis=0)
    rows = w.node("Unsqueeze", samples, w.constant([0], np.int64))
    shape = w.node("Concat", rows, w.constant([-1], np.int64), axis=0)
    return w.gemm(w.node("Reshape", conv, shape), 4, 32)


def squeezed(w: Writer) -> str:
    mean = w.node("GlobalAveragePool", w.conv("input", 5, 3, 3, 3))
    return w.gemm(w.node("Squeeze", mean, w.constant([2, -1], np.int64)), 4, 5)


def with_transposed_weights(w: Writer) -> str:
    flat = w.node("Flatten", "input")
    columns = w.node("Transpose", w.random(4, 108), perm=[1, 0])
    return w.node("Add", w.random(4), w.node("MatMul", flat, columns))


def channels_last(w: Writer) -> str:
    conv = w.conv(w.node("Transpose", "input", perm=[0, 3, 1, 2]), 4, 3, 3, 3)
    return w.gemm(w.node("Flatten", w.node("Transpose", conv, perm=[0, 2, 3, 1])), 5, 64)


SUPPORTED: dict[str, Callable[[Writer], str]] = {
    "conv, symmetric pads, stride": lambda w: head(w, w.conv("input", 4, 3, 3, 3, pads=[1] * 4, strides=[2, 2]), 36),
    "conv, end padding no window reaches": lambda w: head(
        w, w.conv("input", 4, 3, 3, 3, pads=[1, 1, 0, 0], strides=[2, 2]), 36
    ),
    "conv, auto_pad SAME_UPPER": lambda w: head(w, w.conv("input", 4, 3, 5, 5, auto_pad="SAME_UPPER"), 144),
    "conv, auto_pad SAME_LOWER": lambda w: head(w, w.conv("input", 4, 3, 3, 3, auto_pad="SAME_LOWER"), 144),
    "conv, auto_pad VALID": lambda w: head(w, w.conv("input", 4, 3, 3, 3, auto_pad="VALID"), 64),
    "conv without bias": lambda w: head(w, w.node("Conv", "input", w.random(4, 3, 3, 3)), 64),
    "pointwise": lambda w: head(w, w.conv("input", 4, 3, 1, 1), 144),
    "1x1 with a stride": lambda w: head(w, w.conv("input", 4, 3, 1, 1, strides=[2, 2]), 36),
    "depthwise": lambda w: head(w, w.conv("input", 3, 1, 3, 3, group=3, pads=[1] * 4, strides=[2, 2]), 27),
    "relu": lambda w: head(w, w.node("Relu", w.conv("input", 4, 3, 3, 3)), 64),
    "relu behind a maximum": lambda w: head(
        w, w.node("Relu", w.node("MaxPool", w.conv("input", 4, 3, 3, 3), kernel_shape=[2, 2], strides=[2, 2])), 16
    ),
    "relu twice, then relu6": lambda w: head(
        w,
        w.node("Clip", w.node("Relu", w.node("Relu", w.conv("input", 4, 3, 3, 3))), scalar(w, 0), scalar(w, 6)),
        64,
    ),
    "clip from 0": lambda w: head(w, w.node("Clip", w.conv("input", 4, 3, 3, 3), scalar(w, 0)), 64),
    "hard-swish": lambda w: head(w, w.node("HardSwish", w.conv("input", 4, 3, 3, 3)), 64),
    "hard sigmoid times its input": lambda w: head(
        w,
        w.node("Mul", c := w.conv("input", 4, 3, 3, 3), w.node("HardSigmoid", c, alpha=1 / 6)),
        64,
    ),
    "max pool, overlapping": lambda w: head(w, w.node("MaxPool", "input", kernel_shape=[3, 3], strides=[1, 1]), 48),
    "max pool, ceil_mode that fits": lambda w: head(
        w, w.node("MaxPool", "input", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), 27
    ),
    "average pool": lambda w: head(w, w.node("AveragePool", "input", kernel_shape=[2, 2], strides=[2, 2]), 27),
    "average pool of the whole image": lambda w: head(w, w.node("AveragePool", "input", kernel_shape=[6, 6]), 3),
    "global average pool": lambda w: head(w, w.node("GlobalAveragePool", w.conv("input", 5, 3, 3, 3)), 5),
    "global average pool, squeezed": squeezed,
    "mean over height and width": lambda w: w.gemm(w.node("ReduceMean", "input", axes=[2, 3], keepdims=0), 4, 3),
    "mean that keeps its axes": lambda w: head(w, w.node("ReduceMean", "input", axes=[-1, -2]), 3),
    "1x1 convolution of a mean": lambda w: w.node(
        "Flatten", w.conv(w.node("GlobalAveragePool", w.conv("input", 5, 3, 3, 3)), 4, 5, 1, 1)
    ),
    "residual": residual,
    "sum of a value and itself": lambda w: w.node("Add", h := head(w, "input", 108), h),
    "batch normalization": normalized,
    "factors and offsets": scaled,
    "gemm, not transposed, alpha and beta": lambda w: w.node(
        "Gemm", w.node("Flatten", "input"), w.random(108, 4), w.random(1, 4), alpha=0.5, beta=2.0
    ),
    "matmul and add": lambda w: w.node(
        "Add", w.node("MatMul", w.node("Flatten", "input"), w.random(108, 4)), w.random(4)
    ),
    "weights transposed in the graph": with_transposed_weights,
    "reshape": lambda w: w.gemm(w.node("Reshape", "input", w.constant([0, -1], np.int64)), 4, 108),
    "view by the shape of another": viewed,
    "unsqueeze and squeeze": lambda w: head(
        w, w.node("Squeeze", w.node("Unsqueeze", "input", w.constant([1], np.int64)), w.constant([1], np.int64)), 108
    ),
    "identity, dropout, cast": lambda w: head(
        w, w.node("Dropout", w.node("Cast", w.node("Identity", "input"), to=1)), 108
    ),
    "flattened channels last": lambda w: w.gemm(
        w.node("Flatten", w.node("Transpose", w.conv("input", 5, 3, 3, 3), perm=[0, 2, 3, 1])), 4, 80
    ),
    "a dead end": lambda w: (w.node("Sigmoid", "input"), head(w, "input", 108))[1],
}  # fmt: skip


@pytest.mark.parametrize("build", SUPPORTED.values(), ids=SUPPORTED)
def test_a_graph_computes_what_onnx_runtime_computes(tmp_path: Path, build: Callable[[Writer], str]) -> None:
    w, output = net(build)
    check_equal(w.write(tmp_path / "net.onnx", output), IMAGE)


def test_attributes_of_old_opsets_are_read(tmp_path: Path) -> None:
    w = Writer(*GRAPH, opset=10)
    conv = w.node("Clip", w.conv("input", 4, 3, 3, 3), min=0.0, max=6.0)
    mean = w.node("Squeeze", w.node("GlobalAveragePool", conv), axes=[2, 3])
    check_equal(w.write(tmp_path / "net.onnx", w.gemm(mean, 4, 4)), IMAGE)
    w = Writer(*GRAPH, opset=18)
    mean = w.node("ReduceMean", "input", w.constant([2, 3], np.int64), keepdims=0)
    check_equal(w.write(tmp_path / "new.onnx", w.gemm(mean, 4, 3)), IMAGE)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_a_softmax_at_the_end_is_left_to_the_loss(tmp_path: Path, op: str) -> None:
    w = Writer(*GRAPH)
    plain = head(w, "input", 108)
    network, _ = read_onnx(w.write(tmp_path / "net.onnx", w.node(op, plain, axis=-1)), IMAGE)
    assert kinds(network) == ["flatten", "dense"]


def test_layers_get_the_kinds_that_fit_them(tmp_path: Path) -> None:
    w, output = net(residual)
    network = check_equal(w.write(tmp_path / "net.onnx", output), IMAGE)
    assert kinds(network) == ["conv2d", "pointwise", "depthwise_conv2d", "add", "flatten", "dense"]
    assert isinstance(network.layers[1], Pointwise)
    assert network.layers[1].activation == "relu6"
    assert isinstance(network.layers[2], DepthwiseConv2d)
    assert network.layers[3] == Add(of="value1")


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        (("N", 2, 19), lambda x: first_channels(x)[:, :, 0]),
        (("N", 2, 1, 19), first_channels),
    ],
    ids=["(N, C, T)", "(N, C, 1, T)"],
)
def test_a_series_is_read_from_both_layouts(tmp_path: Path, shape: tuple, layout: Callable) -> None:
    w = Writer(*shape)
    down = (1,) * (len(shape) - 3)
    none = (0,) * len(down)
    value = w.conv(
        "input", 5, 2, *down, 5, strides=[*down, 2], pads=[*none, 2, *none, 2]
    )  # fmt: skip
    value = w.node("MaxPool", w.node("Relu", value), kernel_shape=[*down, 3], strides=[*down, 2])
    value = w.node("AveragePool", w.conv(value, 3, 5, *down, 1), kernel_shape=[*down, 2], strides=[*down, 1])
    network = check_equal(w.write(tmp_path / "net.onnx", head(w, value, 9)), (1, 19, 2), layout)
    assert kinds(network) == ["conv1d", "max_pool1d", "pointwise", "avg_pool1d", "flatten", "dense"]


def test_a_graph_of_channels_last_is_followed_through_its_transpositions(tmp_path: Path) -> None:
    w = Writer("N", 6, 6, 3)
    check_equal(w.write(tmp_path / "net.onnx", channels_last(w)), IMAGE, lambda samples: samples)


@pytest.mark.parametrize("samples", ["N", 3], ids=["any", "fixed"])
def test_flat_samples_are_read_as_images_of_one_channel(tmp_path: Path, samples: int | str) -> None:
    w = Writer(samples, 30)
    image = w.node("Reshape", "input", w.constant([-1, 1, 5, 6], np.int64))
    output = head(w, w.conv(image, 3, 1, 3, 3), 36)
    check_equal(w.write(tmp_path / "net.onnx", output), (5, 6, 1), lambda x: x.reshape(3, 30))


def test_weights_of_other_float_types_are_read(tmp_path: Path) -> None:
    w = Writer(*GRAPH)
    weights = w.constant(w.generator.uniform(-1, 1, (4, 108)), np.float16)
    output = w.node("Gemm", w.node("Flatten", "input"), w.node("Cast", weights, to=1), transB=1)
    check_equal(w.write(tmp_path / "net.onnx", output), IMAGE)


def external(path: Path, location: str = "net.data", **entries: str) -> Path:
    """Write a dense net whose weights lie in another file."""
    w = Writer(*GRAPH)
    model = w.model(head(w, "input", 108))
    tensor = model.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "16", "length": str(len(data)), **entries}.items():
        tensor.external_data.add(key=key, value=value)
    (path / "net.data").write_bytes(bytes(16) + data)
    (path / "net.onnx").write_bytes(model.SerializeToString())
    return path / "net.onnx"


def test_weights_in_a_file_beside_the_model_are_read(tmp_path: Path) -> None:
    check_equal(external(tmp_path), IMAGE)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "../net.data"}, "lies in '../net.data'; expected a file of the model's own folder"),
        ({"location": "/etc/passwd"}, "lies in '/etc/passwd'; expected a file of the model's own folder"),
        ({"location": ".."}, "expected a file of the model's own folder"),
        ({"location": "link.data"}, "lies in 'link.data'; expected such a file in the model's folder"),
        ({"location": "none.data"}, "lies in 'none.data'; expected such a file in the model's folder"),
        ({"length": "7"}, "has 7 bytes in 'net.data'; expected 1728"),
        ({"offset": "500"}, "'net.data' ends within tensor 'constant0'"),
        ({"offset": "many"}, "a damaged ONNX model"),
    ],
)
def test_weights_elsewhere_are_never_read(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (tmp_path / "outside.data").write_bytes(bytes(4000))
    (place / "link.data").symlink_to(tmp_path / "outside.data")
    assert message in complaint(external(place, **entries))


# ---- What is refused


def complaint(path: Path, shape: tuple[int, ...] = IMAGE) -> str:
    """Return the one line that reading `path` ends with."""
    with pytest.raises(InputError) as caught:
        read_onnx(path, shape)
    return check_line(path, caught.value)


def check_line(path: Path, error: InputError) -> str:
    (line,) = error.lines
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    assert len(line) < 700
    return line.removeprefix(f"{path}: ")


def pool(w: Writer, op: str = "MaxPool", **attributes: object) -> str:
    return head(w, w.node(op, "input", **{"kernel_shape": [2, 2], "strides": [2, 2], **attributes}), 27)


def second_path(w: Writer) -> str:
    stem = w.conv("input", 4, 3, 3, 3, pads=[1] * 4)
    return head(w, w.node("Add", w.conv(stem, 4, 4, 1, 1), w.conv(stem, 4, 4, 3, 3, pads=[1] * 4)), 144)


def activated_in_between(w: Writer) -> str:
    linear = w.conv("input", 4, 3, 3, 3, pads=[1] * 4)
    return head(w, w.node("Add", w.conv(w.node("Relu", linear), 4, 4, 1, 1), linear), 144)


REFUSED: dict[str, tuple[Callable[[Writer], str], str]] = {
    "unknown operator": (
        lambda w: head(w, w.node("MaxPol", "input"), 108),
        "node 'the_maxpol0' (MaxPol): operator not supported; did you mean 'MaxPool'? (one of: Add, AveragePool, ",
    ),
    "operator of another domain": (
        lambda w: head(w, w.node("Gelu", "input", domain="com.microsoft"), 108),
        "an operator of 'com.microsoft'; expected operators of ONNX itself",
    ),
    "dilations": (
        lambda w: head(w, w.conv("input", 4, 3, 3, 3, dilations=[2, 2]), 16),
        "node 'the_conv0' (Conv): attribute dilations 2x2 is not supported; expected 1",
    ),
    "groups": (
        lambda w: head(w, w.conv("input", 6, 1, 3, 3, group=3), 96),
        "attribute group 3 with 3 channels and 6 filters is not supported; expected 1, or one filter a channel",
    ),
    "uneven pads": (
        lambda w: head(w, w.conv("input", 4, 3, 3, 3, pads=[0, 0, 1, 1]), 100),
        "attribute pads 0x0x1x1 is not supported; expected the same padding on all sides",
    ),
    "uneven pads by auto_pad": (
        lambda w: head(w, w.conv("input", 4, 3, 3, 3, auto_pad="SAME_UPPER", strides=[2, 2]), 36),
        "attribute pads 0x0x1x1 is not supported",
    ),
    "rectangular kernel": (
        lambda w: head(w, w.conv("input", 4, 3, 3, 5), 32),
        "kernel 3x5 with strides 1x1 is not supported; expected square ones, or 1xN on a series",
    ),
    "kernel beyond the bounds": (
        lambda w: head(w, w.conv("input", 4, 3, 33, 33, pads=[16] * 4), 144),
        "(Conv): kernel: Input should be less than or equal to 31",
    ),
    "transposed convolution": (
        lambda w: head(w, w.node("ConvTranspose", "input", w.random(3, 4, 3, 3)), 4),
        "(ConvTranspose): operator not supported",
    ),
    "padded pool": (lambda w: pool(w, pads=[1, 1, 1, 1]), "attribute pads is not supported; expected none"),
    "pool with ceil_mode": (lambda w: pool(w, kernel_shape=[3, 3], ceil_mode=1), "attribute ceil_mode 1 adds a window"),
    "rectangular pool": (lambda w: pool(w, kernel_shape=[2, 3]), "window 2x3 with strides 2x2 is not supported"),
    "maxima with places": (
        lambda w: head(w, w.node("MaxPool", "input", outputs=2, kernel_shape=[2, 2]), 27),
        "gives indices of the maxima; expected the maxima alone",
    ),
    "relu of the input": (
        lambda w: head(w, w.node("Relu", "input"), 108),
        "node 'the_relu0' (Relu): stands behind the input; expected it directly behind a convolution or dense layer",
    ),
    "relu of a sum": (
        lambda w: head(w, w.node("Relu", w.node("Add", c := w.conv("input", 4, 3, 3, 3), c)), 64),
        "stands behind add; expected it directly behind a convolution or dense layer",
    ),
    "two activations": (
        lambda w: head(w, w.node("HardSwish", w.node("Relu", w.conv("input", 4, 3, 3, 3))), 64),
        "is a second activation, behind relu; expected one a layer",
    ),
    "clip of other bounds": (
        lambda w: head(w, w.node("Clip", w.conv("input", 4, 3, 3, 3), scalar(w, -1), scalar(w, 1)), 64),
        "clips to -1.0 and 1.0; expected 0 and 6 (relu6), or 0 alone (relu)",
    ),
    "normalization of the input": (
        lambda w: head(w, w.node("BatchNormalization", "input", *(w.random(3, low=0.1) for _ in range(4))), 108),
        "stands behind the input; expected it directly behind a convolution or dense layer",
    ),
    "negative variance": (
        lambda w: head(
            w,
            w.node("BatchNormalization", w.conv("input", 2, 3, 3, 3), *(w.constant([-2, -2]) for _ in range(4))),
            32,
        ),
        "has weights that are not finite",
    ),
    "attention": (
        lambda w: head(w, w.node("Mul", c := w.conv("input", 4, 3, 3, 3), c), 64),
        "a product of two values; expected hard-swish",
    ),
    "a second path": (second_path, "begins a second path; expected a chain of layers"),
    "a residual around an activation": (activated_in_between, "reads a value of which only the activated, scaled"),
    "softmax in the middle": (
        lambda w: w.gemm(w.node("Softmax", head(w, "input", 108)), 3, 4),
        "stands behind a softmax; expected the softmax at the end",
    ),
    "a dense layer of images": (
        lambda w: w.node("MatMul", "input", w.random(6, 4)),
        "reads 1x3x6x6; expected vectors (N, features), flattened before",
    ),
    "weights for other features": (lambda w: head(w, "input", 100), "weights for 100 features; expected 108"),
    "weights from the samples": (
        lambda w: w.node("MatMul", f := w.node("Flatten", "input"), f),
        "depends on the samples; expected a constant",
    ),
    "axes that are torn": (
        lambda w: w.gemm(w.node("Reshape", "input", w.constant([-1, 54], np.int64)), 4, 54),
        "expected axes merged or split where height, width and channels meet",
    ),
    "a mean over channels": (
        lambda w: head(w, w.node("ReduceMean", "input", axes=[1]), 36),
        "a mean over axes [1]; expected one over height and width",
    ),
    "infinite weights": (
        lambda w: w.node("MatMul", w.node("Flatten", "input"), w.constant(np.full((108, 4), np.inf))),
        "has weights that are not finite",
    ),
    "an output that is an image": (lambda w: w.conv("input", 4, 3, 3, 3), "is an image read channel by channel"),
    "a name that nothing gives": (lambda w: head(w, "nowhere", 3), "reads 'nowhere', which nothing before it gives"),
}


@pytest.mark.parametrize(("build", "message"), REFUSED.values(), ids=REFUSED)
def test_what_no_layer_can_say_is_named(tmp_path: Path, build: Callable[[Writer], str], message: str) -> None:
    w, output = net(build)
    assert message in complaint(w.write(tmp_path / "net.onnx", output))


def test_an_input_of_another_shape_says_what_the_data_set_has(tmp_path: Path) -> None:
    w = Writer("N", 3, 7, 7)
    path = w.write(tmp_path / "net.onnx", head(w, "input", 147))
    assert complaint(path) == (
        "input 'input' is Nx3x7x7; expected (N, C, H, W) or (N, H, W, C) for samples of 6x6 with 3 channels"
    )


def test_several_inputs_or_outputs_are_named(tmp_path: Path) -> None:
    w = Writer(*GRAPH)
    model = w.model(head(w, "input", 108))
    model.graph.output.append(model.graph.input[0])
    (tmp_path / "outputs.onnx").write_bytes(model.SerializeToString())
    assert "2 outputs ('gemm1', 'input'); expected one: the logits" in complaint(tmp_path / "outputs.onnx")
    model.graph.input.add().name = "mask"
    (tmp_path / "inputs.onnx").write_bytes(model.SerializeToString())
    assert "2 inputs ('input', 'mask'); expected one: the samples" in complaint(tmp_path / "inputs.onnx")


# ---- Files that are no models


@pytest.mark.parametrize(
    "content", [b"", b"name: not a model\n", bytes(range(256)) * 8, b"\x08\x07"], ids=["empty", "text", "bytes", "stub"]
)
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    assert complaint(tmp_path / "net.onnx").startswith("no ONNX model: ")


def test_missing_files_folders_and_huge_files_are_one_line(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.onnx") == "no such file; expected an ONNX model"
    assert complaint(tmp_path) == "is no regular file; expected an ONNX model"
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(1 << 40)
    assert complaint(tmp_path / "huge.onnx") == "larger than 64 MiB; expected a network for a microcontroller"


@pytest.mark.parametrize("extents", [[1 << 40, 1 << 40], [1 << 25], [-1], [1] * 100])
def test_a_tensor_says_its_size_before_it_is_made(tmp_path: Path, extents: list[int]) -> None:
    w = Writer(*GRAPH)
    model = w.model(head(w, "input", 108))
    model.graph.initializer[0].dims[:] = extents
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert "tensor 'constant0'" in complaint(tmp_path / "net.onnx")


def test_a_damaged_file_ends_in_one_line_or_in_a_network(tmp_path: Path) -> None:
    w, output = net(normalized)
    content = bytearray(w.model(output).SerializeToString())
    generator = np.random.default_rng(11)
    path, refused = tmp_path / "net.onnx", 0
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(generator.integers(1, 4)):
            # Most of a file is weights; what is before and behind them is the structure.
            at = int(generator.integers(0, len(damaged)))
            match generator.integers(0, 3):
                case 0:
                    damaged[at] = int(generator.integers(0, 256))
                case 1:
                    del damaged[at : at + int(generator.integers(1, 60))]
                case _:
                    damaged[at:at] = generator.bytes(int(generator.integers(1, 9)))
        path.write_bytes(damaged)
        try:
            read_onnx(path, IMAGE)
        except InputError as error:
            refused += 1
            check_line(path, error)
    assert refused > 100


def test_mutated_graphs_end_in_one_line_or_in_a_network(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    path, refused = tmp_path / "net.onnx", 0
    values = [-(1 << 63), -7, -1, 0, 1, 2, 3, 100, (1 << 63) - 1]
    for round_ in range(400):
        w, output = net([residual, normalized, viewed, squeezed][round_ % 4])
        model = w.model(output)
        nodes = model.graph.node
        node = nodes[generator.integers(len(nodes))]
        names = [name for one in nodes for name in (*one.input, *one.output)]
        match generator.integers(0, 7):
            case 0 if node.attribute:
                attribute = node.attribute[generator.integers(len(node.attribute))]
                attribute.i = int(generator.choice(values))
                attribute.ints[:] = [int(generator.choice(values)) for _ in range(generator.integers(0, 5))]
            case 1 if node.input:
                node.input[generator.integers(len(node.input))] = str(generator.choice(names))
            case 2:
                node.op_type = str(generator.choice(["Add", "Mul", "Reshape", "MatMul", "Clip", "Softmax", "Squeeze"]))
            case 3:
                tensor = model.graph.initializer[generator.integers(len(model.graph.initializer))]
                shape = tuple(generator.integers(0, 4, generator.integers(0, 4)))
                dtype = generator.choice(["float32", "int64", "bool", "complex64"])
                tensor.CopyFrom(numpy_helper.from_array(np.ones(shape, dtype), tensor.name))
            case 4:
                node.input.insert(0, str(generator.choice(names + [one.name for one in model.graph.initializer])))
            case 5:
                del nodes[int(generator.integers(len(nodes)))]
            case _:
                model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = int(generator.choice(values))
        path.write_bytes(model.SerializeToString())
        try:
            read_onnx(path, IMAGE)
        except InputError as error:
            refused += 1
            check_line(path, error)
    assert refused > 100


# ---- The package


def test_without_the_package_the_message_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError, match=r"need the package onnx: .*python\S* -m pip install onnx$"):
        read_onnx(tmp_path / "net.onnx", IMAGE)


def test_a_protobuf_that_does_not_fit_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(name: str) -> None:
        raise TypeError("Descriptors cannot be created directly.\nIf this call came from a _pb2.py file, ...")

    monkeypatch.setattr(package.importlib, "import_module", fail)
    with pytest.raises(
        MissingToolError,
        match=r"cannot be imported, .*: Descriptors cannot .*; try .* install --upgrade onnx protobuf$",
    ):
        read_onnx(tmp_path / "net.onnx", IMAGE)


def test_the_package_is_imported_only_for_a_scenario_that_names_a_file() -> None:
    code = "import sys, harness.pipeline; sys.exit('onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment()}, check=True)
