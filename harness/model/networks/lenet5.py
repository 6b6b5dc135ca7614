"""LeNet-5 (LeCun et al. 1998) in its usual modern form: max pooling and ReLU."""

from harness.model.layer import Conv2d, Dense, Flatten, MaxPool2d
from harness.model.network import Network

LENET5 = Network(
    name="lenet5",
    description="LeNet-5 with max pooling and ReLU for 28x28 grey images, 10 classes",
    input_shape=(28, 28, 1),
    layers=(
        Conv2d(filters=6, kernel=5, padding=2, activation="relu"),
        MaxPool2d(size=2),
        Conv2d(filters=16, kernel=5, activation="relu"),
        MaxPool2d(size=2),
        Flatten(),
        Dense(units=120, activation="relu"),
        Dense(units=84, activation="relu"),
        Dense(units=10),
    ),
)
