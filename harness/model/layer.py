"""The layer vocabulary of scenarios and named networks. Activations are HWC; sizes in elements."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError

Shape = tuple[int, ...]
"""Shape of one sample at a layer boundary: (height, width, channels) or (features,)."""

Activation = Literal["none", "relu"]


class _Layer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    trainable: ClassVar[bool] = False

    def output_shape(self, shape: Shape) -> Shape:
        """Return the output shape for input `shape`; raise InputError when the layer does not fit it."""
        raise NotImplementedError


def _image(kind: str, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise InputError(f"{kind} needs an image of (height, width, channels), got {shape}")
    return shape[0], shape[1], shape[2]


class Conv2d(_Layer):
    """2-D convolution with bias and folded activation; weights are (filters, kernel, kernel, channels)."""

    type: Literal["conv2d"] = "conv2d"
    filters: int = Field(ge=1, le=4096, description="number of filters, the structures of this layer")
    kernel: int = Field(3, ge=1, le=31, description="height and width of the kernel")
    stride: int = Field(1, ge=1, le=16, description="step of the kernel in both directions")
    padding: int = Field(0, ge=0, le=15, description="zeros added on each side")
    activation: Activation = Field("none", description="folded into the requantization")
    trainable: ClassVar[bool] = True

    @property
    def kernels(self) -> tuple[int, int]:
        """Return height and width of the kernel."""
        return self.kernel, self.kernel

    @property
    def strides(self) -> tuple[int, int]:
        """Return the steps down and across."""
        return self.stride, self.stride

    @property
    def paddings(self) -> tuple[int, int]:
        """Return the zeros added above and below, left and right."""
        return self.padding, self.padding

    def output_shape(self, shape: Shape) -> Shape:
        """Return (height, width, filters)."""
        height, width, _ = _image("conv2d", shape)
        rows = (height + 2 * self.padding - self.kernel) // self.stride + 1
        columns = (width + 2 * self.padding - self.kernel) // self.stride + 1
        if rows < 1 or columns < 1 or self.padding >= self.kernel:
            raise InputError(
                f"conv2d with kernel {self.kernel} and padding {self.padding} does not fit an input of {height}x{width}"
            )
        return rows, columns, self.filters


class MaxPool2d(_Layer):
    """Maximum over windows that do not overlap the border."""

    type: Literal["max_pool2d"] = "max_pool2d"
    size: int = Field(2, ge=1, le=15, description="height and width of the window")
    stride: int | None = Field(None, ge=1, le=16, description="step of the window; its size when not given")

    @property
    def step(self) -> int:
        """Return the stride in both directions."""
        return self.stride or self.size

    def output_shape(self, shape: Shape) -> Shape:
        """Return (height, width, channels)."""
        height, width, channels = _image("max_pool2d", shape)
        if self.size > height or self.size > width:
            raise InputError(f"max_pool2d with size {self.size} does not fit an input of {height}x{width}")
        return (height - self.size) // self.step + 1, (width - self.size) // self.step + 1, channels


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
    """Fully connected layer with bias and folded activation; weights are (units, features)."""

    type: Literal["dense"] = "dense"
    units: int = Field(ge=1, le=65535, description="number of rows, the structures of this layer")
    activation: Activation = Field("none", description="folded into the requantization")
    trainable: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        """Return (units,)."""
        if len(shape) != 1:
            raise InputError(f"dense needs a vector, got {shape}: put a flatten layer before it")
        return (self.units,)


LayerSpec = Annotated[Conv2d | MaxPool2d | Flatten | Dense, Field(discriminator="type")]
