"""What the shipped scenarios reach after their training, on the twin alone: the target gives the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cache import user_cache
from harness.dataset import load_dataset
from harness.errors import MissingToolError
from harness.pipeline import prepare
from harness.pipeline.run import RunSteps
from harness.pipeline.run_request import training_request
from harness.pipeline.twin_training import accuracy_of, twin_run
from harness.pipeline.twin_training import train as train_on_twin
from harness.result import Accuracy
from harness.scenario import read_scenarios

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"


def train(folder: Path, name: str, dtype: str, **training: Any) -> Accuracy:
    """Return what the first seed of a shipped scenario reaches, at update ratio 1.0."""
    body = yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text())
    body["training"].update(training)
    body["matrix"] = {"platform": ["nrf52840"], "training.dtype": [dtype], "training.update.min_ratio": [1.0]}
    (folder / "s.yaml").write_text(yaml.safe_dump(body))
    (run,) = prepare(read_scenarios(folder / "s.yaml"))
    steps = RunSteps(run, user_cache())
    trained = train_on_twin(user_cache(), steps.twin, training_request(run), steps.data, None)
    return accuracy_of(twin_run(trained).records, run.scenario.dataset.train)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("digits")
    return {dtype: train(folder, "accuracy/digits", dtype, epochs=6).test for dtype in ("float32", "mixed", "uint8")}


def test_float32_reaches_96_percent_on_digits(digits: dict[str, float]) -> None:
    assert digits["float32"] >= 0.96


@pytest.mark.parametrize("dtype", ["mixed", "uint8"])
def test_quantization_costs_at_most_2_points_on_digits(digits: dict[str, float], dtype: str) -> None:
    """One seed of five and fewer epochs; the closer bounds on means over seeds are those of docs/training.md."""
    assert digits[dtype] >= digits["float32"] - 0.02


def test_uint8_reaches_80_percent_on_fashion_mnist_from_scratch(tmp_path: Path) -> None:
    try:
        load_dataset("fashion-mnist", 1, 1, 1)
    except MissingToolError as problem:
        pytest.skip(f"Fashion-MNIST can neither be found nor fetched: {problem}")
    accuracy = train(tmp_path, "fashion", "uint8", epochs=2)
    assert accuracy.test_samples == 2000
    assert accuracy.test >= 0.80
