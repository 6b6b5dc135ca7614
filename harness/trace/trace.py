"""The `Trace`: all that an engine observed in one run, and nothing derived from it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.assets import write_atomically

PHASES = ("startup", "load", "forward", "loss", "select", "backward", "update", "evaluate", "io")
"""Phase names; the index is the number the firmware passes to `marker` (firmware/marker.h)."""

REGION_PHASES = ("outside", "region")
"""What stands for phases when a region of any ELF is told apart from the rest of it."""

STEP_PHASES = ("load", "forward", "loss", "select", "backward", "update")
"""The phases that make up a training step; start-up, evaluation and records are not part of its cost."""

NO_LAYER = -1

_ACCESSES, _MISSES = "accesses:", "misses:"

Counts = npt.NDArray[np.uint64]


class Context(NamedTuple):
    """What the firmware was doing: a phase (or one of `REGION_PHASES`), and a layer within it (`NO_LAYER` for none)."""

    phase: str
    layer: int


@dataclass(frozen=True)
class Accesses:
    """Accesses of one kind to one slow memory in a simulation of the board's caches, and those that missed.

    Both are uint64 (n, c) like `Trace.executions`; an access is counted at the begin of the block it is in.
    """

    accesses: Counts
    misses: Counts


@dataclass(frozen=True)
class Trace:
    """Executions per instruction address and context.

    `addresses` is uint32 (n,), ascending; `executions`, `skipped` and `taken` are uint64 (n, c) with one column a
    context. `executions` counts an instruction of an IT block whose condition failed; `skipped` counts only those.
    `taken` counts how often control left the instruction for another address than the next one.
    `stack_low` is uint32 (c,): the lowest stack pointer seen in each context (0xFFFFFFFF for none). `stack_registers`
    is uint32 (c, 16): r0 to r15 at that moment, of which r15 is the address of the next instruction (1 where nothing
    was noted). `stack_contents` holds the bytes that lay on each stack then, from `stack_low` up to its top.
    `simulated` holds the accesses of each path of the platform's memory system, by name, if caches were simulated.
    An engine that counts no addresses names `classes` of instructions in their place: `addresses` is empty then, the
    counts have a row a class, and nothing is known of `skipped` and `taken`.
    """

    engine: str
    contexts: tuple[Context, ...]
    addresses: npt.NDArray[np.uint32]
    executions: Counts
    skipped: Counts
    taken: Counts
    stack_low: npt.NDArray[np.uint32]
    stack_registers: npt.NDArray[np.uint32]
    stack_contents: tuple[bytes, ...]
    records: tuple[dict[str, Any], ...]
    memory: dict[str, bytes] = field(default_factory=dict)
    wall_seconds: float = 0.0
    simulated: dict[str, Accesses] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    @property
    def instructions(self) -> int:
        """Return all instructions executed (exact)."""
        return int(self.executions.sum())

    def instructions_by_phase(self) -> dict[str, int]:
        """Return the instructions executed in each phase that ran (exact)."""
        totals = dict.fromkeys((*PHASES, *REGION_PHASES), 0)
        for context, count in zip(self.contexts, self.executions.sum(axis=0), strict=True):
            totals[context.phase] += int(count)
        return {phase: count for phase, count in totals.items() if count}

    def save(self, path: Path) -> None:
        """Write the trace to `path` (.npz) in one piece."""
        write_atomically(path, self.pack())

    def pack(self) -> bytes:
        """Return the bytes of a compressed file of the trace."""
        buffer = io.BytesIO()
        header = {
            "engine": self.engine,
            "contexts": self.contexts,
            "records": self.records,
            "memory": {name: data.hex() for name, data in self.memory.items()},
            "stack_contents": [data.hex() for data in self.stack_contents],
            "wall_seconds": self.wall_seconds,
            "classes": self.classes,
        }
        arrays: dict[str, Any] = {f"{_ACCESSES}{name}": seen.accesses for name, seen in self.simulated.items()}
        arrays |= {f"{_MISSES}{name}": seen.misses for name, seen in self.simulated.items()}
        np.savez_compressed(
            buffer,
            header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
            addresses=self.addresses,
            executions=self.executions,
            skipped=self.skipped,
            taken=self.taken,
            stack_low=self.stack_low,
            stack_registers=self.stack_registers,
            **arrays,
        )
        return buffer.getvalue()

    @classmethod
    def load(cls, path: Path) -> Trace:
        """Read a trace written by `save`."""
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes())
            return cls(
                engine=header["engine"],
                contexts=tuple(Context(phase, layer) for phase, layer in header["contexts"]),
                addresses=stored["addresses"],
                executions=stored["executions"],
                skipped=stored["skipped"],
                taken=stored["taken"],
                stack_low=stored["stack_low"],
                stack_registers=stored["stack_registers"],
                stack_contents=tuple(bytes.fromhex(data) for data in header["stack_contents"]),
                records=tuple(header["records"]),
                memory={name: bytes.fromhex(data) for name, data in header["memory"].items()},
                wall_seconds=header["wall_seconds"],
                classes=tuple(header.get("classes", ())),
                simulated={
                    name: Accesses(stored[_ACCESSES + name], stored[_MISSES + name])
                    for name in (key.removeprefix(_ACCESSES) for key in stored if key.startswith(_ACCESSES))
                },
            )
