"""Firmware of a run with all that it finds in memory, for an emulator or a debugger that someone drives by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.assets import write_atomically
from harness.build import Image, build_firmware, memory_script, plan_source
from harness.engine.twin import run_twin
from harness.model import fold_batch_norm
from harness.pipeline.observer import Stage
from harness.pipeline.prepare import PreparedRun
from harness.pipeline.run import TWIN_OPTIMIZATION, TWIN_TIMEOUT_S, Runner

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


class LoadableBuilder(Runner):
    """Builds prepared runs, and runs their emulated steps on the twin only."""

    def build(self, prepared: PreparedRun) -> Loadable:
        """Put the firmware of `prepared`, its request, its samples and the twin's records into a folder.

        Raises what a run raises.
        """
        label = prepared.scenario.label
        self._observer.stage(label, Stage.CALIBRATE)
        store = self._store(prepared)
        weights = fold_batch_norm(prepared.network, prepared.weights)
        source = plan_source(prepared.plan, self._deployment(prepared, store, weights))
        self._observer.stage(label, Stage.BUILD)
        platform = prepared.platform
        memory = memory_script(
            platform, prepared.ram_budget_bytes, prepared.flash_budget_bytes, prepared.scenario.memory.stack
        )
        target = build_firmware(platform.name, {"plan.c": source, "memory.ld": memory})
        twin = build_firmware("host", {"plan.c": source}, TWIN_OPTIMIZATION)
        image, request = Image(target.executable), self._request(prepared)
        samples = store.first_steps(request.steps, request.evaluate_at_end).pack()
        self._observer.stage(label, Stage.TRAIN)
        run = run_twin(twin.executable, request, samples, TWIN_TIMEOUT_S)
        folder = self._folder / prepared.id
        records = tuple(json.dumps(record, separators=(",", ":")) for record in run.records)
        write_atomically(folder / ELF, target.executable.read_bytes())
        write_atomically(folder / MAP, target.map_file.read_bytes())
        write_atomically(folder / REQUEST, request.pack())
        write_atomically(folder / SAMPLES, samples)
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
