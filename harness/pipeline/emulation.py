"""The emulation of some steps, and its agreement with the twin."""

from __future__ import annotations

from dataclasses import replace

from harness.assets import content_hash
from harness.build import Build, Image
from harness.cache import Cache, Entry, Output, code_hash
from harness.engine import Engine, Job, Progress, run_isolated
from harness.engine.request import RunRequest
from harness.errors import EngineError
from harness.pipeline.agreement import check_agreement
from harness.pipeline.kept_files import TRACE
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.training_data import TrainingData
from harness.pipeline.twin_training import twin_run
from harness.plan import Plan
from harness.trace import Trace

_STATE = "state.bin"
_UNSEEN = frozenset({"title", "power", "sources", "memory_system"})
"""What of a board the emulated firmware cannot see; the memory system unless caches are simulated."""


def emulate(
    cache: Cache,
    engine: Engine,
    prepared: PreparedRun,
    target: Build,
    request: RunRequest,
    data: TrainingData,
    progress: Progress | None,
    state: bytes = b"",
) -> Entry:
    """Return the entry with the trace of the steps asked for (the file `TRACE`), and the state they end in.

    Those of a request with a `first_step` go on from `state`.

    Raises what the engine raises, and EngineError when the samples do not fit the board.
    """
    choice, platform = prepared.scenario.engine, prepared.platform
    simulate = choice.cache == "simulate"
    inputs: dict[str, object] = {
        "engine": engine.identity,
        "program": target.program,
        "request": request.pack().hex(),
        "data": data.identity,
        "state": content_hash([state]),
        "state_bytes": prepared.plan.state_bytes,
        "platform": platform.model_dump(mode="json", exclude=set(_UNSEEN - {"memory_system"} if simulate else _UNSEEN)),
        "simulate": simulate,
        "code": code_hash("pipeline/emulation.py"),
    }

    def compute() -> Output:
        image = Image(target.executable)
        store = data.store().steps_behind(request.first_step, request.steps, request.evaluate_at_end, state).pack()
        samples = platform.memory("samples")
        if len(store) > samples.size_bytes:
            raise EngineError(
                f"the samples of {request.steps} steps take {len(store)} bytes; {platform.name} maps "
                f"{samples.size_bytes} bytes of external flash for them; expected fewer engine.steps"
            )
        job = Job(
            elf=target.executable,
            platform=platform,
            writes=((image.symbols["run_request"].address, request.pack()), (samples.origin, store)),
            reads={"state": (image.symbols["arena"].address, prepared.plan.state_bytes)},
            timeout_s=choice.timeout_s,
            simulate_caches=simulate,
        )
        trace = run_isolated(job, progress, engine)
        kept = replace(trace, memory={}, wall_seconds=0.0)  # equal runs leave equal files
        return Output(files={TRACE: kept.pack(), _STATE: trace.memory["state"]})

    return cache.get("emulation", inputs, compute)


def agree(cache: Cache, plan: Plan, emulation: Entry, rehearsal: Entry) -> None:
    """Raise AgreementError unless the target did in emulation exactly what the twin did in its `rehearsal`."""
    inputs = {
        "emulation": emulation.content,
        "rehearsal": rehearsal.content,
        "code": code_hash("pipeline/emulation.py", "pipeline/agreement.py"),
    }

    def compare() -> Output:
        trace, twin = Trace.load(emulation.path(TRACE)), twin_run(rehearsal)
        check_agreement(plan, trace.records, twin.records, emulation.read(_STATE), twin.state)
        return Output()

    cache.get("agreement", inputs, compare)
