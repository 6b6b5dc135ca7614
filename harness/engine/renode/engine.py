"""Renode as an engine: the same counts as the default engine. `docs/engines.md` says how."""

from __future__ import annotations

import shutil
import struct
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from harness.assets import asset_dir, content_hash
from harness.build.elf import Image
from harness.cache import code_hash
from harness.engine.device import RecordSink, UnreadSink
from harness.engine.job import Job, Progress
from harness.engine.renode.counts import (
    CONTEXTS_MAX,
    LAYERS_MAX,
    NO_ADDRESS,
    AddressCounts,
    CodeMap,
    Dump,
    Mark,
    Settings,
    Stop,
    by_address,
    class_totals,
    contexts_of,
)
from harness.engine.renode.failure import KEPT, keep_failure
from harness.engine.renode.machine import CPU, load_machine
from harness.engine.renode.opcodes import CLASSES, OTHER, patterns
from harness.engine.renode.pace import Pace
from harness.engine.renode.pool import SESSIONS, renode_version
from harness.engine.renode.session import LOG, End, Session
from harness.errors import EngineError, FaultError, InputError
from harness.trace.instruction import Listing
from harness.trace.trace import NO_LAYER, PHASES, REGION_PHASES, Trace

Fidelity = Literal["profile", "count"]

_CODE = ("engine/renode", "engine/device.py", "trace", "build/elf.py")
_PARTS = (".cs", ".repl", ".template")
"""What decides the counts beside the job: here, and of the files that Renode reads."""

_PROFILE = Mark.CONDITIONS | Mark.STACK | Mark.BREAK
_COUNT = Mark.STACK
"""Where blocks must begin for each fidelity."""

_ENDS = ("finish", "_exit")
_NOWHERE = 0xFFFFFFFE


class RenodeEngine:
    """Counts every instruction with a block hook inside Renode; see `harness.engine.Engine`."""

    name = "renode"
    isolated = True

    def __init__(self, fidelity: Fidelity = "profile", *, counting: bool = True, pace: Pace | None = None) -> None:
        """With `profile` the trace has counts by address, with `count` only totals by context and class.

        Without `counting` nothing but the end is looked for and the trace is empty: the yardstick of the benchmark.
        With a `pace`, firmware that reads a cycle counter sees cycles by a model.
        """
        self.fidelity = fidelity
        self.counting = counting
        self.pace = pace

    @property
    def version(self) -> str:
        """Return the version of the Renode that is found, `none` without one."""
        return renode_version() or "none"

    @property
    def identity(self) -> str:
        """Return Renode's version and the hash of all that runs and counts with it."""
        capstone = metadata.version("capstone")
        files = sorted(path for path in asset_dir("renode").rglob("*") if path.suffix in _PARTS)
        parts = content_hash([piece for path in files for piece in (path.name.encode(), path.read_bytes())])
        code = f"{code_hash(*_CODE)}, {parts}"
        return f"{self.name} {self.version}, capstone {capstone}, {code}, {self.fidelity}, {self.pace}"

    def run(self, job: Job, progress: Progress | None = None) -> Trace:
        """Run `job` until `finish` is called.

        Raises what `UnicornEngine.run` raises, and MissingToolError without a Renode.
        """
        if job.simulate_caches:
            raise InputError("engine: Renode does not simulate caches; expected engine.name: unicorn")
        with SESSIONS.borrowed() as session:
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=session.folder))
            try:
                run = _Run(job, progress, self, session, folder)
                try:
                    return run.trace()
                except EngineError as problem:
                    told = type(problem)(f"{problem}{KEPT}{keep_failure(folder)}")
                    told.records = run.records
                    raise told from None
            finally:
                shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """One emulation."""

    def __init__(
        self, job: Job, progress: Progress | None, engine: RenodeEngine, session: Session, folder: Path
    ) -> None:
        self._job, self._progress, self._session, self._folder = job, progress, session, folder
        self._pace = engine.pace
        self._wanted = (_PROFILE if engine.fidelity == "profile" else _COUNT) if engine.counting else Mark(0)
        self._profile = self._wanted == _PROFILE
        self._platform = job.platform
        self._image = Image(job.elf)
        self._listing = Listing(self._image)
        self._any = job.any_elf
        self._phases = REGION_PHASES if self._any else PHASES
        self._code = CodeMap(self._image, self._listing, self._wanted)
        self._sink = UnreadSink() if self._any else RecordSink()
        self._finish = end_address(job, self._image)
        self._table = self._platform.vector_table
        if self._any is not None and self._any.vector_table is not None:
            self._table = self._any.vector_table

    def trace(self) -> Trace:
        """Run to the end and return what was counted."""
        check_placement(self._job, self._image)
        machine = load_machine(self._session, self._job, self._table, self._folder, self._pace)
        settings = self._folder / "settings.bin"
        settings.write_bytes(self._settings().pack(self._code))
        self._session.count(settings, CPU, None if self._any else machine.uart(self._platform))
        end = self._session.run(self._job.timeout_s, self._sink.write, self._note_steps)
        dump = Dump(self._session.dump(), profile=self._profile)
        self._check_end(end, dump)
        self._sink.close()
        status = end.registers[0]
        if status and self._any is None:
            raise EngineError(f"the firmware ended with status {status}{self._last_record()}")
        return self._collect(end, dump)

    def _note_steps(self, steps: int) -> None:
        if self._progress is not None and steps:
            self._progress(steps)

    def _settings(self) -> Settings:
        symbols = self._image.symbols
        stack, reset = struct.unpack("<II", self._session.memory(self._table, 8))
        if not reset & 1 or not self._image.is_code(reset & ~1):
            raise InputError(
                f"{self._job.elf}: the reset vector at 0x{self._table + 4:08x} is 0x{reset:08x}; "
                f"expected the address of Thumb code ({self._platform.name} has its vector table at "
                f"0x{self._table:08x})"
            )
        marker = None if self._any else symbols.get("marker")
        limit = symbols.get("__stack_limit")
        return Settings(
            profile=self._profile,
            phases=len(self._phases),
            marker=marker.address if marker and self._wanted else NO_ADDRESS,
            finish=self._finish,
            any_elf=self._any is not None,
            region=self._any.region if self._any else None,
            stack_limit=limit.address if limit else 0,
            stack_top=stack & ~3,
            reset=reset & ~1,
            patterns=patterns() if self._wanted == _COUNT else (),
        )

    @property
    def records(self) -> tuple[dict[str, Any], ...]:
        """Return what the UART carried so far."""
        return tuple(self._sink.records)

    def _last_record(self) -> str:
        return f"; its last record is {self._sink.records[-1]}" if self._sink.records else " and wrote no record"

    # The end --------------------------------------------------------------------------------------------------------

    def _check_end(self, end: End, dump: Dump) -> None:
        stop = Stop(end.stop)
        if stop == Stop.FINISHED or (self._any is not None and stop in (Stop.REGION, Stop.BREAK)):
            return
        place = end.pc or end.registers[15]
        where = self._where(place, end, dump)
        match stop:
            case Stop.NONE:
                where = self._where(end.registers[15], end, dump)
                raise EngineError(f"timeout: not finished after {self._job.timeout_s:g} s{where}")
            case Stop.MARKER:
                layer = end.detail - (end.detail >> 31 << 32)
                where = self._where(end.registers[14] & ~1, end, dump)
                raise EngineError(
                    f"marker({end.address}, {layer}): expected a phase below {len(PHASES)} and a "
                    f"layer from -1 to {LAYERS_MAX - 2}{where}"
                )
            case Stop.CONTEXTS:
                raise EngineError(f"more than {CONTEXTS_MAX} pairs of phase and layer{where}")
            case Stop.SLOTS | Stop.NOT_CUT:
                raise EngineError(f"self-check: {stop.name}: a block of {end.detail} instructions{where}")
            case _:
                self._fault(stop, place, end, dump)

    def _fault(self, stop: Stop, place: int, end: End, dump: Dump) -> NoReturn:
        where = self._where(place, end, dump)
        match stop:
            case Stop.STACK:
                below = self._image.symbols["__stack_limit"].address - end.address
                raise FaultError(
                    f"stack overflow: the stack pointer is 0x{end.address:08x}, "
                    f"{below} bytes below __stack_limit{where}"
                )
            case Stop.OUTSIDE_CODE:
                raise FaultError(
                    f"jump to 0x{end.address:08x}, which is no code of the firmware,{self._jump(end, dump)}"
                )
            case Stop.BREAK:
                if self._listing.at(place).mnemonic == "bkpt":
                    raise FaultError(f"breakpoint{self._instruction(place)}{where}")
                behind = self._where(self._listing.at(place).end, end, dump)
                raise FaultError(f"the core went to sleep and nothing wakes it{behind}")
            case Stop.MEMORY if place == end.address:
                raise FaultError(
                    f"jump to an address outside the memory map: 0x{end.address:08x},{self._jump(end, dump)}"
                )
            case Stop.MEMORY:
                kind = "write to" if end.detail else "read of"
                raise FaultError(f"{kind} an address outside the memory map: 0x{end.address:08x}{where}")
            case Stop.EXCEPTION if end.detail == _SUPERVISOR_CALL:
                raise FaultError(f"supervisor call, and no handler is emulated{self._where(place - 2, end, dump)}")
            case Stop.EXCEPTION if end.detail == _INVALID_STATE:
                branch = self._listing.at(place)
                target = end.registers[_REGISTERS[branch.operands]] if branch.operands in _REGISTERS else 0
                raise FaultError(f"invalid state: {branch} to 0x{target:08x}, an address without the Thumb bit{where}")
            case Stop.EXCEPTION if end.detail == _UNDEFINED:
                raise FaultError(
                    f"instruction that {self._platform.core} does not have{self._instruction(place)}{where}"
                )
            case Stop.EXCEPTION if end.detail == _NO_COPROCESSOR:
                raise FaultError(f"FPU instruction while CPACR does not allow it{self._instruction(place)}{where}")
            case Stop.EXCEPTION:
                kind = _EXCEPTION.get(end.detail, f"exception {end.detail}")
                raise FaultError(f"{kind}{self._instruction(place)}{where}")
            case _:
                raise FaultError(f"{self._abort()}{self._jump(end, dump)}")

    def _abort(self) -> str:
        """Return what Renode logged about a CPU that it gave up."""
        log = self._folder / LOG
        lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
        return next((line.partition("]: ")[2] for line in reversed(lines) if "CPU abort" in line), "CPU abort")

    def _jump(self, end: End, dump: Dump) -> str:
        """Say where the last block ended."""
        pc, _, block_end = (int(n) for n in dump.slots[end.previous_slot][:3])
        last = self._listing.block(pc, block_end - pc)[-1].address if block_end else end.pc
        return self._where(last, end, dump)

    def _instruction(self, pc: int) -> str:
        instruction = self._listing.instructions.get(pc)
        return f": {instruction}" if instruction else f" at 0x{pc:08x}"

    def _where(self, pc: int, end: End, dump: Dump) -> str:
        context = contexts_of(dump, self._phases)[end.context]
        layer = "" if context.layer == NO_LAYER else f", layer {context.layer}"
        text = f" in {self._image.describe(pc)}, phase {context.phase}{layer}"
        caller = (end.registers[14] & ~1) - 2
        if self._image.is_code(caller) and self._image.function_at(caller) != self._image.function_at(pc):
            text += f", called from {self._image.describe(caller)}"
        return text

    # The result -----------------------------------------------------------------------------------------------------

    def _collect(self, end: End, dump: Dump) -> Trace:
        self._check_region(end, dump)
        self._check(end, dump)
        contexts = contexts_of(dump, self._phases)
        counts = self._counts(dump)
        return Trace(
            engine=RenodeEngine.name,
            contexts=contexts,
            addresses=counts.addresses,
            executions=counts.executions,
            skipped=counts.skipped,
            taken=counts.taken,
            stack_low=np.array([c.stack_low for c in dump.contexts], dtype=np.uint32),
            stack_registers=np.array([c.registers for c in dump.contexts], dtype=np.uint32),
            stack_contents=tuple(c.stack for c in dump.contexts),
            records=tuple(self._sink.records),
            memory={name: self._session.memory(*where) for name, where in self._job.reads.items()},
            wall_seconds=end.wall_seconds,
            classes=(*CLASSES, OTHER) if self._wanted == _COUNT else (),
        )

    def _counts(self, dump: Dump) -> AddressCounts:
        """Return counts by address, by class, or none."""
        if self._profile:
            return by_address(dump, self._code, self._listing)
        none = np.zeros((0, len(dump.contexts)), dtype=np.uint64)
        totals = class_totals(dump) if self._wanted == _COUNT else none
        return AddressCounts(np.zeros(0, dtype=np.uint32), totals, np.zeros_like(totals), np.zeros_like(totals))

    def _check_region(self, end: End, dump: Dump) -> None:
        """Check that the region was entered, at its very beginning and end; raises InputError."""
        region = self._any.region if self._any else None
        if region is None:
            return
        for address in (region.begin, region.end):
            if address is not None and ((dump.slots[1:, 0] < address) & (address < dump.slots[1:, 2])).any():
                raise InputError(
                    f"{self._job.elf}: region: 0x{address:08x} in {self._image.describe(address)} lies within "
                    "straight-line code; expected an address that a branch, a call or a return leads to"
                )
        if end.region_calls < max(region.call, 1):
            raise InputError(
                f"{self._job.elf}: region: {self._image.describe(region.begin)} was entered {end.region_calls} times, "
                f"expected at least {max(region.call, 1)}"
            )

    def _check(self, end: End, dump: Dump) -> None:
        """Check the counts against Renode's own, and that the code is still that of the ELF; raises EngineError."""
        if self._wanted and self._any is None and dump.instructions != end.instructions:
            raise EngineError(
                f"self-check: {dump.instructions} instructions were counted, Renode executed {end.instructions}"
            )
        for begin, stop in self._image.code_ranges:
            if self._session.memory(begin, stop - begin) != self._image.read(begin, stop - begin):
                raise EngineError(f"self-check: at the end the code of {self._image.describe(begin)} is not the ELF's")


_REGISTERS = {f"r{n}": n for n in range(16)} | {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14}
_UNDEFINED, _SUPERVISOR_CALL, _NO_COPROCESSOR, _INVALID_STATE = 1, 2, 17, 18
_EXCEPTION = {3: "instruction fetch abort", 4: "data abort", 7: "breakpoint"}
"""What Renode's translation library numbers so."""


def end_address(job: Job, image: Image) -> int:
    """Return where the run ends; raises InputError for an ELF that does not say."""
    symbols = image.symbols
    if job.any_elf is not None:
        if not image.code_ranges:
            raise InputError(f"{job.elf}: expected an ELF with the mapping symbols $t and $d; do not strip it")
        return next((symbols[name].address for name in _ENDS if name in symbols), _NOWHERE)
    if "finish" not in symbols or not image.code_ranges:
        raise InputError(f"{job.elf}: expected an ELF with symbols and the function 'finish', which ends the run")
    return symbols["finish"].address


def check_placement(job: Job, image: Image) -> None:
    """Check that all that is written lies in the memories of the board; raises InputError."""
    pieces = [(f"{job.elf}: segment", s.load_address, s.data) for s in image.segments]
    pieces += [("job: data", address, data) for address, data in job.writes]
    regions = job.platform.memories
    for what, address, data in pieces:
        end = address + len(data)
        if not any(r.origin <= address and end <= r.origin + r.size_bytes for r in regions):
            known = ", ".join(f"{r.name} 0x{r.origin:08x}+0x{r.size_bytes:x}" for r in regions)
            raise InputError(
                f"{what} of {len(data)} bytes at 0x{address:08x} does not fit {job.platform.name} ({known})"
            )
