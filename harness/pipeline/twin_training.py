"""A training on the twin: its records and the state it ends in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.assets import content_hash
from harness.build import Build, build_firmware
from harness.cache import Cache, Entry, Output, code_hash
from harness.engine.job import Progress
from harness.engine.request import RunRequest
from harness.engine.twin import TwinRun, float_of_bits, run_twin
from harness.pipeline.training_data import TrainingData
from harness.result import Accuracy, Epoch

TIMEOUT_S = 4 * 3600.0
_OPTIMIZATION = "-O3"

_RECORDS, _STATE = "records.json", "state.bin"


def build_twin(source: str, cache: Cache) -> Build:
    """Return the twin of the plan.c `source`."""
    return build_firmware("host", {"plan.c": source}, _OPTIMIZATION, cache)


def evaluate(cache: Cache, twin: Build, data: TrainingData, samples: int) -> float:
    """Return which share (0..1) of the first `samples` test samples the network classifies right as it was deployed."""
    entry = train(cache, twin, RunRequest(steps=0, batch_size=1, evaluate_at_end=samples), data, None)
    (record,) = (record for record in twin_run(entry).records if record["r"] == "eval")
    return float(record["ok"] / record["of"])


def train(
    cache: Cache,
    twin: Build,
    request: RunRequest,
    data: TrainingData,
    progress: Progress | None,
    state: bytes = b"",
    saved_steps: Sequence[int] = (),
) -> Entry:
    """Return what the twin does with `request`; see `twin_run`.

    It is given the samples that it visits, and the `state` that it goes on from. The states behind `saved_steps` are
    kept; see `saved_state`. Raises EngineError when it fails or takes longer than `TIMEOUT_S`.
    """
    tested = max(request.evaluate_each_epoch, request.evaluate_at_end)
    inputs = {
        "program": twin.program,
        "request": request.pack().hex(),
        "data": data.identity,
        "tested": tested,
        "state": content_hash([state]),
        "saved": list(saved_steps),
        "code": code_hash("engine/twin.py", "pipeline/twin_training.py"),
    }

    def compute() -> Output:
        store = data.store().steps_behind(request.first_step, request.steps, tested, state).pack()
        run = run_twin(twin.executable, request, store, TIMEOUT_S, progress, saved_steps)
        saved = {_saved_file(step): content for step, content in run.saved.items()}
        return Output(files={_RECORDS: json.dumps(run.records).encode(), _STATE: run.state, **saved})

    return cache.get("training", inputs, compute)


def _saved_file(step: int) -> str:
    return f"state-{step}.bin"


def saved_state(entry: Entry, step: int) -> bytes:
    """Return the state of a training behind `step`, one of its `saved_steps`."""
    return entry.read(_saved_file(step))


def twin_run(entry: Entry) -> TwinRun:
    """Return records and final state of a training."""
    return TwinRun(tuple(json.loads(entry.read(_RECORDS))), entry.read(_STATE))


def accuracy_of(records: tuple[dict[str, Any], ...], train_samples: int) -> Accuracy:
    """Return what a training of epochs of `train_samples` reached."""
    trained = [record for record in records if record["r"] == "epoch"]
    tested = [record for record in records if record["r"] == "eval"]
    epochs = tuple(
        Epoch(
            epoch=number,
            train_loss=float_of_bits(epoch["loss"]),
            train_accuracy=epoch["ok"] / train_samples,
            test_accuracy=test["ok"] / test["of"],
        )
        for number, (epoch, test) in enumerate(zip(trained, tested, strict=True), start=1)
    )
    last = tested[-1]
    return Accuracy(
        test=last["ok"] / last["of"],
        test_samples=last["of"],
        loss=float_of_bits(last["loss"]) / last["of"],
        by_epoch=epochs,
    )


def updated_share(records: tuple[dict[str, Any], ...], structures: int, steps: int) -> float:
    """Return the mean share of the `structures` that got a gradient in one of `steps` steps."""
    selected = sum(record["selected"] for record in records if record["r"] == "epoch")
    return float(selected / (structures * steps))
