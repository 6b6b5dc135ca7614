"""Training on the host before the training on the device: one scenario, two stages, samples of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_scenarios import LAYERS, documents, run, write_scenario

from harness.cache import Cache
from harness.errors import InputError
from harness.model import fold_batch_norm, initial_weights, write_weights
from harness.pipeline import prepare
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.pretraining import pretrain, reset_layers
from harness.pipeline.training_data import training_data
from harness.scenario import read_scenarios

DATA = {"name": "digits", "train": 200, "test": 100, "seed": 1}
PRETRAINING = {"epochs": 3, "train": 300, "batch_size": 8, "learning_rate": 0.02}
TRAINING = {
    "epochs": 2,
    "batch_size": 8,
    "dtype": "float32",
    "learning_rate": 0.02,
    "reset": 1,
    "seed": 3,
    "update": {"min_ratio": 1.0},
}


def prepared(folder: Path, **changes: Any) -> PreparedRun:
    sections = {"dataset": DATA, "pretraining": PRETRAINING, "training": TRAINING, **changes}
    (one,) = prepare(read_scenarios(write_scenario(folder / "small.yaml", **sections)))
    return one


def rows(samples: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in samples}


def test_the_host_sees_no_sample_that_the_device_trains_or_tests_on(tmp_path: Path) -> None:
    one, cache = prepared(tmp_path), Cache(tmp_path / "cache")
    device = training_data(cache, one.scenario).store()
    host = training_data(cache, one.scenario.on_host(), one.scenario.pretraining_skips).store()
    assert (len(device.train), len(host.train), len(host.test)) == (200, 300, 100)
    assert len(host.order) == 900
    assert rows(host.train).isdisjoint(rows(device.train) | rows(device.test))
    np.testing.assert_array_equal(host.test, device.test)


def test_another_data_set_of_the_same_shape_can_come_first(tmp_path: Path) -> None:
    data = {"name": "fashion-mnist", "train": 60, "test": 100, "seed": 1}
    one = prepared(
        tmp_path,
        model={"name": "mlp"},
        dataset=data,
        pretraining={**PRETRAINING, "dataset": "mnist"},
        platform="stm32l4r5zi",
        memory={},
    )
    host = one.scenario.on_host()
    assert (host.dataset.name, host.dataset.train, one.scenario.pretraining_skips) == ("mnist", 300, 0)


def test_reset_layers_are_drawn_anew_and_the_others_stay(tmp_path: Path) -> None:
    one = prepared(tmp_path, model={"name": "digits-cnn"}, training={**TRAINING, "reset": 2})
    network = one.network
    pretrained = fold_batch_norm(network, initial_weights(network, 3))
    after = reset_layers(one, pretrained)
    weighted = [index for index, layer in enumerate(network.layers) if layer.trainable]
    changed = [index for index in weighted if not np.array_equal(after[index].weights, pretrained[index].weights)]
    # Also with the seed of the initial weights, or a reset would undo part of the pretraining only.
    assert changed == weighted[-2:]
    other = replace(one, scenario=one.scenario.without_reset())
    assert reset_layers(other, pretrained) is pretrained


def test_all_trained_layers_can_be_reset(tmp_path: Path) -> None:
    one = prepared(tmp_path, training={**TRAINING, "reset": "all", "trainable_layers": 1})
    assert one.reset_layers == 1
    assert prepared(tmp_path, training={**TRAINING, "reset": "all"}).reset_layers == 2


def test_pretraining_begins_with_weights_of_a_file_or_of_its_own_seed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")

    def weights(**changes: Any) -> list[np.ndarray]:
        pretrained = pretrain(cache, prepared(tmp_path, **changes), None)
        assert pretrained.accuracy > 0.6
        return [entry.weights for entry in pretrained.weights if entry is not None]

    def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
        return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))

    first = weights()
    assert equal(weights(training={**TRAINING, "seed": 4}), first)
    assert not equal(weights(pretraining={**PRETRAINING, "seed": 2}), first)
    network = prepared(tmp_path).network
    write_weights(tmp_path / "given.npz", fold_batch_norm(network, initial_weights(network, 2)))
    given = weights(model={"layers": LAYERS, "weights": "given.npz"})
    order = {**PRETRAINING, "seed": 2}
    assert not equal(given, first)
    assert equal(
        weights(model={"layers": LAYERS, "weights": "given.npz"}, pretraining=order), weights(pretraining=order)
    )


def test_runs_that_share_a_pretraining_do_it_once(tmp_path: Path) -> None:
    computed: list[str] = []
    cache = Cache(tmp_path / "cache").watched(computed.append)
    first = pretrain(cache, prepared(tmp_path), None)
    assert "training" in computed
    computed.clear()
    other = {**TRAINING, "dtype": "uint8", "update": {"min_ratio": 0.1}}
    again = pretrain(cache, prepared(tmp_path, training=other, platform="imxrt1062"), None)
    assert computed == []
    assert again.accuracy == first.accuracy
    pretrain(cache, prepared(tmp_path, pretraining={**PRETRAINING, "learning_rate": 0.01}), None)
    assert "training" in computed


def test_results_name_every_stage(tmp_path: Path) -> None:
    write_scenario(
        tmp_path / "small.yaml", dataset=DATA, pretraining=PRETRAINING, training=TRAINING, engine={"steps": 4}
    )
    result = run("small.yaml", "-o", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (document,) = documents(tmp_path / "out")
    accuracy = document["accuracy"]
    # Weights stay float32, so deployment loses nothing; the reset head has to be learnt again.
    assert accuracy["deployed"] == accuracy["pretrained"] > 0.6
    assert accuracy["reset"] < 0.4
    assert accuracy["test"] > accuracy["reset"] + 0.2
    assert "as deployed" in result.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    for stage in ("pretrained, on its own data", "as deployed", "last layers reset"):
        assert stage in page
    header = (tmp_path / "out" / "results.csv").read_text().splitlines()[0].split(",")
    assert {"accuracy_pretrained", "accuracy_deployed", "accuracy_reset", "pretraining_epochs", "reset"} <= set(header)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "reset more than trained": (
        {"training": {**TRAINING, "reset": 2, "trainable_layers": 1}},
        "2 layers, of which 1 are trained; expected at most 1",
    ),
    "reset more than there are": (
        {"training": {**TRAINING, "reset": 3}},
        "training.reset: 3 layers, of which 2 are trained; expected at most 2",
    ),
    "too many samples": (
        {"pretraining": {**PRETRAINING, "train": 1700}},
        "pretraining.train: 1700 samples beside the 200 of dataset.train; digits has 1797, of which 100 are for the",
    ),
    "another shape": (
        {"pretraining": {"epochs": 1, "dataset": "mnist"}},
        "pretraining.dataset: mnist has samples of 28x28x1 in 10 classes; expected 8x8x1 in 10, as digits has",
    ),
    "files of one's own": (
        {"pretraining": {"epochs": 1, "dataset": "npz"}},
        "pretraining.dataset: npz is in files of one's own",
    ),
    "an unknown key": ({"pretraining": {"epoch": 1}}, "did you mean 'epochs'?"),
}


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        prepared(tmp_path, **changes)
    (line,) = caught.value.lines
    assert line.startswith(f"{tmp_path}/small.yaml:")
    assert message in line
