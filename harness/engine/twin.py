"""The twin: the firmware built for the host, run as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.engine.job import Progress
from harness.engine.request import RunRequest
from harness.errors import EngineError

REFUSALS = {
    1: "the run request has another version than the firmware",
    2: "there is no sample store",
    3: "the samples have another size than the input of the network",
    4: "the sample store holds too few samples",
    5: "the plan has no velocities, which an optimizer with momentum needs",
    6: "the sample store holds no state of this plan to go on from",
}
"""What a status other than 0 of `finish` means (enum status in firmware/trainer/main.c)."""


@dataclass(frozen=True)
class TwinRun:
    """What the twin did: its records, the state at the end, and the states behind chosen steps."""

    records: tuple[dict[str, Any], ...]
    state: bytes
    saved: dict[int, bytes] = field(default_factory=dict)


def float_of_bits(bits: int) -> float:
    """Return the float32 that travels as `bits` in a record."""
    return float(np.uint32(bits).view(np.float32))


def run_twin(
    executable: Path,
    request: RunRequest,
    store: bytes,
    timeout_s: float,
    progress: Progress | None = None,
    saved_steps: Sequence[int] = (),
) -> TwinRun:
    """Run the twin to its end; `progress` learns of every epoch. The states behind `saved_steps` (from 1) are kept.

    Raises EngineError when it fails, crashes or takes longer than `timeout_s`.
    """
    with tempfile.TemporaryDirectory(prefix="harness-twin-") as temporary:
        folder = Path(temporary)
        (folder / "request").write_bytes(request.pack())
        (folder / "store").write_bytes(store)
        command = [str(executable), *(str(folder / name) for name in ("request", "store", "state"))]
        command += map(str, saved_steps)
        with (folder / "errors").open("w+b") as errors:
            twin = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
            timer = threading.Timer(timeout_s, twin.kill)
            timer.start()
            try:
                records = _read_records(twin, progress)
                status = twin.wait()
            finally:
                late = not timer.is_alive()
                timer.cancel()
                twin.kill()
                twin.wait()
            errors.seek(0)
            complaint = errors.read().decode(errors="replace")[-2000:]
        if late and status == -signal.SIGKILL:
            raise EngineError(f"the twin did not end within {timeout_s:g} s")
        if status != 0:
            raise EngineError(f"the twin failed: {_reason(status, complaint)}")
        saved = {step: (folder / f"state-{step}").read_bytes() for step in saved_steps}
        return TwinRun(tuple(records), (folder / "state").read_bytes(), saved)


def _read_records(twin: subprocess.Popen[bytes], progress: Progress | None) -> list[dict[str, Any]]:
    assert twin.stdout is not None
    records = []
    with twin.stdout as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                if twin.poll() in (0, None):
                    raise EngineError(f"the twin wrote what is no record: {line[:200]!r}") from None
                break
            records.append(record)
            if progress is not None and record["r"] == "epoch":
                progress(record["n"])
    return records


def _reason(status: int, complaint: str) -> str:
    if status < 0:
        return f"{signal.Signals(-status).name}; {complaint}"
    return complaint or REFUSALS.get(status) or f"status {status}"
