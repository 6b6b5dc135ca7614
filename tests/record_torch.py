"""Records losses and gradients of small networks as PyTorch computes them: `python tests/record_torch.py`.

Writes one tests/data/torch_NAME.npz a network: the layers as JSON, float32 weights, samples and labels, and in float64
the loss of each sample and the gradient of the sum of losses with respect to every weight and bias, those with batch
normalization folded. Weights are in the layout of the harness, (structures, elements), activations are (height, width,
channels).
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from small_networks import NETWORKS, random_weights

from harness.assets import write_atomically
from harness.model import (
    Add,
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Flatten,
    GlobalAvgPool,
    LayerWeights,
    MaxPool1d,
    MaxPool2d,
    Network,
    NetworkWeights,
    Normalization,
    Pointwise,
    network_of_layers,
)
from harness.model.network import INPUT

DATA = Path(__file__).parent / "data"
SAMPLES = 6
NORMALIZATION = ("gamma", "beta", "mean", "variance")


@dataclass(frozen=True)
class Recording:
    """What a network was given, and what PyTorch made of it; `weights` and `gradients` have one entry a layer."""

    network: Network
    weights: NetworkWeights
    samples: np.ndarray
    labels: np.ndarray
    losses: np.ndarray
    gradients: tuple[tuple[np.ndarray, np.ndarray] | None, ...]
    torch: str


def compute(network: Network, weights: NetworkWeights, samples: np.ndarray, labels: np.ndarray) -> Recording:
    """Return the losses and gradients of `samples` (n, elements), computed by PyTorch in float64."""
    import torch
    from torch.nn import functional

    parameters = [
        tuple(torch.tensor(part, dtype=torch.float64, requires_grad=True) for part in (drawn.weights, drawn.bias))
        if isinstance(drawn, LayerWeights)
        else None
        for drawn in weights
    ]
    activations = {"relu": functional.relu, "relu6": functional.relu6, "hard_swish": functional.hardswish}
    x = torch.tensor(samples, dtype=torch.float64).reshape(len(samples), *network.input_shape)
    outputs: dict[str, Any] = {INPUT: x}
    for layer, own, drawn in zip(network.layers, parameters, weights, strict=True):
        image = x.permute(0, 3, 1, 2) if x.ndim == 4 else x
        match layer:
            case Dense():
                x = functional.linear(x, *own)
            case DepthwiseConv2d():
                filters = own[0].reshape(-1, 1, *layer.windows)
                groups = image.shape[1]
                image = functional.conv2d(image, filters, own[1], layer.strides, layer.paddings, groups=groups)
                x = image.permute(0, 2, 3, 1)
            case Conv2d() | Conv1d() | Pointwise():
                filters = own[0].reshape(layer.filters, *layer.windows, x.shape[3]).permute(0, 3, 1, 2)
                x = functional.conv2d(image, filters, own[1], layer.strides, layer.paddings).permute(0, 2, 3, 1)
            case MaxPool2d() | MaxPool1d():
                x = functional.max_pool2d(image, layer.windows, layer.strides).permute(0, 2, 3, 1)
            case AvgPool2d() | AvgPool1d():
                x = functional.avg_pool2d(image, layer.windows, layer.strides).permute(0, 2, 3, 1)
            case GlobalAvgPool():
                x = functional.adaptive_avg_pool2d(image, 1).reshape(len(samples), -1)
            case Add():
                x = x + outputs[layer.of]
            case Flatten():
                x = x.reshape(len(samples), -1)
            case BatchNorm():
                assert isinstance(drawn, Normalization)
                parts = (drawn.mean, drawn.variance, drawn.gamma, drawn.beta)
                tensors = (torch.tensor(part, dtype=torch.float64) for part in parts)
                image = functional.batch_norm(image, *tensors, eps=layer.epsilon)
                x = image.permute(0, 2, 3, 1) if x.ndim == 4 else image
        x = activations.get(getattr(layer, "activation", "none"), lambda value: value)(x)
        if layer.name:
            outputs[layer.name] = x
    logits = x.reshape(len(samples), -1)
    losses = functional.cross_entropy(logits, torch.tensor(labels, dtype=torch.int64), reduction="none")
    losses.sum().backward()
    gradients: list[tuple[np.ndarray, np.ndarray] | None] = []
    for layer, own, drawn in zip(network.layers, parameters, weights, strict=True):
        gradients.append(None if own is None else (own[0].grad.numpy(), own[1].grad.numpy()))
        if isinstance(drawn, Normalization) and gradients[-2] is not None:
            # w' = f w and b' = f b + c, so the gradient with respect to w' is that with respect to w over f.
            factor = drawn.gamma / np.sqrt(drawn.variance.astype(np.float64) + layer.epsilon)
            gradients[-2] = gradients[-2][0] / factor[:, np.newaxis], gradients[-2][1] / factor
    return Recording(
        network, tuple(weights), samples, labels, losses.detach().numpy(), tuple(gradients), torch.__version__
    )


def random_normalization(channels: int, generator: np.random.Generator) -> Normalization:
    gamma = generator.choice([-1, 1], channels) * generator.uniform(0.5, 1.5, channels)
    parts = gamma, *generator.normal(size=(2, channels)), generator.uniform(0.3, 2, channels)
    return Normalization(*(part.astype(np.float32) for part in parts))


def draw(network: Network, seed: int) -> tuple[NetworkWeights, np.ndarray, np.ndarray]:
    """Return random weights, samples and labels."""
    generator = np.random.default_rng(seed)
    classes = int(np.prod(network.shapes()[-1]))
    samples = generator.normal(size=(SAMPLES, int(np.prod(network.input_shape)))).astype(np.float32)
    weights: list[LayerWeights | Normalization | None] = list(random_weights(network, generator))
    labels = generator.integers(0, classes, SAMPLES).astype(np.uint8)
    for index, layer in enumerate(network.layers):
        if isinstance(layer, BatchNorm):
            weights[index] = random_normalization(network.shapes()[index][-1], generator)
    return tuple(weights), samples, labels


def save(recording: Recording) -> None:
    arrays: dict[str, Any] = {"samples": recording.samples, "labels": recording.labels, "losses": recording.losses}
    for index, (drawn, gradient) in enumerate(zip(recording.weights, recording.gradients, strict=True)):
        if isinstance(drawn, Normalization):
            arrays |= {f"{name}{index}": getattr(drawn, name) for name in NORMALIZATION}
        elif drawn is not None and gradient is not None:
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
        weights: list[LayerWeights | Normalization | None] = []
        gradients: list[tuple[np.ndarray, np.ndarray] | None] = []
        for index, layer in enumerate(network.layers):
            entry: LayerWeights | Normalization | None = None
            if isinstance(layer, BatchNorm):
                entry = Normalization(*(arrays[f"{name}{index}"] for name in NORMALIZATION))
            elif layer.trainable:
                entry = LayerWeights(arrays[f"weights{index}"], arrays[f"bias{index}"])
            weights.append(entry)
            parts = f"weights{index}_gradient", f"bias{index}_gradient"
            gradients.append((arrays[parts[0]], arrays[parts[1]]) if layer.trainable else None)
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
