"""The samples of a run in the order in which training visits them, and what identifies them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from harness.cache import Cache, Entry, Output, code_hash
from harness.dataset import DatasetInfo, SampleSet, identity, load_dataset, visiting_order
from harness.engine.request import SampleStore
from harness.pipeline.schedule import learning_rates
from harness.scenario import Scenario

_FILE = "samples.npz"
_ARRAYS = [field.name for field in fields(SampleSet) if field.name != "info"]


@dataclass(frozen=True)
class TrainingData:
    """The samples of a run and the number of `steps` that visit them. `identity` decides every byte of `store()`.

    A uint8 value q of a sample means the real value scale * (q - zero_point).
    """

    identity: dict[str, JsonValue]
    steps: int
    scale: float
    zero_point: int
    store: Callable[[], SampleStore]


def training_data(cache: Cache, scenario: Scenario, skipped: int = 0) -> TrainingData:
    """Return the samples that `scenario` draws, but `skipped` other training samples: those that follow them.

    Raises what `load_dataset` raises.
    """
    choice, training = scenario.dataset, scenario.training
    inputs: dict[str, object] = {
        "dataset": identity(scenario.origin()),
        "drawn": [choice.train, choice.test, choice.seed],
        "treated": choice.model_dump(mode="json", include={"shift", "augment", "normalise"}),
        "skipped": skipped,
        "code": code_hash("dataset", "pipeline/training_data.py"),
    }
    entry = cache.get("samples", inputs, lambda: _packed(_drawn(scenario, skipped)))

    def store() -> SampleStore:
        samples = _unpacked(entry.path(_FILE), scenario.dataset_info())
        return SampleStore(
            train=samples.train_x.reshape(len(samples.train_x), -1),
            train_labels=samples.train_y,
            test=samples.test_x.reshape(len(samples.test_x), -1),
            test_labels=samples.test_y,
            order=visiting_order(
                len(samples.train_x) // samples.versions, training.epochs, training.seed, samples.versions
            ),
            scale=samples.scale,
            zero_point=samples.zero_point,
            schedule=learning_rates(training),
        )

    scale, zero_point = float(str(entry.values["scale"])), int(str(entry.values["zero_point"]))
    return TrainingData(_identity(entry, scenario), choice.train * training.epochs, scale, zero_point, store)


def _drawn(scenario: Scenario, skipped: int) -> SampleSet:
    choice = scenario.dataset
    samples = load_dataset(scenario.origin(), skipped + choice.train, choice.test, choice.seed, choice.treatment())
    if not skipped:
        return samples
    return replace(samples, train_x=samples.train_x[skipped:], train_y=samples.train_y[skipped:])


def _identity(entry: Entry, scenario: Scenario) -> dict[str, JsonValue]:
    training = scenario.training
    return {
        "samples": entry.content,
        "epochs": training.epochs,
        "order_seed": training.seed,
        "learning_rates": [float(rate) for rate in learning_rates(training)],
        "code": code_hash("dataset/sample.py", "engine/request.py"),
    }


def _packed(samples: SampleSet) -> Output:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{name: np.asarray(getattr(samples, name)) for name in _ARRAYS})
    return Output({"scale": samples.scale, "zero_point": samples.zero_point}, {_FILE: file.getvalue()})


@lru_cache(maxsize=4)
def _unpacked(path: Path, info: DatasetInfo) -> SampleSet:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in ("train_x", "train_y", "test_x", "test_y")}
        scale, zero_point, versions = float(file["scale"]), int(file["zero_point"]), int(file["versions"])
        return SampleSet(info, **arrays, scale=scale, zero_point=zero_point, versions=versions)
