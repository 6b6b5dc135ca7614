"""The board in Renode: the script that makes it, from a template, and what lies in its memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from harness.assets import asset_dir
from harness.engine.job import Job
from harness.engine.renode.description import describe, node_name, registers_source
from harness.engine.renode.pace import Pace
from harness.engine.renode.session import LOG, SCRIPT, Session, escaped
from harness.platform import Platform

CPU = "sysbus.cpu"

_TEMPLATE = "run.resc.template"
_ONE_CYCLE_EACH = Pace(mips=1000, counter_hz=1_000_000_000)
_QUANTUM_INSTRUCTIONS = 10_000_000


@dataclass(frozen=True)
class Machine:
    """A board that is loaded and about to begin, in `folder`."""

    session: Session
    folder: Path

    def uart(self, platform: Platform) -> str:
        """Return what Renode calls the UART that carries the records."""
        return f"sysbus.{node_name(platform.uart)}"


def load_machine(session: Session, job: Job, vector_table: int, folder: Path, pace: Pace | None = None) -> Machine:
    """Write the script of `job`, its board and its data into `folder`, and have Renode execute it.

    Virtual time goes at `pace`, or as fast as it can with one cycle an instruction. Raises EngineError when Renode
    refuses the script.
    """
    script = folder / SCRIPT
    script.write_text(_script(job, vector_table, folder, pace or _ONE_CYCLE_EACH), "utf-8")
    session.monitor(f"include @{escaped(script)}")
    return Machine(session, folder)


def _script(job: Job, vector_table: int, folder: Path, pace: Pace) -> str:
    description = folder / f"{job.platform.name}.repl"
    description.write_text(describe(job.platform, pace), "utf-8")
    writes = []
    for number, (address, data) in enumerate(job.writes):
        file = folder / f"write{number}.bin"
        file.write_bytes(data)
        writes.append((escaped(file), f"0x{address:08x}"))
    template = (asset_dir("renode") / "scripts" / _TEMPLATE).read_text("utf-8")
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 (no HTML)
    return environment.from_string(template).render(
        log=escaped(folder / LOG),
        peripherals=[escaped(registers_source())],
        platform=job.platform.name,
        description=escaped(description),
        elf=escaped(job.elf.absolute()),
        writes=writes,
        vector_table=f"0x{vector_table:08x}",
        quantum_s=f"{_QUANTUM_INSTRUCTIONS / pace.mips / 1e6:.6f}",
        mips=pace.mips,
    )
