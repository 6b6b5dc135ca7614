"""The last two blocks of MCUNet-5FPS with its classifier, the part trained in the paper's comparison.

Channels, windows and strides are those of the published model (github.com/mit-han-lab/tiny-training,
algorithm/assets/mcu_models/mcunet-5fps.pkl: `blocks[12]`, `blocks[13]` and `classifier`, for images of 128x128); its
classifier of 1000 classes is one of 10 here. The frozen part before them is not modelled; its output is the input here.
"""

from harness.model.layer import Add, Dense, DepthwiseConv2d, GlobalAvgPool, Pointwise
from harness.model.network import INPUT, Network

MCUNET_TAIL = Network(
    name="mcunet-tail",
    description="last two blocks of MCUNet-5FPS for 4x4 feature maps of 96 channels, 10 classes",
    input_shape=(4, 4, 96),
    layers=(
        Pointwise(filters=384, activation="relu6"),
        DepthwiseConv2d(kernel=5, padding=2, activation="relu6"),
        Pointwise(filters=96),
        Add(of=INPUT),
        Pointwise(filters=576, activation="relu6"),
        DepthwiseConv2d(kernel=3, padding=1, activation="relu6"),
        Pointwise(filters=160),
        GlobalAvgPool(),
        Dense(units=10),
    ),
)
