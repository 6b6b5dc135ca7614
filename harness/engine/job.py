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
class Job:
    """One emulation: an ELF on a board, from reset to the call of `finish`.

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


class Engine(Protocol):
    """An emulator that runs a job and counts exactly, or raises."""

    name: str

    def run(self, job: Job, progress: Progress | None = None) -> Trace:
        """Run `job` to its end.

        Raises FaultError when the firmware faults, and EngineError on a timeout or a failed self-check.
        """
        ...
