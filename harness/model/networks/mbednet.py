"""An MbedNet-style net: inverted bottlenecks as in MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381).

The paper publishes no layer table of its MbedNet; this one is ours, of the size that its flash column suggests for grey
28x28 images. Expansion 4, ReLU6 inside the blocks, linear outputs, a residual where stride and channels allow it.
"""

from harness.model.layer import Add, Conv2d, Dense, DepthwiseConv2d, GlobalAvgPool, LayerSpec, Pointwise
from harness.model.network import Network

_EXPANSION = 4


def _bottleneck(name: str, inputs: int, outputs: int, stride: int, shortcut: str | None = None) -> list[LayerSpec]:
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
        *_bottleneck("block1", 16, 16, stride=1),
        *_bottleneck("block2", 16, 24, stride=2),
        *_bottleneck("block3", 24, 24, stride=1, shortcut="block2"),
        *_bottleneck("block4", 24, 40, stride=2),
        *_bottleneck("block5", 40, 40, stride=1, shortcut="block4"),
        Pointwise(filters=128, activation="relu6"),
        GlobalAvgPool(),
        Dense(units=10),
    ),
)
