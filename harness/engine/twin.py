"""The twin: the firmware built for the host, run as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.engine.request import RunRequest
from harness.errors import EngineError

REFUSALS = {
    1: "the run request has another version than the firmware",
    2: "there is no sample store",
    3: "the samples have another size than the input of the network",
    4: "the sample store holds too few samples",
}
"""What a status other than 0 of `finish` means (enum status in firmware/trainer/main.c)."""


@dataclass(frozen=True)
class TwinRun:
    """What the twin did: its records, and the state at the end."""

    records: tuple[dict[str, Any], ...]
    state: bytes


def float_of_bits(bits: int) -> float:
    """Return the float32 that travels as `bits` in a record."""
    return float(np.uint32(bits).view(np.float32))


def run_twin(executable: Path, request: RunRequest, store: bytes, timeout_s: float) -> TwinRun:
    """Run the twin to its end.

    Raises EngineError when it fails, crashes or takes longer than `timeout_s`.
    """
    with tempfile.TemporaryDirectory(prefix="harness-twin-") as temporary:
        folder = Path(temporary)
        (folder / "request").write_bytes(request.pack())
        (folder / "store").write_bytes(store)
        command = [str(executable), *(str(folder / name) for name in ("request", "store", "state"))]
        try:
            finished = subprocess.run(
                command, capture_output=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise EngineError(f"the twin did not end within {timeout_s:g} s") from None
        if finished.returncode != 0:
            raise EngineError(f"the twin failed: {_reason(finished.returncode, finished.stderr)}")
        records = tuple(json.loads(line) for line in finished.stdout.splitlines())
        return TwinRun(records, (folder / "state").read_bytes())


def _reason(status: int, complaint: bytes) -> str:
    if status < 0:
        return f"{signal.Signals(-status).name}; {complaint.decode(errors='replace')[-2000:]}"
    return REFUSALS.get(status) or complaint.decode(errors="replace")[-2000:] or f"status {status}"
