"""Networks written as ONNX files: ONNX Runtime computes what they compute, and reading gives them back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import first_channels, forward, random_samples, run_onnx
from small_networks import NETWORKS, random_weights
from small_runs import small_run
from small_scenarios import LAYERS, documents, environment, run, write_scenario
from small_twins import twin

from harness.dataset import load_dataset
from harness.engine.request import RunRequest, SampleStore
from harness.engine.twin import float_of_bits, run_twin
from harness.model import Network, fold_batch_norm, initial_weights, load_network, network_names, read_weights
from harness.model.onnx import onnx_model, read_onnx
from harness.pipeline import prepare
from harness.plan import Affine, deploy, make_plan
from harness.scenario import read_scenarios

NAMED = {name: load_network(name) for name in network_names()}


def channels_last(values: np.ndarray) -> np.ndarray:
    return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values


@pytest.mark.parametrize("net", [*NETWORKS.values(), *NAMED.values()], ids=[*NETWORKS, *NAMED])
def test_onnx_runtime_computes_the_logits_of_the_network(tmp_path: Path, net: Network) -> None:
    weights = random_weights(net, np.random.default_rng(3))
    (tmp_path / "net.onnx").write_bytes(onnx_model(net, weights, "a test", {}))
    samples = random_samples(net, 2)
    found = channels_last(run_onnx(tmp_path / "net.onnx", first_channels(samples)))
    expected = forward(net, weights, samples)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_what_was_written_is_read_and_written_again_bit_for_bit(tmp_path: Path, net: Network) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_model(net, random_weights(net, np.random.default_rng(3)), "a test", {}))
    read, weights = read_onnx(path, net.input_shape)
    path.write_bytes(onnx_model(read, weights, "again", {}))
    again, held = read_onnx(path, net.input_shape)
    assert again.layers == read.layers
    for before, after in zip(weights, held, strict=True):
        if before is not None:
            np.testing.assert_array_equal(before.weights, after.weights)
            np.testing.assert_array_equal(before.bias, after.bias)


def test_a_file_says_where_it_comes_from_and_what_it_takes(tmp_path: Path) -> None:
    net = NETWORKS["inverted-residual"]
    model = onnx.ModelProto.FromString(
        onnx_model(net, random_weights(net, np.random.default_rng(3)), "a test", {"run": "small"})
    )
    onnx.checker.check_model(model, full_check=True)
    (given,) = model.graph.input
    assert [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim] == ["N", 2, 7, 6]
    assert model.doc_string == "a test"
    assert {entry.key: entry.value for entry in model.metadata_props} == {"run": "small"}


def test_the_twin_and_onnx_runtime_agree_on_the_test_samples(tmp_path: Path) -> None:
    net = NAMED["digits-cnn"]
    weights = fold_batch_norm(net, initial_weights(net, 3))
    samples = load_dataset("digits", 1, 200, 1)
    store = SampleStore(
        *(samples.train_x.reshape(1, -1), samples.train_y, samples.test_x.reshape(200, -1), samples.test_y),
        *(np.empty(0, np.uint32), samples.scale, samples.zero_point),
    )
    plan = make_plan(net, "float32", "all")
    executable = twin(plan, deploy(plan, weights, Affine.of_range(0, 1), None), tmp_path)
    request = RunRequest(steps=0, batch_size=1, evaluate_at_end=200)
    records = run_twin(executable, request, store.pack(), timeout_s=60).records
    (record,) = (record for record in records if record["r"] == "eval")

    (tmp_path / "net.onnx").write_bytes(onnx_model(net, weights, "a test", {}))
    x = (samples.test_x.astype(np.float32) - samples.zero_point) * np.float32(samples.scale)
    logits = run_onnx(tmp_path / "net.onnx", first_channels(x))
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(200), samples.test_y]
    assert (logits.argmax(axis=1) == samples.test_y).sum() == record["ok"]
    assert losses.sum() == pytest.approx(float_of_bits(record["loss"]), rel=1e-5)


def export(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "export", *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_trained_weights_of_a_run_are_exported(tmp_path: Path) -> None:
    shutil.copytree(small_run(), tmp_path / "out")
    result = export("out", "-o", "made/net.onnx", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("made/net.onnx: small, ")
    (document,) = documents(tmp_path / "out")
    stored = tmp_path / "out" / "weights" / f"{document['run']['id']}.npz"
    network, weights = read_onnx(tmp_path / "made" / "net.onnx", (8, 8, 1))
    assert [layer.type for layer in network.layers] == [layer["type"] for layer in LAYERS]
    for before, after in zip(read_weights(stored, network), weights, strict=True):
        if before is not None:
            np.testing.assert_array_equal(before.weights, after.weights)
            np.testing.assert_array_equal(before.bias, after.bias)
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "made" / "net.onnx").metadata_props}
    assert metadata["dtype"] == "uint8"
    assert float(metadata["accuracy_test"]) == document["accuracy"]["test"]

    stored.unlink()
    result = export("out", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == f"{stored.relative_to(tmp_path)}: no such file; expected a .npz file of weights\n"


def test_a_scenario_takes_layers_and_weights_from_an_onnx_file(tmp_path: Path) -> None:
    net = NAMED["digits-cnn"]
    drawn = random_weights(net, np.random.default_rng(3))
    (tmp_path / "given.onnx").write_bytes(onnx_model(net, drawn, "a test", {}))
    path = write_scenario(tmp_path / "small.yaml", model={"onnx": "given.onnx"})
    (prepared,) = prepare(read_scenarios(path))
    assert prepared.network.layers == net.layers
    for before, after in zip(drawn, prepared.weights, strict=True):
        if before is not None:
            np.testing.assert_array_equal(before.weights, after.weights)


def test_a_scenario_says_what_is_wrong_with_its_onnx_file(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "small.yaml", model={"onnx": "none.onnx"})
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "none.onnx" in text)
    result = run("small.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == (
        f"small.yaml:{line}:9: model.onnx: {tmp_path}/none.onnx: no such file; expected an ONNX model\n"
    )
