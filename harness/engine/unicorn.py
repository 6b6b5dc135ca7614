"""The default engine: Unicorn with a native block hook. `docs/engines.md` says what makes its counts exact."""

from __future__ import annotations

import ctypes
import struct
import threading
import time
from importlib import metadata
from typing import Any, NoReturn

import numpy as np
from unicorn import UC_ARCH_ARM, UC_MODE_THUMB, Uc, UcError
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_PC,
    UC_ARM_REG_R0,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
    UC_CPU_ARM_CORTEX_M4,
    UC_CPU_ARM_CORTEX_M7,
)
from unicorn.unicorn_const import (
    UC_ERR_INSN_INVALID,
    UC_ERR_OK,
    UC_HOOK_BLOCK,
    UC_HOOK_CODE,
    UC_HOOK_INTR,
    UC_HOOK_MEM_INVALID,
    UC_HOOK_MEM_READ,
    UC_MEM_FETCH_PROT,
    UC_MEM_FETCH_UNMAPPED,
    UC_MEM_READ_PROT,
    UC_MEM_READ_UNMAPPED,
    UC_MEM_WRITE_PROT,
    UC_MEM_WRITE_UNMAPPED,
    UC_PROT_ALL,
    UC_PROT_EXEC,
    UC_PROT_READ,
)
from unicorn.unicorn_py3.unicorn import uclib

from harness.build.elf import Image
from harness.cache import code_hash
from harness.engine.alignment import alignment_effect
from harness.engine.device import RecordSink, Registers, UnreadSink, build_device
from harness.engine.job import Job, Progress, Region
from harness.engine.memory_simulation import MemorySimulation
from harness.engine.native import (
    CONTEXTS_MAX,
    LAYERS_MAX,
    PHASES_MAX,
    PROGRESS,
    Counter,
    Mark,
    NativeContext,
    Range,
    Slot,
    Stop,
    block_hook,
)
from harness.engine.semihosting import Semihosting
from harness.errors import EngineError, FaultError, InputError
from harness.platform import Core, Platform
from harness.trace.instruction import FP_KINDS, Listing
from harness.trace.trace import NO_LAYER, PHASES, REGION_PHASES, Context, Trace

_CPU_MODEL: dict[Core, int] = {
    "cortex-m0plus": UC_CPU_ARM_CORTEX_M0,
    "cortex-m4f": UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": UC_CPU_ARM_CORTEX_M7,
}
_CODE = (
    *(f"engine/{name}.py" for name in ("alignment", "device", "job", "memory_simulation", "native", "semihosting")),
    *(f"engine/{name}" for name in ("unicorn.py", "block_hook.c", "memory_hook.c")),
    *("trace/instruction.py", "trace/trace.py", "build/elf.py", "platform/board.py", "platform/memory_system.py"),
)
_PROTECTION = {"flash": UC_PROT_READ | UC_PROT_EXEC, "samples": UC_PROT_READ, "ram": UC_PROT_ALL}
_ACCESS = {
    UC_MEM_READ_UNMAPPED: "read of an address outside the memory map",
    UC_MEM_WRITE_UNMAPPED: "write to an address outside the memory map",
    UC_MEM_FETCH_UNMAPPED: "jump to an address outside the memory map",
    UC_MEM_WRITE_PROT: "write to read-only memory",
    UC_MEM_READ_PROT: "read of protected memory",
    UC_MEM_FETCH_PROT: "jump to memory that holds no code",
}
_SUPERVISOR_CALL, _DATA_ABORT, _BREAKPOINT = 2, 4, 7
# The map is checked before an abort is raised, so that a data abort is an address that Armv6-M wants aligned.
_EXCEPTION = {
    1: "undefined instruction",
    3: "instruction fetch abort",
    _DATA_ABORT: "unaligned access",
    _BREAKPOINT: "breakpoint",
}
_REGISTERS = {f"r{n}": UC_ARM_REG_R0 + n for n in range(13)} | {"sb": 75, "sl": 76, "fp": 77, "ip": 78, "lr": 10}
_ENDS = ("finish", "_exit")
_NOWHERE, _NO_ADDRESS = 0xFFFFFFFE, 1
_SPARE_SLOTS = 4096
_TIMER_PERIOD_S = 0.05
_STACK_REACH_BYTES = 4096
"""How far from the stack pointer an access may lie to be taken for one of the stack frame."""


class UnicornEngine:
    """Counts every instruction with a native block hook; see `harness.engine.Engine`."""

    name = "unicorn"
    isolated = False

    def __init__(self, *, counting: bool = True) -> None:
        """Without `counting` nothing is hooked and the trace is empty: the yardstick of the speed benchmark."""
        self._counting = counting

    @property
    def version(self) -> str:
        """Return the version of Unicorn."""
        return metadata.version("unicorn")

    @property
    def identity(self) -> str:
        """Return Unicorn's version and the hash of all that runs and counts with it."""
        capstone = metadata.version("capstone")
        return f"{self.name} {self.version}, capstone {capstone}, {code_hash(*_CODE)}, counting {self._counting}"

    def run(self, job: Job, progress: Progress | None = None) -> Trace:
        """Run `job` until `finish` is called.

        Raises InputError for an ELF that does not fit the board, FaultError when the firmware faults, and EngineError
        on a timeout, a bad record, an exit status other than 0, or a failed self-check.
        """
        run = _Run(job, progress, self._counting)
        try:
            return run.trace()
        except EngineError as problem:
            problem.records = run.records
            raise


class _Run:
    """One emulation."""

    def __init__(self, job: Job, progress: Progress | None, counting: bool) -> None:
        self._job = job
        self._platform: Platform = job.platform
        self._counting = counting
        self._image = Image(job.elf)
        self._listing = Listing(self._image)
        self._any = job.any_elf
        self._phases = REGION_PHASES if self._any else PHASES
        self._finish = self._end_address()
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(_CPU_MODEL[self._platform.core])
        self._sink = UnreadSink() if self._any else RecordSink()
        self._semihosting = Semihosting(self._uc)
        self._hook = block_hook()
        self._map_memory()
        self._load()
        self._make_counter(progress)
        self._add_hooks()
        self._simulate_memory()

    def _end_address(self) -> int:
        elf, symbols = self._job.elf, self._image.symbols
        if self._any is not None:
            if not self._image.code_ranges:
                raise InputError(f"{elf}: expected an ELF with the mapping symbols $t and $d; do not strip it")
            return next((symbols[name].address for name in _ENDS if name in symbols), _NOWHERE)
        if "finish" not in symbols or not self._image.code_ranges:
            raise InputError(f"{elf}: expected an ELF with symbols and the function 'finish', which ends the run")
        return symbols["finish"].address

    # Memory ---------------------------------------------------------------------------------------------------------

    def _map_memory(self) -> None:
        for memory in self._platform.memories:
            self._uc.mem_map(memory.origin, memory.size_bytes, _PROTECTION[memory.kind])
        for peripheral in self._platform.peripherals:
            device = build_device(peripheral, self._platform, self._read_memory, self._sink, self._set_fpu)
            self._map_device(peripheral.origin, peripheral.size_bytes, device)

    def _map_device(self, origin: int, size_bytes: int, device: Registers) -> None:
        def read(_uc: Any, offset: int, size: int, _data: Any) -> int:
            return device.read(offset, size)

        def write(_uc: Any, offset: int, size: int, value: int, _data: Any) -> None:
            device.write(offset, size, value)

        self._uc.mmio_map(origin, size_bytes, read, None, write, None)

    def _read_memory(self, address: int, size_bytes: int) -> bytes:
        return bytes(self._uc.mem_read(address, size_bytes))

    def _load(self) -> None:
        elf = self._job.elf
        for segment in self._image.segments:
            self._put(f"{elf}: segment", segment.load_address, segment.data)
        for address, data in self._job.writes:
            self._put("job: data", address, data)
        table = self._platform.vector_table
        if self._any is not None and self._any.vector_table is not None:
            table = self._any.vector_table
        stack, reset = struct.unpack("<II", self._read_memory(table, 8))
        if not reset & 1 or not self._image.is_code(reset & ~1):
            raise InputError(
                f"{elf}: the reset vector at 0x{table + 4:08x} is 0x{reset:08x}; "
                f"expected the address of Thumb code ({self._platform.name} has its vector table at 0x{table:08x})"
            )
        self._reset = reset & ~1
        self._uc.reg_write(UC_ARM_REG_SP, stack & ~3)
        self._uc.reg_write(UC_ARM_REG_LR, 0xFFFFFFFF)

    def _put(self, what: str, address: int, data: bytes) -> None:
        regions, end = self._platform.memories, address + len(data)
        if not any(region.origin <= address and end <= region.origin + region.size_bytes for region in regions):
            known = ", ".join(f"{region.name} 0x{region.origin:08x}+0x{region.size_bytes:x}" for region in regions)
            raise InputError(
                f"{what} of {len(data)} bytes at 0x{address:08x} does not fit {self._platform.name} ({known})"
            )
        self._uc.mem_write(address, data)

    def _set_fpu(self, enabled: bool) -> None:
        self._counter.fpu_enabled = enabled

    # Counting -------------------------------------------------------------------------------------------------------

    def _make_counter(self, progress: Progress | None) -> None:
        symbols = self._image.symbols
        spans = [(s.address & ~1, (s.size_bytes + 2) // 2) for s in self._image.sections if s.executable]
        halfwords = sum(count for _, count in spans)
        self._ranges = (Range * len(spans))()
        self._span: list[tuple[int, int, int]] = []
        first = 0
        for place, (begin, count) in enumerate(spans):
            self._ranges[place] = Range(begin, count, first)
            self._span.append((begin, count, first))
            first += count
        capacity = halfwords + _SPARE_SLOTS
        self._marks = np.zeros(halfwords, dtype=np.uint8)
        self._base_of = np.zeros(halfwords, dtype=np.uint8)
        self._effect_of = np.zeros(halfwords, dtype=np.uint32)
        self._slot_of = np.zeros(halfwords, dtype=np.uint32)
        self._context_of = np.zeros(PHASES_MAX * LAYERS_MAX, dtype=np.uint16)
        self._slots = (Slot * capacity)()
        self._contexts = (NativeContext * CONTEXTS_MAX)()
        self._mark_code()
        marker = None if self._any else symbols.get("marker")
        limit = symbols.get("__stack_limit")
        region = (self._any.region if self._any else None) or Region(_NO_ADDRESS)
        # A progress callback that raises must end the run, not be lost in the native caller.
        self._progress_error: BaseException | None = None

        def report(steps: int) -> None:
            try:
                if progress is not None:
                    progress(steps)
            except BaseException as problem:
                self._progress_error = self._progress_error or problem
                self._uc.emu_stop()

        self._report = PROGRESS(report) if progress is not None else PROGRESS()
        self._counter = Counter(
            ranges=self._ranges,
            range_count=len(spans),
            slot_capacity=capacity,
            slot_of=self._slot_of.ctypes.data_as(ctypes.POINTER(ctypes.c_uint32)),
            marks=self._marks.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
            effect_of=self._effect_of.ctypes.data_as(ctypes.POINTER(ctypes.c_uint32)),
            base_of=self._base_of.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
            slots=self._slots,
            contexts=self._contexts,
            context_of=self._context_of.ctypes.data_as(ctypes.POINTER(ctypes.c_uint16)),
            halfwords=halfwords,
            phase_count=len(self._phases),
            load_phase=PHASES.index("load"),
            marker=marker.address if marker else _NO_ADDRESS,
            region_begin=region.begin,
            region_end=_NO_ADDRESS if region.end is None else region.end,
            region_call=region.call,
            region_return=_NO_ADDRESS,
            stack_limit=limit.address if limit else 0,
            stack_top=self._uc.reg_read(UC_ARM_REG_SP),
            fpu_enabled=not self._counting,
            start_emulation=_address_of(uclib.uc_emu_start),
            stop_emulation=_address_of(uclib.uc_emu_stop),
            register_read=_address_of(uclib.uc_reg_read),
            memory_read=_address_of(uclib.uc_mem_read),
            control=_address_of(uclib.uc_ctl),
            progress=self._report,
            slot_count=1,
            previous_end=self._reset,
        )
        if not self._hook.enter_context(self._counter, 0, NO_LAYER):
            raise EngineError("no memory for the counts of the first context")
        self._contexts[0].stack_low = self._uc.reg_read(UC_ARM_REG_SP)

    def _index(self, address: int) -> int | None:
        for begin, count, first in self._span:
            if begin <= address < begin + 2 * count:
                return first + (address - begin) // 2
        return None

    def _mark_code(self) -> None:
        """Mark what `Mark` names. Armv6-M traps every unaligned access and Unicorn does the same, so none is marked."""
        checks_alignment = self._platform.core != "cortex-m0plus"
        stack_moved = False
        for begin, end in self._image.code_ranges:
            first = self._index(begin)
            if first is not None:
                self._marks[first : first + (end - begin) // 2] = Mark.CODE
        for address, instruction in self._listing.instructions.items():
            index = self._index(address)
            if index is None:
                continue
            # Lowered twice in a row, the second look sees the lower one.
            if stack_moved and not instruction.lowers_sp:
                self._marks[index] |= Mark.STACK
            stack_moved = instruction.lowers_sp
            if instruction.condition:
                self._marks[index] |= Mark.IT
            if instruction.kind in FP_KINDS and self._platform.core != "cortex-m0plus":
                self._marks[index] |= Mark.FPU
            if instruction.mnemonic in ("bx", "blx") and instruction.operands != "lr":
                self._marks[index] |= Mark.JUMP
                self._base_of[index] = _REGISTERS[instruction.operands]
            if checks_alignment:
                self._effect_of[index] = alignment_effect(instruction)
            if checks_alignment and instruction.aligned_base is not None:
                self._marks[index] |= Mark.ALIGNED
                self._base_of[index] = _REGISTERS[instruction.aligned_base]

    def _add_hooks(self) -> None:
        if not self._counting:
            return
        self._hook_add(UC_HOOK_BLOCK, self._hook.on_block)
        self._hook_add(UC_HOOK_MEM_INVALID, self._hook.on_invalid_access)
        self._hook_add(UC_HOOK_INTR, self._hook.on_interrupt)
        # Bounds that no other field holds tell where Unicorn keeps them; unfound, every instruction calls the hook.
        bounds = (0x5A17C0DE5EED0002, 0x5A17C0DE5EED0001)
        handle = self._hook_add(UC_HOOK_CODE, self._hook.on_instruction, *bounds)
        self._counter.bounds = _place_of_bounds(handle, bounds)

    def _simulate_memory(self) -> None:
        """Add hooks behind those that count: they read the context that these have entered."""
        self._memory = MemorySimulation(self._platform, self._counter) if self._job.simulate_caches else None
        if self._memory is not None:
            self._hook_add(UC_HOOK_BLOCK, self._memory.on_fetch, user=self._memory.state)
            for begin, end in self._memory.load_ranges:
                self._hook_add(UC_HOOK_MEM_READ, self._memory.on_load, begin, end, self._memory.state)

    def _hook_add(
        self, kind: int, function: Any, begin: int = 1, end: int = 0, user: ctypes.Structure | None = None
    ) -> int:
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self._uc._uch,  # the public call takes Python functions only
            ctypes.cast(ctypes.byref(handle), uclib.uc_hook_add.argtypes[1]),
            kind,
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(user if user is not None else self._counter), ctypes.c_void_p),
            begin,
            end,
        )
        if status != UC_ERR_OK:
            raise EngineError(f"Unicorn refused a hook: {UcError(status)}")
        return handle.value

    # Running --------------------------------------------------------------------------------------------------------

    def trace(self) -> Trace:
        """Run to the end and return what was counted."""
        try:
            began = time.perf_counter()
            self._emulate()
            wall_seconds = time.perf_counter() - began
            self._sink.close()
            status = self._uc.reg_read(UC_ARM_REG_R0)
            if status and self._any is None:
                raise EngineError(f"the firmware ended with status {status}{self._last_record()}")
            return self._collect(wall_seconds)
        finally:
            self._hook.release_contexts(self._counter)
            if self._memory is not None:
                self._memory.release()

    @property
    def records(self) -> tuple[dict[str, Any], ...]:
        """Return what the UART carried so far."""
        return tuple(self._sink.records)

    def _last_record(self) -> str:
        return f"; its last record is {self._sink.records[-1]}" if self._sink.records else " and wrote no record"

    def _emulate(self) -> None:
        done = threading.Event()
        timer = threading.Thread(target=self._watch_clock, args=(done,), daemon=True)
        timer.start()
        self._uc._hook_exception = None  # the bindings keep what a device model raised here
        try:
            error = self._hook.run(self._counter, self._uc._uch, self._reset, self._finish)
            while (behind := self._behind_request()) is not None:
                error = self._hook.run(self._counter, self._uc._uch, behind, self._finish)
        finally:
            done.set()
            timer.join()
        raised = self._progress_error or self._uc._hook_exception
        if isinstance(raised, EngineError):
            raise type(raised)(f"{raised}{self._where(self._block_address())}") from raised
        if raised is not None:
            raise raised
        if self._any is not None and self._ended(error):
            return
        if self._counter.stop != Stop.NONE or error != UC_ERR_OK:
            self._fail(error)
        pc = self._uc.reg_read(UC_ARM_REG_PC)
        if pc != self._finish:
            raise FaultError(f"the core went to sleep and nothing wakes it{self._where(pc)}")

    def _at_breakpoint(self) -> bool:
        return bool(self._counter.stop == Stop.INTERRUPT and self._counter.stop_detail == _BREAKPOINT)

    def _behind_request(self) -> int | None:
        """Do what a semihosting breakpoint asks for; return where to go on, or None when there is no such request."""
        if self._any is None or not self._at_breakpoint():
            return None
        pc = self._uc.reg_read(UC_ARM_REG_PC)
        if not self._semihosting.serve(pc):
            return None
        self._counter.stop = Stop.NONE
        return int(pc) + 2

    def _ended(self, error: int) -> bool:
        """Say whether an ELF that is not ours came to one of the ends that `AnyElf` names."""
        stop = self._counter.stop
        return (stop == Stop.NONE and error == UC_ERR_OK) or stop == Stop.REGION or self._at_breakpoint()

    def _watch_clock(self, done: threading.Event) -> None:
        if done.wait(self._job.timeout_s):
            return
        self._counter.stop = Stop.TIMEOUT
        while not done.wait(_TIMER_PERIOD_S):  # one stop may fall between two starts
            self._uc.emu_stop()

    def _block_address(self) -> int:
        return int(self._slots[self._counter.previous_slot].pc)

    def _fail(self, error: int) -> NoReturn:
        counter = self._counter
        pc, address, detail = self._uc.reg_read(UC_ARM_REG_PC), counter.stop_address, counter.stop_detail
        place = counter.stop_pc or pc
        where = self._where(place)
        match counter.stop:
            case Stop.TIMEOUT:
                raise EngineError(f"timeout: not finished after {self._job.timeout_s:g} s{where}")
            case Stop.MARKER:
                raise EngineError(
                    f"marker({address}, {ctypes.c_int32(detail).value}): expected a phase below {len(PHASES)} and a "
                    f"layer from -1 to {LAYERS_MAX - 2}{self._where(self._uc.reg_read(UC_ARM_REG_LR) & ~1)}"
                )
            case Stop.CONTEXTS:
                raise EngineError(f"more than {CONTEXTS_MAX} pairs of phase and layer{where}")
            case Stop.SLOTS:
                raise EngineError(f"self-check: more than {counter.slot_capacity} different blocks{where}")
            case Stop.STACK:
                raise FaultError(
                    f"stack overflow: the stack pointer is 0x{address:08x}, "
                    f"{counter.stack_limit - address} bytes below __stack_limit{where}"
                )
            case Stop.UNALIGNED:
                raise FaultError(
                    f"unaligned access: {self._listing.at(place)} with base 0x{address:08x}, "
                    f"expected a multiple of 4{where}"
                )
            case Stop.NO_THUMB:
                raise FaultError(
                    f"invalid state: {self._listing.at(place)} to 0x{address:08x}, "
                    f"an address without the Thumb bit{where}"
                )
            case Stop.OUTSIDE_CODE:
                raise FaultError(f"jump to 0x{address:08x}, which is no code of the firmware,{self._jump()}")
            case Stop.FPU_OFF:
                raise FaultError(f"FPU instruction while CPACR does not allow it: {self._listing.at(place)}{where}")
            case Stop.MEMORY if detail in (UC_MEM_FETCH_UNMAPPED, UC_MEM_FETCH_PROT):
                raise FaultError(f"{_ACCESS[detail]}: 0x{address:08x},{self._jump()}")
            case Stop.MEMORY if self._left_stack(address):
                raise FaultError(
                    f"stack overflow: access to 0x{address:08x}, {counter.stack_limit - address} bytes below "
                    f"__stack_limit{where}"
                )
            case Stop.MEMORY:
                raise FaultError(f"{_ACCESS.get(detail, f'access {detail}')}: 0x{address:08x}{where}")
            case Stop.INTERRUPT if detail == _SUPERVISOR_CALL:
                raise FaultError(f"supervisor call, and no handler is emulated{self._where(pc - 2)}")
            case Stop.INTERRUPT:
                raise FaultError(f"{_EXCEPTION.get(detail, f'exception {detail}')}{self._instruction(pc)}{where}")
            case _ if error == UC_ERR_INSN_INVALID:
                raise FaultError(f"instruction that {self._platform.core} does not have{self._instruction(pc)}{where}")
            case _:
                raise FaultError(f"{UcError(error)}{self._instruction(pc)}{where}")

    def _left_stack(self, address: int) -> bool:
        """Say whether a refused access is that of a stack that lies at the end of its memory and went beyond it."""
        below = int(self._counter.stack_limit) - address
        distance = abs(int(self._uc.reg_read(UC_ARM_REG_SP)) - address)
        return 0 < below <= _STACK_REACH_BYTES and distance <= _STACK_REACH_BYTES

    def _jump(self) -> str:
        """Say where the last block ended."""
        slot = self._slots[self._counter.previous_slot]
        last = self._listing.block(slot.pc, slot.size)[-1].address if slot.size else self._reset
        return self._where(last)

    def _instruction(self, pc: int) -> str:
        instruction = self._listing.instructions.get(pc)
        return f": {instruction}" if instruction else f" at 0x{pc:08x}"

    def _where(self, pc: int) -> str:
        context = self._contexts[self._counter.context]
        layer = "" if context.layer == NO_LAYER else f", layer {context.layer}"
        text = f" in {self._image.describe(pc)}, phase {self._phases[context.phase]}{layer}"
        caller = (self._uc.reg_read(UC_ARM_REG_LR) & ~1) - 2
        if self._image.is_code(caller) and self._image.function_at(caller) != self._image.function_at(pc):
            text += f", called from {self._image.describe(caller)}"
        return text

    # The result -----------------------------------------------------------------------------------------------------

    def _collect(self, wall_seconds: float) -> Trace:
        counter = self._counter
        slots, contexts = counter.slot_count, counter.context_count
        self._check_region(slots)
        at_finish = self._uc.reg_read(UC_ARM_REG_PC) == self._finish
        if at_finish and counter.previous_slot and self._finish != counter.previous_end:
            self._contexts[counter.context].cells[counter.previous_slot].taken += 1
        table = np.frombuffer(memoryview(self._slots), dtype=np.uint32).reshape(-1, ctypes.sizeof(Slot) // 4)[:slots]
        cells = np.zeros((contexts, slots, 2), dtype=np.uint64)
        passed = np.zeros((contexts, counter.halfwords), dtype=np.uint64)
        for c in range(contexts):
            native = self._contexts[c]
            cells[c] = np.ctypeslib.as_array(ctypes.cast(native.cells, ctypes.POINTER(ctypes.c_uint64)), (slots, 2))
            passed[c] = np.ctypeslib.as_array(native.passed, (counter.halfwords,))
        self._check(table, cells)
        executions = np.zeros((counter.halfwords, contexts), dtype=np.uint64)
        taken = np.zeros_like(executions)
        starts: dict[int, int] = {}
        for slot in range(1, slots):
            pc, size = int(table[slot, 0]), int(table[slot, 1])
            last = 0
            for instruction in self._listing.block(pc, size):
                last = starts.setdefault(instruction.address, self._index(instruction.address) or 0)
                executions[last] += cells[:, slot, 0]
            taken[last] += cells[:, slot, 1]
        addresses = sorted(starts)
        rows = [starts[address] for address in addresses]
        conditional = (self._marks[rows] & Mark.IT).astype(bool)
        skipped = np.where(conditional[:, None], executions[rows] - passed[:, rows].T, np.uint64(0))
        return Trace(
            engine=UnicornEngine.name,
            contexts=tuple(Context(self._phases[n.phase], n.layer) for n in self._contexts[:contexts]),
            addresses=np.array(addresses, dtype=np.uint32),
            executions=executions[rows],
            skipped=skipped,
            taken=taken[rows],
            stack_low=np.array([n.stack_low for n in self._contexts[:contexts]], dtype=np.uint32),
            stack_registers=np.array([list(n.registers) for n in self._contexts[:contexts]], dtype=np.uint32),
            stack_contents=tuple(
                ctypes.string_at(n.stack, n.stack_size) if n.stack_size else b"" for n in self._contexts[:contexts]
            ),
            records=tuple(self._sink.records),
            memory={name: self._read_memory(*where) for name, where in self._job.reads.items()},
            wall_seconds=wall_seconds,
            simulated=self._memory.accesses(np.array(rows)) if self._memory is not None else {},
        )

    def _check_region(self, slots: int) -> None:
        """Check that the region was entered, at its very beginning and end; raises InputError."""
        region = self._any.region if self._any else None
        if region is None:
            return
        for address in (region.begin, region.end):
            inside = (s for s in self._slots[1:slots] if address is not None and s.pc < address < s.pc + s.size)
            if next(inside, None) is not None:
                raise InputError(
                    f"{self._job.elf}: region: 0x{address:08x} in {self._image.describe(address or 0)} lies within "
                    "straight-line code; expected an address that a branch, a call or a return leads to"
                )
        calls = self._counter.region_calls
        if calls < max(region.call, 1):
            raise InputError(
                f"{self._job.elf}: region: {self._image.describe(region.begin)} was entered {calls} times, "
                f"expected at least {max(region.call, 1)}"
            )

    def _check(self, table: Any, cells: Any) -> None:
        """Check the counts against what the hooks summed on the way; raises EngineError."""
        counted = int((cells[:, :, 0].sum(axis=0) * table[:, 1]).sum())
        if counted != self._counter.bytes:
            raise EngineError(f"self-check: {counted} bytes of blocks were counted, {self._counter.bytes} executed")
        if (cells[:, :, 1].sum(axis=0) > cells[:, :, 0].sum(axis=0))[1:].any():
            raise EngineError("self-check: a block was left more often than it was entered")
        for begin, end in self._image.code_ranges:
            if self._read_memory(begin, end - begin) != self._image.read(begin, end - begin):
                raise EngineError(f"self-check: at the end the code of {self._image.describe(begin)} is not the ELF's")


def _place_of_bounds(handle: int, bounds: tuple[int, int]) -> int | None:
    """Return the address at which the hook `handle` holds its bounds, or None if it is not found."""
    place = ctypes.string_at(handle, 48).find(struct.pack("<QQ", *bounds))
    return handle + place if place >= 0 else None


def _address_of(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
