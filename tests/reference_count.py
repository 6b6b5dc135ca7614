"""An independent count of the same run: a native hook on every instruction and every access."""

import ctypes
import subprocess
import tempfile
from ctypes import POINTER, Structure, c_uint8, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_MODE_THUMB, Uc
from unicorn.arm_const import (
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
    UC_CPU_ARM_CORTEX_M4,
    UC_CPU_ARM_CORTEX_M7,
)
from unicorn.unicorn_const import UC_HOOK_CODE, UC_HOOK_MEM_READ, UC_HOOK_MEM_WRITE
from unicorn.unicorn_py3.unicorn import uclib

from harness.engine.device import RecordSink, build_device
from harness.platform import load_platform

PHASES = 9
HALFWORDS = 0x40000
RAM, RAM_INDEX = 0x20000000, 0x20000
MODELS = {
    "cortex-m0plus": UC_CPU_ARM_CORTEX_M0,
    "cortex-m4f": UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": UC_CPU_ARM_CORTEX_M7,
}


class _State(Structure):
    _fields_ = (
        ("base", c_uint32),
        ("halfwords", c_uint32),
        ("marker", c_uint32),
        ("previous_end", c_uint32),
        ("previous", c_uint32),
        ("phase", c_uint32),
        ("executed", POINTER(c_uint64)),
        ("taken", POINTER(c_uint64)),
        ("in_it_block", POINTER(c_uint8)),
        ("loads", c_uint64 * PHASES),
        ("stores", c_uint64 * PHASES),
        ("register_read", c_void_p),
    )


@dataclass
class Reference:
    """`executed` and `taken` by phase and address; an instruction whose condition failed is not in `executed`."""

    executed: dict[tuple[int, int], int]
    taken: dict[tuple[int, int], int]
    loads: list[int]
    stores: list[int]
    it_members: dict[int, int]


@cache
def _library() -> ctypes.CDLL:
    folder = tempfile.TemporaryDirectory(prefix="reference-hook-")
    library = Path(folder.name) / "reference_hook.so"
    source = Path(__file__).parent / "firmware" / "reference_hook.c"
    subprocess.run(["cc", "-std=c11", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.folder = folder
    return loaded


def _it_members(elf: Path) -> dict[int, int]:
    """Return the instructions in IT blocks, each with the address of its IT, as binutils disassembles them."""
    text = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", str(elf)], check=True, capture_output=True, text=True
    ).stdout
    members, pending, owner = {}, 0, 0
    for line in text.splitlines():
        address, _, rest = line.strip().partition(":\t")
        mnemonic = rest.split("\t")[0].split(" ")[0].split(".")[0]
        if not rest or not mnemonic or set(address) - set("0123456789abcdef"):
            continue
        if pending:
            members[int(address, 16)] = owner
            pending -= 1
        elif mnemonic in {"it", "itt", "ite", "ittt", "itte", "itet", "itee"} or (
            len(mnemonic) == 5 and mnemonic.startswith("it") and set(mnemonic[2:]) <= set("te")
        ):
            pending, owner = len(mnemonic) - 1, int(address, 16)
    return members


def count(board: str, elf: Path) -> Reference:
    platform = load_platform(board)
    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
    uc.ctl_set_cpu_model(MODELS[platform.core])
    for memory in platform.memories:
        uc.mem_map(memory.origin, memory.size_bytes)
    sink = RecordSink()
    for peripheral in platform.peripherals:
        device = build_device(peripheral, platform, lambda a, n: bytes(uc.mem_read(a, n)), sink, lambda _on: None)
        uc.mmio_map(
            peripheral.origin,
            peripheral.size_bytes,
            lambda _uc, offset, size, device: device.read(offset, size),
            device,
            lambda _uc, offset, size, value, device: device.write(offset, size, value),
            device,
        )
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        for segment in image.iter_segments():
            if segment["p_type"] == "PT_LOAD":
                uc.mem_write(segment["p_paddr"], segment.data())
        symbols = {s.name: s["st_value"] & ~1 for s in image.get_section_by_name(".symtab").iter_symbols()}
    members = _it_members(elf)
    base = platform.vector_table

    def index(address: int) -> int:
        return RAM_INDEX + (address - RAM) // 2 if address >= RAM and address - RAM < 0x10000 else (address - base) // 2

    flags = np.zeros(HALFWORDS, dtype=np.uint8)
    for address in members:
        flags[index(address) : index(address) + 2] = 1
    for address in set(members.values()):
        flags[index(address)] = 0
    following = np.setdiff1d(
        [index(a) + 1 for a in members], [index(a) for a in members]
    )  # a second halfword, or the instruction behind the block
    code = {index(int(a)) for a in _starts(elf)}
    flags[[i for i in following if i in code]] = 0
    executed, taken = np.zeros((2, PHASES, HALFWORDS), dtype=np.uint64)
    stack = int.from_bytes(uc.mem_read(base, 4), "little")
    reset = int.from_bytes(uc.mem_read(base + 4, 4), "little")
    state = _State(
        base=base,
        halfwords=HALFWORDS,
        marker=symbols["marker"],
        previous_end=reset & ~1,
        executed=executed.ctypes.data_as(POINTER(c_uint64)),
        taken=taken.ctypes.data_as(POINTER(c_uint64)),
        in_it_block=flags.ctypes.data_as(POINTER(c_uint8)),
        register_read=ctypes.cast(uclib.uc_reg_read, c_void_p).value,
    )
    for kind, function in (
        (UC_HOOK_CODE, _library().on_every_instruction),
        (UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, _library().on_every_access),
    ):
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            uc._uch, ctypes.cast(ctypes.byref(handle), uclib.uc_hook_add.argtypes[1]), kind,
            ctypes.cast(function, c_void_p), ctypes.cast(ctypes.byref(state), c_void_p), 1, 0,
        )  # fmt: skip
        assert status == 0
    uc.reg_write(UC_ARM_REG_SP, stack)
    uc.emu_start(reset, symbols["finish"])
    # The call of `finish` itself leaves its instruction, and nothing behind it is executed.
    if state.previous_end != symbols["finish"]:
        taken[state.phase, state.previous] += 1

    def address_of(place: int) -> int:
        return RAM + 2 * (place - RAM_INDEX) if place >= RAM_INDEX else base + 2 * place

    def table(counts: np.ndarray) -> dict[tuple[int, int], int]:
        return {(int(p), address_of(int(i))): int(counts[p, i]) for p, i in np.argwhere(counts)}

    return Reference(table(executed), table(taken), list(state.loads), list(state.stores), members)


def _starts(elf: Path) -> list[int]:
    text = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", str(elf)], check=True, capture_output=True, text=True
    ).stdout
    starts = []
    for line in text.splitlines():
        address, separator, _ = line.strip().partition(":\t")
        if separator and not set(address) - set("0123456789abcdef"):
            starts.append(int(address, 16))
    return starts
