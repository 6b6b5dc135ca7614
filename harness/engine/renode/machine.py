"""The board in Renode: the script that makes it, from a template, and what lies in its memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from harness.assets import asset_dir
from harness.engine.job import Job
from harness.engine.renode.session import LOG, SCRIPT, Session, escaped
from harness.errors import InputError
from harness.platform import Platform

CPU = "sysbus.cpu"

_TEMPLATE = "run.resc.template"
_QUANTUM_S = 0.01
_MIPS = 1000


@dataclass(frozen=True)
class Machine:
    """A board that is loaded and about to begin, in `folder`."""

    session: Session
    folder: Path

    def uart(self, platform: Platform) -> str:
        """Return what Renode calls the UART that carries the records."""
        return f"sysbus.{platform.uart.lower()}"


def load_machine(session: Session, job: Job, vector_table: int, folder: Path) -> Machine:
    """Write the script of `job` and its data into `folder`, and have Renode execute it.

    Raises InputError for a board without a description for Renode, and EngineError when Renode refuses the script.
    """
    script = folder / SCRIPT
    script.write_text(_script(job, vector_table, folder), "utf-8")
    session.monitor(f"include @{escaped(script)}")
    return Machine(session, folder)


def _script(job: Job, vector_table: int, folder: Path) -> str:
    assets = asset_dir("renode")
    description = assets / "platforms" / f"{job.platform.name}.repl"
    if not description.exists():
        known = ", ".join(sorted(path.stem for path in description.parent.glob("*.repl"))) or "none"
        raise InputError(f"platform: no description of {job.platform.name} for Renode, expected one of: {known}")
    writes = []
    for number, (address, data) in enumerate(job.writes):
        file = folder / f"write{number}.bin"
        file.write_bytes(data)
        writes.append((escaped(file), f"0x{address:08x}"))
    template = (assets / "scripts" / _TEMPLATE).read_text("utf-8")
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 (no HTML)
    return environment.from_string(template).render(
        log=escaped(folder / LOG),
        peripherals=[escaped(path) for path in sorted((assets / "peripherals").glob("*.cs"))],
        platform=job.platform.name,
        description=escaped(description),
        elf=escaped(job.elf.absolute()),
        writes=writes,
        vector_table=f"0x{vector_table:08x}",
        quantum_s=_QUANTUM_S,
        mips=_MIPS,
    )
