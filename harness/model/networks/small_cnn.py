"""The net of the paper's trainings from scratch: four trainable layers; the paper gives no sizes, these are ours.

For 8x8 images it is the net of the quickstart: small enough to watch it train on every board in a minute.
"""

from harness.model.layer import Conv2d, Dense, Flatten, LayerSpec, MaxPool2d
from harness.model.network import Network

_LAYERS: tuple[LayerSpec, ...] = (
    Conv2d(filters=8, kernel=3, padding=1, activation="relu"),
    MaxPool2d(size=2),
    Conv2d(filters=16, kernel=3, padding=1, activation="relu"),
    MaxPool2d(size=2),
    Flatten(),
    Dense(units=32, activation="relu"),
    Dense(units=10),
)

DIGITS_CNN = Network(
    name="digits-cnn",
    description="small convolutional net for 8x8 grey images, 10 classes",
    input_shape=(8, 8, 1),
    layers=_LAYERS,
)

FMNIST_CNN = Network(
    name="fmnist-cnn",
    description="convolutional net with four trainable layers for 28x28 grey images, 10 classes",
    input_shape=(28, 28, 1),
    layers=_LAYERS,
)
