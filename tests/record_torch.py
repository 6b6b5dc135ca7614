"""Records losses and gradients of small networks as PyTorch computes them: `python tests/record_torch.py`.

Writes one tests/data/torch_NAME.npz a network: the layers as JSON, float32 weights, samples and labels, and in float64
the loss of each sample and the gradient of the sum of losses with respect to every weight and bias. Weights are in the
layout of the harness, (structures, elements), activations are (height, width, channels).
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from small_networks import NETWORKS, random_weights

from harness.assets import write_atomically
from harness.model import Conv2d, Dense, LayerWeights, MaxPool2d, Network, network_of_layers

DATA = Path(__file__).parent / "data"
SAMPLES = 6


@dataclass(frozen=True)
class Recording:
    """What a network was given, and what PyTorch made of it; `weights` and `gradients` have one entry a layer."""

    network: Network
    weights: tuple[LayerWeights | None, ...]
    samples: np.ndarray
    labels: np.ndarray
    losses: np.ndarray
    gradients: tuple[tuple[np.ndarray, np.ndarray] | None, ...]
    torch: str


def compute(
    network: Network, weights: Sequence[LayerWeights | None], samples: np.ndarray, labels: np.ndarray
) -> Recording:
    """Return the losses and gradients of `samples` (n, elements), computed by PyTorch in float64."""
    import torch
    from torch.nn import functional

    parameters = [
        None if drawn is None else tuple(torch.tensor(part, dtype=torch.float64, requires_grad=True)
                                         for part in (drawn.weights, drawn.bias))
        for drawn in weights
    ]  # fmt: skip
    x = torch.tensor(samples, dtype=torch.float64).reshape(len(samples), *network.input_shape)
    for layer, own in zip(network.layers, parameters, strict=True):
        if isinstance(layer, Conv2d):
            assert own is not None
            filters = own[0].reshape(layer.filters, layer.kernel, layer.kernel, x.shape[3]).permute(0, 3, 1, 2)
            image = x.permute(0, 3, 1, 2)
            x = functional.conv2d(image, filters, own[1], layer.stride, layer.padding).permute(0, 2, 3, 1)
        elif isinstance(layer, MaxPool2d):
            x = functional.max_pool2d(x.permute(0, 3, 1, 2), layer.size, layer.stride).permute(0, 2, 3, 1)
        elif isinstance(layer, Dense):
            assert own is not None
            x = functional.linear(x, *own)
        else:
            x = x.reshape(len(samples), -1)
        if getattr(layer, "activation", "none") == "relu":
            x = functional.relu(x)
    logits = x.reshape(len(samples), -1)
    losses = functional.cross_entropy(logits, torch.tensor(labels, dtype=torch.int64), reduction="none")
    losses.sum().backward()
    gradients = tuple(None if own is None else tuple(part.grad.numpy() for part in own) for own in parameters)
    return Recording(network, tuple(weights), samples, labels, losses.detach().numpy(), gradients, torch.__version__)


def draw(network: Network, seed: int) -> tuple[tuple[LayerWeights | None, ...], np.ndarray, np.ndarray]:
    """Return random weights, samples and labels."""
    generator = np.random.default_rng(seed)
    classes = int(np.prod(network.shapes()[-1]))
    samples = generator.normal(size=(SAMPLES, int(np.prod(network.input_shape)))).astype(np.float32)
    return random_weights(network, generator), samples, generator.integers(0, classes, SAMPLES).astype(np.uint8)


def save(recording: Recording) -> None:
    arrays: dict[str, Any] = {"samples": recording.samples, "labels": recording.labels, "losses": recording.losses}
    for index, (drawn, gradient) in enumerate(zip(recording.weights, recording.gradients, strict=True)):
        if drawn is not None and gradient is not None:
            arrays |= {f"weights{index}": drawn.weights, f"bias{index}": drawn.bias}
            arrays |= {f"weights{index}_gradient": gradient[0], f"bias{index}_gradient": gradient[1]}
    layers = [layer.model_dump(mode="json") for layer in recording.network.layers]
    arrays["about"] = json.dumps(
        {"layers": layers, "input_shape": recording.network.input_shape, "torch": recording.torch,
         "numpy": np.__version__}
    )  # fmt: skip
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    write_atomically(DATA / f"torch_{recording.network.name}.npz", data.getvalue())


def load(path: Path) -> Recording:
    from pydantic import TypeAdapter

    from harness.model import LayerSpec

    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        network = network_of_layers(TypeAdapter(list[LayerSpec]).validate_python(about["layers"]), about["input_shape"])
        weights: list[LayerWeights | None] = []
        gradients: list[tuple[np.ndarray, np.ndarray] | None] = []
        for index in range(len(network.layers)):
            known = f"weights{index}" in arrays
            weights.append(LayerWeights(arrays[f"weights{index}"], arrays[f"bias{index}"]) if known else None)
            gradient = f"weights{index}_gradient", f"bias{index}_gradient"
            gradients.append((arrays[gradient[0]], arrays[gradient[1]]) if known else None)
        return Recording(
            network,
            tuple(weights),
            arrays["samples"],
            arrays["labels"],
            arrays["losses"],
            tuple(gradients),
            about["torch"],
        )


if __name__ == "__main__":
    for number, net in enumerate(NETWORKS.values()):
        save(compute(net, *draw(net, number)))
