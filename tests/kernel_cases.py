"""Random cases for kernel tests: hypothesis draws the shapes, a seeded generator the numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from kernel_call import Call, Placed
from kernel_machine import MACHINES, machine
from reference import depthwise, layers
from reference.activation import ACTIVATIONS
from reference.affine import F, Quant

SANITIZED = "HARNESS_TEST_SANITIZE" in os.environ

seeds = st.integers(0, 2**32 - 1)


def bounded(examples: int) -> settings:
    """The same `examples` cases in every run."""
    return settings(
        max_examples=examples // 4 if SANITIZED else examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def on_every_machine(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test on the host and on every emulated core; it gets the name of the machine as `machine`."""

    def run(name: str) -> None:
        machine(name)  # what goes wrong in the build is no example to shrink
        test(machine=name)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return pytest.mark.parametrize("name", MACHINES)(run)


def call_on(name: str) -> Call:
    return Call(machine(name))


def quant(generator: np.random.Generator, *, zero_point: int | None = None, tracked: bool = False) -> Quant:
    """Return a quantization with a scale from 1e-6 to 100 and a zero point that is often at the border."""
    if zero_point is None:
        zero_point = int(generator.choice([0, 255, 128, generator.integers(0, 256)]))
    scale = F(10 ** generator.uniform(-6, 2))
    return Quant(scale, zero_point, scale * F(-zero_point), scale * F(255 - zero_point), tracked=tracked)


def scaled_to(sums: np.ndarray, unit: np.float32, like: Quant, generator: np.random.Generator) -> Quant:
    """Return `like` with a scale that spreads `sums`, worth `unit` each, over its values.

    One in four is extreme. One in four is a power of two, so that many results lie halfway between two values.
    """
    if generator.random() < 0.25:
        ratio = 10 ** generator.uniform(-4, 6)
    else:
        ratio = max(np.abs(sums).max(), 1) / generator.uniform(20, 400)
        if generator.random() < 1 / 3:
            ratio = 2.0 ** round(np.log2(ratio))
    return Quant(unit * F(ratio), like.zero_point, tracked=like.tracked)


def activation(generator: np.random.Generator) -> str:
    """Return the name of a folded activation."""
    return str(generator.choice(ACTIVATIONS))


def bytes_like(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return uint8 values, sometimes only extremes."""
    if generator.random() < 0.25:
        return generator.choice(np.array([0, 255], dtype=np.uint8), shape)
    return generator.integers(0, 256, shape, dtype=np.uint8)


@dataclass(frozen=True)
class Weighted:
    """A layer with weights: its shapes, its sums, and its numbers in the words of the C structs."""

    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    numbers: dict[str, Any]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    @property
    def count(self) -> int:
        return self.weight_shape[0]

    @property
    def elements(self) -> int:
        return int(np.prod(self.weight_shape[1:]))

    @property
    def positions(self) -> int:
        return int(np.prod(self.output_shape)) // self.count

    def forward(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return layers.conv2d(x, w, self.stride, self.padding) if self.kind == "conv2d" else layers.dense(x, w)

    def gradient(self, x: np.ndarray, e: np.ndarray) -> np.ndarray:
        if self.kind == "conv2d":
            return layers.conv2d_gradient(x, e, self.weight_shape[1:3], self.stride, self.padding)
        return layers.dense_gradient(x, e)

    def error(self, e: np.ndarray, w: np.ndarray) -> np.ndarray:
        if self.kind == "conv2d":
            return layers.conv2d_error(e, w, self.input_shape, self.stride, self.padding)
        return layers.dense_error(e, w)


def convolution(
    shape: tuple[int, ...], filters: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> Weighted:
    """Return a convolution of an input of `shape`."""
    height, width, channels = shape
    rows = (height + 2 * padding[0] - kernel[0]) // stride[0] + 1
    columns = (width + 2 * padding[1] - kernel[1]) // stride[1] + 1
    numbers = {
        "input_height": height, "input_width": width, "input_channels": channels,
        "output_height": rows, "output_width": columns, "filters": filters,
        "kernel_height": kernel[0], "kernel_width": kernel[1], "stride_y": stride[0], "stride_x": stride[1],
        "padding_y": padding[0], "padding_x": padding[1],
    }  # fmt: skip
    weights = (filters, *kernel, channels)
    return Weighted("conv2d", shape, (rows, columns, filters), weights, {"shape": numbers}, stride, padding)


@st.composite
def convolutions(draw: st.DrawFn) -> Weighted:
    """Rectangular windows; strides larger than the window; padding up to one less than the window."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = (draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1)))
    height, width = (draw(st.integers(max(1, k - 2 * p), 7)) for k, p in zip(kernel, padding, strict=True))
    channels, filters = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    return convolution((height, width, channels), filters, kernel, stride, padding)


@st.composite
def pointwise_convolutions(draw: st.DrawFn) -> Weighted:
    """More channels and filters than a kernel takes at once, often by fours."""
    channels = draw(st.integers(1, 36)) * draw(st.sampled_from((1, 4)))
    height, width, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 24))
    return convolution((height, width, channels), filters, (1, 1), (1, 1), (0, 0))


class DepthwiseLayer(Weighted):
    """The same of a depthwise convolution, whose structures are its channels."""

    def forward(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return depthwise.depthwise_conv2d(x, w, self.stride, self.padding)

    def gradient(self, x: np.ndarray, e: np.ndarray) -> np.ndarray:
        kernel = (self.weight_shape[1], self.weight_shape[2])
        return depthwise.depthwise_conv2d_gradient(x, e, kernel, self.stride, self.padding)

    def error(self, e: np.ndarray, w: np.ndarray) -> np.ndarray:
        return depthwise.depthwise_conv2d_error(e, w, self.input_shape, self.stride, self.padding)


@st.composite
def depthwise_convolutions(draw: st.DrawFn) -> Weighted:
    like = draw(convolutions())
    numbers = {name: number for name, number in like.numbers["shape"].items() if name != "filters"}
    channels = numbers.pop("input_channels")
    return DepthwiseLayer(
        "depthwise_conv2d",
        like.input_shape,
        (*like.output_shape[:2], channels),
        (channels, *like.weight_shape[1:3]),
        {**numbers, "channels": channels},
        like.stride,
        like.padding,
    )


@st.composite
def dense_layers(draw: st.DrawFn) -> Weighted:
    features, units = draw(st.integers(1, 70)), draw(st.integers(1, 20))
    return Weighted("dense", (features,), (units,), (units, features), {"features": features, "units": units})


def weighted_layers() -> st.SearchStrategy[Weighted]:
    return st.one_of(convolutions(), pointwise_convolutions(), depthwise_convolutions(), dense_layers())


def selection(generator: np.random.Generator, count: int) -> np.ndarray:
    """Return none to all of `count` structures, ascending: two forms of the dynamic ratio may choose none."""
    chosen = generator.choice(count, size=int(generator.integers(0, count + 1)), replace=False)
    return np.sort(chosen).astype(np.uint16)


def selected_array(call: Call, chosen: np.ndarray, count: int) -> Placed:
    """Place the list of the chosen ones, with room for all."""
    return call.array(np.concatenate([chosen, np.full(count - len(chosen), 0xFFFF, dtype=np.uint16)]))
