"""Losses and gradients of the float32 twin equal those of PyTorch, recorded (by default) or live (marker `torch`).

PyTorch computes in float64. A gradient may be off by 1e-5 of the largest gradient of its tensor, a loss by 1e-5: some
tens of float32 roundings.
"""

from __future__ import annotations

import numpy as np
import pytest
from record_torch import DATA, SAMPLES, Recording, compute, draw, load
from small_networks import NETWORKS, conv, dense, network
from small_twins import twin

from harness.engine.request import RunRequest, SampleStore
from harness.engine.twin import float_of_bits, run_twin
from harness.model import Flatten, MaxPool2d
from harness.plan import deploy, make_plan
from harness.plan.deployment import Affine

TOLERANCE = 1e-5
RECORDED = sorted(DATA.glob("torch_*.npz"))


def check(recording: Recording, folder, trained="all"):
    plan = make_plan(recording.network, "float32", trained)
    deployment = deploy(plan, recording.weights, Affine.of_range(0, 1), None)
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
            assert np.abs(exact).max() > 0, tensor.name
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


def random_network(seed: int):
    """Return a network of one to three convolutions with pools between them, and one or two dense layers."""
    generator = np.random.default_rng(seed)
    shape = (*(int(extent) for extent in generator.integers(8, 13, 2)), int(generator.integers(1, 4)))
    layers: list = []
    for _ in range(generator.integers(1, 4)):
        kernel = int(generator.integers(1, 4))
        padding, stride = int(generator.integers(0, kernel)), int(generator.integers(1, 3))
        layers.append(conv(int(generator.integers(1, 7)), kernel, stride, padding, relu=bool(generator.random() < 0.7)))
        height, width, _ = network("so far", shape, *layers).shapes()[-1]
        if generator.random() < 0.5 and min(height, width) >= 2:
            layers.append(MaxPool2d(size=2, stride=int(generator.integers(1, 3))))
        if min(network("so far", shape, *layers).shapes()[-1][:2]) < 3:
            break
    layers.append(Flatten())
    if generator.random() < 0.5:
        layers.append(dense(int(generator.integers(2, 12)), relu=True))
    return network(f"random-{seed}", shape, *layers, dense(int(generator.integers(2, 8))))


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(40))
def test_gradients_of_random_networks_equal_those_of_pytorch(seed, tmp_path):
    pytest.importorskip("torch")
    net = random_network(seed)
    check(compute(net, *draw(net, seed)), tmp_path)


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
