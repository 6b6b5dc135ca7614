"""Firmware of a run with all that it finds in memory, for an emulator or a debugger that someone drives by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.assets import write_atomically
from harness.build import Image
from harness.cache import Cache
from harness.pipeline.prepared_run import PreparedRun
from harness.pipeline.run import RunSteps
from harness.pipeline.run_request import emulated_request
from harness.pipeline.twin_training import train, twin_run

ELF, MAP = "firmware.elf", "firmware.map"
REQUEST, SAMPLES, RECORDS = "request.bin", "samples.bin", "records.txt"


@dataclass(frozen=True)
class Loadable:
    """Firmware in `folder`.

    `writes` are files and the addresses they are loaded to behind the ELF. `records` are the lines that the UART then
    carries, without their ends: those of the twin.
    """

    folder: Path
    platform: str
    vector_table: int
    uart: str
    writes: tuple[tuple[Path, int], ...]
    records: tuple[str, ...]

    @property
    def elf(self) -> Path:
        """Return the ELF."""
        return self.folder / ELF


def build_loadable(prepared: PreparedRun, cache: Cache, folder: Path) -> Loadable:
    """Put the firmware of `prepared`, its request, its samples and the records of the twin into `folder`.

    Only the twin runs, for the steps that would be emulated. Raises what a run raises.
    """
    steps, request, platform = RunSteps(prepared, cache), emulated_request(prepared), prepared.platform
    target, image = steps.target, Image(steps.target.executable)
    rehearsal = twin_run(train(cache, steps.twin, request, steps.data, None))
    records = tuple(json.dumps(record, separators=(",", ":")) for record in rehearsal.records)
    write_atomically(folder / ELF, target.executable.read_bytes())
    write_atomically(folder / MAP, target.map_file.read_bytes())
    write_atomically(folder / REQUEST, request.pack())
    write_atomically(folder / SAMPLES, steps.data.store().first_steps(request.steps, request.evaluate_at_end).pack())
    write_atomically(folder / RECORDS, "".join(f"{record}\n" for record in records).encode())
    return Loadable(
        folder=folder,
        platform=platform.name,
        vector_table=platform.vector_table,
        uart=platform.uart,
        writes=(
            (folder / REQUEST, image.symbols["run_request"].address),
            (folder / SAMPLES, platform.memory("samples").origin),
        ),
        records=records,
    )
