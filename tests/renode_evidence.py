"""Trainings as they ran on Renode, recorded: the firmware, what was put into memory, and the trace that came of it.

    RENODE=/path/to/renode python tests/renode_evidence.py

records them anew into tests/data/renode/.
"""

import hashlib
import io
import json
import lzma
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.engine import engine_named
from harness.engine.job import Job
from harness.platform import load_platform
from harness.trace import Trace

FOLDER = Path(__file__).parent / "data" / "renode"
MANIFEST = FOLDER / "recorded.json"
BOARDS = ("nrf52840", "rp2040", "imxrt1062", "stm32l4r5zi")
BUILD = "built from the sources of v1.16.1 without its user interface, on .NET 8; the emulation is unchanged"
STEPS = 8
SCENARIO = {
    "name": "recorded",
    "model": {"name": "digits-cnn"},
    "dataset": {"name": "digits", "train": 64, "test": 16, "seed": 1},
    "training": {"epochs": 1, "batch_size": 4, "dtype": "uint8", "update": {"min_ratio": 0.5}},
    "engine": {"steps": STEPS, "evaluate": 4},
}
ARRAYS = ("addresses", "executions", "skipped", "taken", "stack_low", "stack_registers")


def recorded_job(board: str, folder: Path) -> Job:
    """Return the job of a recorded training; its ELF is unpacked into `folder`."""
    elf = folder / f"{board}.elf"
    with np.load(io.BytesIO(lzma.decompress((FOLDER / f"{board}.job.xz").read_bytes()))) as stored:
        elf.write_bytes(stored["elf"].tobytes())
        writes = tuple(
            (int(address), stored[f"write{number}"].tobytes()) for number, address in enumerate(stored["writes"])
        )
        state = tuple(int(n) for n in stored["state"])
    return Job(elf, load_platform(board), writes, {"state": state}, timeout_s=120)


def recorded_trace(board: str, fidelity: str) -> Trace:
    return Trace.load(FOLDER / f"{board}.{fidelity}.npz")


def manifest() -> dict:
    return json.loads(MANIFEST.read_text())


def difference(one: Trace, other: Trace) -> str | None:
    """Say in what two traces by address differ, None in nothing."""
    for name in ARRAYS:
        if not np.array_equal(getattr(one, name), getattr(other, name)):
            return name
    for name in ("contexts", "stack_contents", "records", "memory"):
        if getattr(one, name) != getattr(other, name):
            return name
    return None


class _Silent:
    def stage(self, label, stage):
        pass

    def steps(self, label, done, total):
        pass

    def finished(self, document):
        assert document.status == "ok", document.reason


def _jobs(folder: Path) -> dict[str, Job]:
    """Return the jobs that the pipeline makes of the scenario, by board."""
    import yaml

    from harness.assets import cache_dir
    from harness.cache import Cache
    from harness.pipeline import emulation, prepare
    from harness.pipeline.run import Runner
    from harness.scenario import read_scenarios

    jobs = {}
    run_isolated = emulation.run_isolated

    def capture(job, progress, engine):
        jobs[job.platform.name] = job
        return run_isolated(job, progress, engine)

    file = folder / "recorded.yaml"
    file.write_text(yaml.safe_dump(SCENARIO | {"matrix": {"platform": list(BOARDS)}}))
    emulation.run_isolated = capture
    runner = Runner(_Silent(), folder, Cache(cache_dir(), fresh=True))
    for prepared in prepare(read_scenarios(file)):
        runner.run(prepared)
    return jobs


def _pack(job: Job) -> bytes:
    buffer = io.BytesIO()
    arrays = {f"write{number}": np.frombuffer(data, dtype=np.uint8) for number, (_, data) in enumerate(job.writes)}
    np.savez(
        buffer,
        elf=np.frombuffer(_stripped(job.elf), dtype=np.uint8),
        writes=np.array([address for address, _ in job.writes], dtype=np.uint64),
        state=np.array(job.reads["state"], dtype=np.uint64),
        **arrays,
    )
    return lzma.compress(buffer.getvalue(), preset=9)


def _stripped(elf: Path) -> bytes:
    """Return the ELF without debug information: counts need symbols only."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "stripped.elf"
        subprocess.run(["arm-none-eabi-objcopy", "--strip-debug", elf, copy], check=True)
        return copy.read_bytes()


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    version = engine_named("renode").version
    command = "RENODE=renode python tests/renode_evidence.py"
    told = {"renode": version, "build": BUILD, "command": command, "date": f"{datetime.now(UTC):%Y-%m-%d}", "elf": {}}
    with tempfile.TemporaryDirectory() as folder:
        for board, job in _jobs(Path(folder)).items():
            (FOLDER / f"{board}.job.xz").write_bytes(_pack(job))
            job = recorded_job(board, Path(folder))
            told["elf"][board] = hashlib.sha256(job.elf.read_bytes()).hexdigest()
            for fidelity in ("profile", "count"):
                trace = replace(engine_named("renode", fidelity).run(job), wall_seconds=0.0)
                trace.save(FOLDER / f"{board}.{fidelity}.npz")
    MANIFEST.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
