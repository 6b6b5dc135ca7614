"""Losses and gradients of the float32 twin equal those of PyTorch, recorded (by default) or live (marker `torch`).

PyTorch computes in float64. A gradient may be off by 1e-5 of the largest gradient of its tensor, a loss by 1e-5: some
tens of float32 roundings.
"""

from __future__ import annotations

import numpy as np
import pytest
from record_torch import DATA, SAMPLES, Recording, compute, draw, load
from small_networks import NETWORKS
from small_twins import twin

from harness.engine.request import RunRequest, SampleStore
from harness.engine.twin import float_of_bits, run_twin
from harness.errors import InputError
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
    LayerSpec,
    MaxPool1d,
    MaxPool2d,
    Network,
    Pointwise,
    fold_batch_norm,
)
from harness.plan import deploy, make_plan
from harness.plan.deployment import Affine

TOLERANCE = 1e-5
RECORDED = sorted(DATA.glob("torch_*.npz"))


def check(recording: Recording, folder, trained="all", *, alive=True):
    """Compare with what PyTorch gave; `alive`: no gradient is zero throughout."""
    plan = make_plan(recording.network, "float32", trained)
    deployment = deploy(plan, fold_batch_norm(recording.network, recording.weights), Affine.of_range(0, 1), None)
    steps = len(recording.samples)
    store = SampleStore(
        recording.samples,
        recording.labels,
        recording.samples[:0],
        recording.labels[:0],
        np.arange(steps, dtype=np.uint32),
        1.0,
        0,
    )
    # The minibatch is never full, so no update uses up the gradients.
    request = RunRequest(
        steps=steps,
        batch_size=steps + 1,
        policy="full",
        learning_rate=1.0,
        min_ratio=1.0,
        max_ratio=1.0,
        range_smoothing=0.0,
        weight_slack=0.0,
        record_steps=steps,
    )
    run = run_twin(twin(plan, deployment, folder), request, store.pack(), timeout_s=60)
    losses = [float_of_bits(record["loss"]) for record in run.records if record["r"] == "step"]
    np.testing.assert_allclose(losses, recording.losses, rtol=TOLERANCE, atol=TOLERANCE)
    for structures in plan.trained:
        expected = recording.gradients[structures.layer]
        assert expected is not None
        for tensor, exact in zip((structures.gradient, structures.bias_gradient), expected, strict=True):
            at = plan.offsets[tensor]
            seen = np.frombuffer(run.state[at : at + tensor.size_bytes], dtype="<f4").reshape(exact.shape)
            assert not alive or np.abs(exact).max() > 0, tensor.name
            np.testing.assert_allclose(seen, exact, rtol=0, atol=TOLERANCE * np.abs(exact).max(), err_msg=tensor.name)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_gradients_equal_those_that_pytorch_gave(path, tmp_path):
    check(load(path), tmp_path)


def test_a_trained_suffix_has_the_gradients_it_has_in_the_whole(tmp_path):
    for trained in (1, 2):
        check(load(DATA / "torch_overlapping-pools.npz"), tmp_path, trained)


def test_recordings_are_those_of_the_networks():
    assert [path.stem for path in RECORDED] == sorted(f"torch_{name}" for name in NETWORKS)
    for path in RECORDED:
        recording = load(path)
        assert recording.network.layers == NETWORKS[path.stem.removeprefix("torch_")].layers
        assert recording.torch.startswith("2.")
        assert len(recording.samples) == SAMPLES


def test_a_wrong_gradient_does_not_pass(tmp_path):
    recording = load(DATA / "torch_mlp.npz")
    gradient = recording.gradients[1]
    assert gradient is not None
    gradient[0][0, 0] += 1e-4 * np.abs(gradient[0]).max()
    with pytest.raises(AssertionError, match="gradient1"):
        check(recording, tmp_path)


def test_what_stands_before_a_batch_norm_cannot_be_added_because_it_does_not_exist():
    layers = (Pointwise(filters=2, name="before"), BatchNorm(name="behind"))
    assert len(Network("net", "for tests", (1, 3, 2), (*layers, Add(of="behind"))).shapes()) == 4
    with pytest.raises(InputError, match=r"layers\[2\]: add of 'before'.*expected the name on that batch_norm"):
        Network("net", "for tests", (1, 3, 2), (*layers, Add(of="before"))).shapes()


ACTIVATIONS = ("none", "relu", "relu6", "hard_swish")


class RandomLayers:
    """Adds random layers to an image or a series as long as they fit."""

    def __init__(self, seed: int) -> None:
        self.seed, self.generator = seed, np.random.default_rng(seed)
        self.series = bool(self.generator.random() < 0.3)
        height = 1 if self.series else self.integer(7, 12)
        self.shape = height, self.integer(9, 21) if self.series else self.integer(7, 12), self.integer(1, 3)
        self.layers: list[LayerSpec] = []

    def integer(self, low: int, high: int) -> int:
        return int(self.generator.integers(low, high + 1))

    def activation(self):
        return ACTIVATIONS[self.integer(0, 3)]

    def network(self):
        return Network(f"random-{self.seed}", "for tests", self.shape, tuple(self.layers))

    def candidate(self) -> LayerSpec:
        kernel = self.integer(1, 3)
        sizes = {"kernel": kernel, "padding": self.integer(0, kernel - 1), "stride": self.integer(1, 2)}
        given = {"activation": self.activation(), "name": f"layer{len(self.layers)}"}
        filters, pool = self.integer(2, 4), {"size": self.integer(1, 3), "stride": self.integer(1, 2)}
        alike = [
            layer.name
            for layer, shape in zip(self.layers, self.network().shapes()[1:], strict=True)
            if layer.name and shape == self.network().shapes()[-1]
        ]
        choices: list[LayerSpec] = [Pointwise(filters=filters, **given)]
        if self.series:
            choices += [Conv1d(filters=filters, **sizes, **given), MaxPool1d(**pool), AvgPool1d(**pool)]
        else:
            choices += [Conv2d(filters=filters, **sizes, **given), DepthwiseConv2d(**sizes, **given)]
            choices += [DepthwiseConv2d(padding=1, **given), MaxPool2d(**pool), AvgPool2d(**pool)]
        if alike:
            choices += [Add(of=alike[self.integer(0, len(alike) - 1)], name=given["name"])] * 4
        if self.layers and self.layers[-1].trainable and self.layers[-1].activation == "none":
            choices += [BatchNorm(name=given["name"])] * 3
        return choices[self.integer(0, len(choices) - 1)]

    def add(self, layer: LayerSpec) -> None:
        self.layers.append(layer)
        try:
            self.network().shapes()
        except InputError:
            self.layers.pop()


def random_network(seed: int):
    """Return a network of convolutions, pools and residual additions, and one or two dense layers."""
    layers = RandomLayers(seed)
    for _ in range(layers.integer(2, 9)):
        layers.add(layers.candidate())
    layers.add(Flatten() if layers.generator.random() < 0.5 else GlobalAvgPool())
    if layers.generator.random() < 0.5:
        layers.add(Dense(units=layers.integer(2, 12), activation=layers.activation()))
    layers.add(Dense(units=layers.integer(2, 8)))
    return layers.network()


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(60))
def test_gradients_of_random_networks_equal_those_of_pytorch(seed, tmp_path):
    pytest.importorskip("torch")
    net = random_network(seed)
    check(compute(net, *draw(net, seed)), tmp_path, alive=False)


@pytest.mark.torch
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recordings_can_be_made_again(path):
    pytest.importorskip("torch")
    recorded = load(path)
    again = compute(recorded.network, recorded.weights, recorded.samples, recorded.labels)
    np.testing.assert_allclose(again.losses, recorded.losses, rtol=1e-12)
    for now, before in zip(again.gradients, recorded.gradients, strict=True):
        if now is not None and before is not None:
            for part, recorded_part in zip(now, before, strict=True):
                np.testing.assert_allclose(part, recorded_part, rtol=1e-9, atol=1e-12)
