"""The emulation of samples of a training: each goes on from the state that the twin had there."""

from __future__ import annotations

from collections.abc import Callable

from harness.build import Build
from harness.cache import Cache, Entry, Output, code_hash
from harness.engine import Engine, Progress
from harness.engine.request import RunRequest
from harness.errors import AgreementError
from harness.pipeline.emulation import agree, emulate
from harness.pipeline.kept_files import TRACE
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.run_request import sample_requests
from harness.pipeline.sampling import Draw
from harness.pipeline.training_data import TrainingData
from harness.pipeline.twin_training import saved_state, train, twin_run
from harness.trace import Trace, weighted_sum


def emulate_samples(
    cache: Cache,
    engine: Engine,
    prepared: PreparedRun,
    sampled: Draw,
    target: Build,
    twin: Build,
    training: Entry,
    data: TrainingData,
    tell: Callable[[int], None],
) -> list[Entry]:
    """Return the emulation of each sample of `training`, a whole one on the twin; `tell` learns of every step.

    Raises AgreementError unless each does what the twin did, and ends in the state that the twin had behind it.
    """
    emulations, done = [], 0
    for request in sample_requests(prepared, sampled):
        state = saved_state(training, request.first_step) if request.first_step else b""
        emulation = emulate(cache, engine, prepared, target, request, data, _counted(tell, done), state)
        rehearsal = train(cache, twin, request, data, None, state)
        agree(cache, prepared.plan, emulation, rehearsal)
        _check_end(training, request, rehearsal)
        emulations.append(emulation)
        done += request.steps
    return emulations


def _counted(tell: Callable[[int], None], before: int) -> Progress:
    return lambda number: tell(before + number)


def _check_end(training: Entry, request: RunRequest, rehearsal: Entry) -> None:
    last = request.first_step + request.steps
    if twin_run(rehearsal).state != saved_state(training, last):
        raise AgreementError(
            f"steps {request.first_step + 1} to {last}, repeated from the state before them, end in another state than "
            "in the whole training"
        )


def merged(cache: Cache, emulations: list[Entry], sampled: Draw) -> Entry:
    """Return an entry with the sum of the traces of samples (the file `TRACE`), each as often as it counts."""
    weights = list(sampled.weights)
    inputs: dict[str, object] = {
        "traces": [emulation.checksums[TRACE] for emulation in emulations],
        "weights": weights,
        "code": code_hash("trace", "pipeline/sampled_emulation.py"),
    }

    def add() -> Output:
        traces = [Trace.load(emulation.path(TRACE)) for emulation in emulations]
        return Output(files={TRACE: weighted_sum(traces, weights).pack()})

    return cache.get("samples-merged", inputs, add)
