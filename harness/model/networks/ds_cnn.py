"""DS-CNN for keyword features (Zhang et al. 2017, arXiv 1711.07128), sized for 49 frames of 13 MFCCs."""

from harness.model.layer import Conv2d, Dense, DepthwiseConv2d, GlobalAvgPool, LayerSpec, Pointwise
from harness.model.network import Network

_CHANNELS = 32


def _separable() -> list[LayerSpec]:
    return [
        DepthwiseConv2d(kernel=3, padding=1, activation="relu"),
        Pointwise(filters=_CHANNELS, activation="relu"),
    ]


DS_CNN = Network(
    name="ds-cnn",
    description="depthwise separable net for 49 frames of 13 speech features, 10 classes",
    input_shape=(49, 13, 1),
    layers=(
        Conv2d(filters=_CHANNELS, kernel=5, stride=2, padding=2, activation="relu"),
        *_separable(),
        *_separable(),
        *_separable(),
        GlobalAvgPool(),
        Dense(units=10),
    ),
)
