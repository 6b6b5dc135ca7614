"""The layer vocabulary of scenarios and named networks. Activations are HWC; sizes in elements.

A series of T steps with C channels is an image of height 1: (1, T, C).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError

Shape = tuple[int, ...]
"""Shape of one sample at a layer boundary: (height, width, channels) or (features,)."""

Pair = tuple[int, int]
"""A number down and a number across."""

Activation = Literal["none", "relu", "relu6", "hard_swish"]

Activated = Annotated[
    Activation, Field(description="applied to the output; all but hard_swish are folded into the layer")
]


class _Layer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    trainable: ClassVar[bool] = False

    name: str | None = Field(
        None, min_length=1, max_length=64, description="a name for `add` layers to refer to", examples=["shortcut"]
    )

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output shape for input `shape`; raise InputError when the layer does not fit it."""
        raise NotImplementedError


class Window(_Layer):
    """What convolutions and pooling share: a window that moves over an image."""

    @property
    def windows(self) -> Pair:
        """Return height and width of the window."""
        raise NotImplementedError

    @property
    def strides(self) -> Pair:
        """Return the steps down and across."""
        raise NotImplementedError

    @property
    def paddings(self) -> Pair:
        """Return the zeros added above and below, left and right."""
        return 0, 0

    def channels(self, input_channels: int) -> int:
        """Return the channels of the output."""
        return input_channels

    def output_shape(self, shape: Shape) -> Shape:
        """Return (height, width, channels)."""
        kind: str = self.type  # type: ignore[attr-defined]
        if len(shape) != 3:
            raise InputError(f"{kind} needs an image of (height, width, channels), got {shape}")
        extents: list[int] = []
        for extent, window, stride, padding in zip(shape, self.windows, self.strides, self.paddings, strict=False):
            positions = (extent + 2 * padding - window) // stride + 1
            if positions < 1 or padding >= window:
                raise InputError(
                    f"{kind} with a window of {self.windows[0]}x{self.windows[1]} and padding "
                    f"{self.paddings[0]}x{self.paddings[1]} does not fit an input of {shape[0]}x{shape[1]}"
                )
            extents.append(positions)
        return extents[0], extents[1], self.channels(shape[2])


class _Square(Window):
    kernel: int = Field(3, ge=1, le=31, description="height and width of the kernel")
    stride: int = Field(1, ge=1, le=16, description="step of the kernel in both directions")
    padding: int = Field(0, ge=0, le=15, description="zeros added on each side")

    @property
    def windows(self) -> Pair:
        """Return height and width of the kernel."""
        return self.kernel, self.kernel

    @property
    def strides(self) -> Pair:
        """Return the steps down and across."""
        return self.stride, self.stride

    @property
    def paddings(self) -> Pair:
        """Return the zeros added above and below, left and right."""
        return self.padding, self.padding


class Conv2d(_Square):
    """2-D convolution with bias; weights are (filters, kernel, kernel, channels)."""

    type: Literal["conv2d"] = "conv2d"
    filters: int = Field(ge=1, le=4096, description="number of filters, the structures of this layer")
    activation: Activated = "none"
    trainable: ClassVar[bool] = True

    def channels(self, input_channels: int) -> int:
        """Return the filters."""
        return self.filters


class Conv1d(Window):
    """1-D convolution over an image of height 1; weights are (filters, 1, kernel, channels)."""

    type: Literal["conv1d"] = "conv1d"
    filters: int = Field(ge=1, le=4096, description="number of filters, the structures of this layer")
    kernel: int = Field(3, ge=1, le=255, description="length of the kernel")
    stride: int = Field(1, ge=1, le=64, description="step of the kernel")
    padding: int = Field(0, ge=0, le=127, description="zeros added at both ends")
    activation: Activated = "none"
    trainable: ClassVar[bool] = True

    @property
    def windows(self) -> Pair:
        """Return 1 and the length of the kernel."""
        return 1, self.kernel

    @property
    def strides(self) -> Pair:
        """Return 1 and the step."""
        return 1, self.stride

    @property
    def paddings(self) -> Pair:
        """Return 0 and the zeros at each end."""
        return 0, self.padding

    def channels(self, input_channels: int) -> int:
        """Return the filters."""
        return self.filters


class Pointwise(Window):
    """1x1 convolution with bias; weights are (filters, 1, 1, channels)."""

    type: Literal["pointwise"] = "pointwise"
    filters: int = Field(ge=1, le=4096, description="number of filters, the structures of this layer")
    activation: Activated = "none"
    trainable: ClassVar[bool] = True

    @property
    def windows(self) -> Pair:
        """Return 1 and 1."""
        return 1, 1

    @property
    def strides(self) -> Pair:
        """Return 1 and 1."""
        return 1, 1

    def channels(self, input_channels: int) -> int:
        """Return the filters."""
        return self.filters


class DepthwiseConv2d(_Square):
    """2-D convolution of each channel by itself, with bias; weights are (channels, kernel, kernel)."""

    type: Literal["depthwise_conv2d"] = "depthwise_conv2d"
    activation: Activated = "none"
    trainable: ClassVar[bool] = True


class _Pool2d(Window):
    size: int = Field(2, ge=1, le=15, description="height and width of the window")
    stride: int | None = Field(None, ge=1, le=16, description="step of the window; its size when not given")

    @property
    def windows(self) -> Pair:
        """Return height and width of the window."""
        return self.size, self.size

    @property
    def strides(self) -> Pair:
        """Return the steps down and across."""
        step = self.stride or self.size
        return step, step


class MaxPool2d(_Pool2d):
    """Maximum over windows."""

    type: Literal["max_pool2d"] = "max_pool2d"


class AvgPool2d(_Pool2d):
    """Mean over windows."""

    type: Literal["avg_pool2d"] = "avg_pool2d"


class _Pool1d(Window):
    size: int = Field(2, ge=1, le=255, description="length of the window")
    stride: int | None = Field(None, ge=1, le=255, description="step of the window; its size when not given")

    @property
    def windows(self) -> Pair:
        """Return 1 and the length of the window."""
        return 1, self.size

    @property
    def strides(self) -> Pair:
        """Return 1 and the step."""
        return 1, self.stride or self.size


class MaxPool1d(_Pool1d):
    """Maximum over windows of an image of height 1."""

    type: Literal["max_pool1d"] = "max_pool1d"


class AvgPool1d(_Pool1d):
    """Mean over windows of an image of height 1."""

    type: Literal["avg_pool1d"] = "avg_pool1d"


class GlobalAvgPool(_Layer):
    """Mean of each channel over the whole image; gives a vector."""

    type: Literal["global_avg_pool"] = "global_avg_pool"

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels,)."""
        if len(shape) != 3:
            raise InputError(f"global_avg_pool needs an image of (height, width, channels), got {shape}")
        return (shape[2],)


class Flatten(_Layer):
    """Reads an image as a vector; moves no data."""

    type: Literal["flatten"] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        """Return (features,)."""
        features = 1
        for extent in shape:
            features *= extent
        return (features,)


class Dense(_Layer):
    """Fully connected layer with bias; weights are (units, features)."""

    type: Literal["dense"] = "dense"
    units: int = Field(ge=1, le=65535, description="number of rows, the structures of this layer")
    activation: Activated = "none"
    trainable: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        """Return (units,)."""
        if len(shape) != 1:
            raise InputError(f"dense needs a vector, got {shape}: put a flatten layer before it")
        return (self.units,)


class Add(_Layer):
    """Adds the output of an earlier layer, or the input of the network: the end of a residual block."""

    type: Literal["add"] = "add"
    of: str = Field(
        min_length=1,
        max_length=64,
        description="name of the earlier layer, or `input` for the input of the network",
        examples=["shortcut"],
    )

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input; `infer_shapes` compares it with that of the other layer."""
        return shape


class BatchNorm(_Layer):
    """Batch normalization, folded into the convolution or dense layer before it when the network is lowered."""

    type: Literal["batch_norm"] = "batch_norm"
    epsilon: float = Field(1e-3, gt=0, le=1, description="added to the variance")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input."""
        return shape


LayerSpec = Annotated[
    Conv2d
    | Conv1d
    | Pointwise
    | DepthwiseConv2d
    | Dense
    | MaxPool2d
    | MaxPool1d
    | AvgPool2d
    | AvgPool1d
    | GlobalAvgPool
    | Flatten
    | Add
    | BatchNorm,
    Field(discriminator="type"),
]
