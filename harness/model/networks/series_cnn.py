"""A 1-D CNN for windows of inertial or vibration data."""

from harness.model.layer import Conv1d, Dense, GlobalAvgPool, MaxPool1d
from harness.model.network import Network

SERIES_CNN = Network(
    name="series-cnn",
    description="1-D convolutional net for windows of 128 samples of 6 axes, 7 classes",
    input_shape=(1, 128, 6),
    layers=(
        Conv1d(filters=16, kernel=7, padding=3, activation="relu"),
        MaxPool1d(size=2),
        Conv1d(filters=24, kernel=5, padding=2, activation="relu"),
        MaxPool1d(size=2),
        Conv1d(filters=32, kernel=3, padding=1, activation="relu"),
        GlobalAvgPool(),
        Dense(units=32, activation="relu"),
        Dense(units=7),
    ),
)
