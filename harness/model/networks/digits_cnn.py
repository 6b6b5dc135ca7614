"""The net of the quickstart: small enough to watch it train on every board in a minute."""

from harness.model.layer import Conv2d, Dense, Flatten, MaxPool2d
from harness.model.network import Network

DIGITS_CNN = Network(
    name="digits-cnn",
    description="small convolutional net for 8x8 grey images, 10 classes",
    input_shape=(8, 8, 1),
    layers=(
        Conv2d(filters=8, kernel=3, padding=1, activation="relu"),
        MaxPool2d(size=2),
        Conv2d(filters=16, kernel=3, padding=1, activation="relu"),
        MaxPool2d(size=2),
        Flatten(),
        Dense(units=32, activation="relu"),
        Dense(units=10),
    ),
)
