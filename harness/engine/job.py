"""What an engine is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.platform import Platform
from harness.trace import Trace

Progress = Callable[[int], None]
"""Called with the number of training steps done so far."""


@dataclass(frozen=True)
class Region:
    """Code to tell apart: from `begin` to `end`, or to the return of the function at `begin` when `end` is None.

    Both are addresses at which control arrives by a branch, a call or a return. `call` chooses one entry, from 1; the
    run ends behind it. 0 counts all of them.
    """

    begin: int
    end: int | None = None
    call: int = 0


@dataclass(frozen=True)
class AnyElf:
    """Says that the ELF is not this project's: it needs no `finish`, and its markers and records mean nothing.

    Its trace has the phases `harness.trace.REGION_PHASES`. It ends at a breakpoint, at the exit of semihosting, at its
    functions `finish` or `_exit`, or when it sleeps. `vector_table` is its address where that is not the board's.
    """

    region: Region | None = None
    vector_table: int | None = None


@dataclass(frozen=True)
class Job:
    """One emulation: an ELF on a board, from reset to the call of `finish`, or as `any_elf` says.

    `writes` are put into memory after the ELF is loaded and before the first instruction. `reads` name address ranges
    (address, size in bytes) whose content is wanted at the end, in `Trace.memory`. `simulate_caches` replays every
    fetch and load from slow memory through models of the board's caches, into `Trace.simulated`: slower.
    """

    elf: Path
    platform: Platform
    writes: tuple[tuple[int, bytes], ...] = ()
    reads: dict[str, tuple[int, int]] = field(default_factory=dict)
    timeout_s: float = 600.0
    simulate_caches: bool = False
    any_elf: AnyElf | None = None


class Engine(Protocol):
    """An emulator that runs a job and counts exactly, or raises."""

    name: str
    isolated: bool
    """Whether it emulates in a process of its own anyway, so that a crash there does no harm here."""

    @property
    def version(self) -> str:
        """Return the version of the emulator itself."""
        ...

    @property
    def identity(self) -> str:
        """Return what decides the counts beside the job: emulator, version, and the code that counts."""
        ...

    def run(self, job: Job, progress: Progress | None = None) -> Trace:
        """Run `job` to its end.

        Raises FaultError when the firmware faults, and EngineError on a timeout or a failed self-check.
        """
        ...
