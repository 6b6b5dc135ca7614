"""A multilayer perceptron: dense layers only."""

from harness.model.layer import Dense, Flatten
from harness.model.network import Network

MLP = Network(
    name="mlp",
    description="two hidden dense layers for 28x28 grey images, 10 classes",
    input_shape=(28, 28, 1),
    layers=(
        Flatten(),
        Dense(units=64, activation="relu"),
        Dense(units=32, activation="relu"),
        Dense(units=10),
    ),
)
