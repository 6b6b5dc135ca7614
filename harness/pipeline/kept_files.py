"""What a run leaves beside its results: firmware, trace, weights, transcript, the plan and its memory layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.result import Evidence, StoredFile
from harness.result.evidence import FIRMWARE, TRACES, UART, WEIGHTS, store_file

ELF, MAP, PLAN, LAYOUT = "firmware.elf", "firmware.map", "plan.c", "layout.json"
TRACE, TRAINED, TRANSCRIPT = "trace.npz", "weights.npz", "uart.txt"

_OWN_FOLDER = {TRACE: TRACES, TRAINED: WEIGHTS, TRANSCRIPT: UART}


def keep_files(folder: Path, run: str, files: Mapping[str, bytes]) -> dict[str, StoredFile]:
    """Write files of the run with the id `run` into the output folder `folder`; return how its result names them."""
    return {name: store_file(folder, _place(run, name), content) for name, content in files.items()}


def _place(run: str, name: str) -> str:
    own = _OWN_FOLDER.get(name)
    return f"{own}/{run}{Path(name).suffix}" if own else f"{FIRMWARE}/{run}/{name}"


def evidence(kept: Mapping[str, StoredFile], sources: str) -> Evidence:
    """Return what `harness explain` needs of the kept files of a run."""
    return Evidence(firmware=kept[ELF], trace=kept[TRACE], layout=kept[LAYOUT], plan=kept[PLAN], sources=sources)
