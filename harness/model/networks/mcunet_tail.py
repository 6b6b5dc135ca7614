"""The last two blocks of MCUNet-5FPS with its classifier, the part trained in the paper's comparison.

The frozen part before them is not modelled; its output is the input here.
"""

from harness.model.layer import Dense, DepthwiseConv2d, GlobalAvgPool, Pointwise
from harness.model.network import Network

MCUNET_TAIL = Network(
    name="mcunet-tail",
    description="last two blocks of MCUNet-5FPS for 5x5 feature maps of 96 channels, 10 classes",
    input_shape=(5, 5, 96),
    layers=(
        Pointwise(filters=480, activation="relu6"),
        DepthwiseConv2d(kernel=5, padding=2, activation="relu6"),
        Pointwise(filters=96),
        Pointwise(filters=384, activation="relu6"),
        DepthwiseConv2d(kernel=3, padding=1, activation="relu6"),
        Pointwise(filters=160),
        GlobalAvgPool(),
        Dense(units=10),
    ),
)
