"""Native hooks: built once with the host's C compiler, loaded through ctypes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from ctypes import POINTER, Structure, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from enum import IntEnum, IntFlag
from functools import cache
from pathlib import Path

from harness.assets import cache_dir, content_hash, write_atomically
from harness.errors import EngineError, MissingToolError

_SOURCE = Path(__file__).with_name("block_hook.c")
_FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC")

PHASES_MAX = 16
LAYERS_MAX = 1024
CONTEXTS_MAX = 2048

PROGRESS = ctypes.CFUNCTYPE(None, c_uint64)


class Stop(IntEnum):
    """Why a hook stopped the emulation; equal to the enum in block_hook.c."""

    NONE = 0
    OUTSIDE_CODE = 1
    MARKER = 2
    CONTEXTS = 3
    SLOTS = 4
    STACK = 5
    UNALIGNED = 6
    MEMORY = 7
    INTERRUPT = 8
    FPU_OFF = 9
    TIMEOUT = 10
    NO_THUMB = 11
    REGION = 12


class Mark(IntFlag):
    """What a halfword is; equal to the enum in block_hook.c."""

    CODE = 1
    IT = 2
    STACK = 4
    ALIGNED = 8
    FPU = 16
    JUMP = 32


class Range(Structure):
    """A range of addresses that can hold code."""

    _fields_ = (("begin", c_uint32), ("halfwords", c_uint32), ("first_index", c_uint32))


class Cell(Structure):
    """How often a block was entered, and left for another address than the next."""

    _fields_ = (("count", c_uint64), ("taken", c_uint64))


class Slot(Structure):
    """One block: it begins at `pc` and has `size` bytes."""

    _fields_ = (
        ("pc", c_uint32),
        ("size", c_uint32),
        ("next", c_uint32),
        ("key", c_uint32),
        ("idle_calls", c_uint32),
        ("limit", c_uint32),
        ("aligned", c_uint32),
        ("reserved", c_uint32),
    )


class NativeContext(Structure):
    """The counts of one phase and layer."""

    _fields_ = (
        ("phase", c_uint32),
        ("layer", c_int32),
        ("stack_low", c_uint32),
        ("stack_size", c_uint32),
        ("registers", c_uint32 * 16),
        ("stack", c_void_p),
        ("cells", POINTER(Cell)),
        ("passed", POINTER(c_uint64)),
    )


class Counter(Structure):
    """The state that the hooks share; equal to struct counter in block_hook.c."""

    _fields_ = (
        ("ranges", POINTER(Range)),
        ("range_count", c_uint32),
        ("slot_capacity", c_uint32),
        ("slot_of", POINTER(c_uint32)),
        ("marks", POINTER(c_uint8)),
        ("effect_of", POINTER(c_uint32)),
        ("base_of", POINTER(c_uint8)),
        ("slots", POINTER(Slot)),
        ("contexts", POINTER(NativeContext)),
        ("context_of", POINTER(c_uint16)),
        ("bounds", c_void_p),
        ("halfwords", c_uint32),
        ("phase_count", c_uint32),
        ("load_phase", c_uint32),
        ("marker", c_uint32),
        ("region_begin", c_uint32),
        ("region_end", c_uint32),
        ("region_call", c_uint32),
        ("stack_limit", c_uint32),
        ("stack_top", c_uint32),
        ("fpu_enabled", c_uint32),
        ("start_emulation", c_void_p),
        ("stop_emulation", c_void_p),
        ("register_read", c_void_p),
        ("memory_read", c_void_p),
        ("control", c_void_p),
        ("progress", PROGRESS),
        ("cells", POINTER(Cell)),
        ("previous_cell", POINTER(Cell)),
        ("context", c_uint32),
        ("context_count", c_uint32),
        ("slot_count", c_uint32),
        ("previous_slot", c_uint32),
        ("previous_end", c_uint32),
        ("hot_slot", c_uint32),
        ("loop_pc", c_uint32),
        ("loop_size", c_uint32),
        ("bytes", c_uint64),
        ("steps", c_uint64),
        ("last_progress_ns", c_int64),
        ("region_calls", c_uint32),
        ("in_region", c_uint32),
        ("region_return", c_uint32),
        ("region_sp", c_uint32),
        ("stop", c_uint32),
        ("stop_pc", c_uint32),
        ("stop_address", c_uint32),
        ("stop_detail", c_uint32),
    )


@cache
def native_library(source: Path) -> ctypes.CDLL:
    """Return the C file `source` of this package as a loaded library, built first if the cache does not have it.

    Raises MissingToolError without a host C compiler and EngineError when it refuses the source.
    """
    compiler = os.environ.get("CC") or "cc"
    parts = [source.read_bytes(), " ".join(_FLAGS).encode(), sys.platform.encode(), os.uname().machine.encode()]
    library = cache_dir() / "native" / f"{source.stem}-{content_hash(parts)}.so"
    if not library.exists():
        _build(compiler, source, library)
    return ctypes.CDLL(str(library))


@cache
def block_hook() -> ctypes.CDLL:
    """Return the loaded hook that counts blocks; see `native_library`."""
    hook = native_library(_SOURCE)
    hook.enter_context.argtypes = [POINTER(Counter), c_uint32, c_int32]
    hook.enter_context.restype = ctypes.c_int
    hook.run.argtypes = [POINTER(Counter), c_void_p, c_uint32, c_uint32]
    hook.run.restype = ctypes.c_int
    hook.release_contexts.argtypes = [POINTER(Counter)]
    hook.release_contexts.restype = None
    return hook


def _build(compiler: str, source: Path, library: Path) -> None:
    program = shutil.which(compiler.split()[0])
    if program is None:
        raise MissingToolError(
            f"the emulation engine needs a C compiler for the host, and '{compiler}' is not installed: "
            "apt-get install --no-install-recommends gcc libc6-dev"
        )
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "native.so"
        command = [program, *compiler.split()[1:], *_FLAGS, "-o", str(built), str(source)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise EngineError(f"{compiler} could not build {source.name}:\n{run.stderr.strip()}")
        write_atomically(library, built.read_bytes())
