"""An MbedNet-style net: inverted bottlenecks as in MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381).

The paper publishes no layer table of its MbedNet; this one is ours, of the size that the paper's flash and RAM columns
of its animals tell: 192 thousand frozen weights and 73 thousand in the last five layers (206 and 77 here). Expansion 6,
ReLU6 inside the blocks, linear outputs, a residual where stride and channels allow it.
"""

from harness.model.layer import Add, Conv2d, Dense, DepthwiseConv2d, GlobalAvgPool, LayerSpec, Pointwise
from harness.model.network import Network

_EXPANSION = 6


def _bottleneck(name: str, inputs: int, outputs: int, stride: int = 1, shortcut: str | None = None) -> list[LayerSpec]:
    """Return one inverted bottleneck; with `shortcut`, the name of its input, it ends in a residual add."""
    layers: list[LayerSpec] = [
        Pointwise(filters=inputs * _EXPANSION, activation="relu6"),
        DepthwiseConv2d(kernel=3, stride=stride, padding=1, activation="relu6"),
        Pointwise(filters=outputs, name=None if shortcut else name),
    ]
    if shortcut:
        layers.append(Add(of=shortcut, name=name))
    return layers


MBEDNET = Network(
    name="mbednet",
    description="MbedNet-style inverted bottlenecks for 28x28 grey images, 10 classes",
    input_shape=(28, 28, 1),
    layers=(
        Conv2d(filters=16, kernel=3, stride=2, padding=1, activation="relu6"),
        *_bottleneck("block1", 16, 24),
        *_bottleneck("block2", 24, 24, shortcut="block1"),
        *_bottleneck("block3", 24, 32, stride=2),
        *_bottleneck("block4", 32, 32, shortcut="block3"),
        *_bottleneck("block5", 32, 48),
        *_bottleneck("block6", 48, 48, shortcut="block5"),
        *_bottleneck("block7", 48, 48, shortcut="block6"),
        *_bottleneck("block8", 48, 64, stride=2),
        *_bottleneck("block9", 64, 64, shortcut="block8"),
        *_bottleneck("block10", 64, 64, shortcut="block9"),
        Pointwise(filters=320, activation="relu6"),
        GlobalAvgPool(),
        Dense(units=10),
    ),
)
