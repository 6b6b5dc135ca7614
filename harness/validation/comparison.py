"""Published cycles beside those of the model, program by program, and the mean errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from harness.cost import BoardMemory, MemorySystem
from harness.errors import HarnessError
from harness.pipeline.profile import RegionName, RegionProfile, profile
from harness.platform import Core, bare_platform, load_platform
from harness.validation.schema import Program, RegionOf, Use


@dataclass(frozen=True)
class Comparison:
    """One program: cycles as published and as estimated, each for one repeat of what was measured.

    `problem` says why there is no estimate; then the estimate is 0. `same_build` is False when the ELF is another one
    than the file of programs was written for, and None when that does not say.
    """

    program: Program
    core: Core
    instructions: float = 0.0
    cycles: float = 0.0
    low: float = 0.0
    high: float = 0.0
    model: str = ""
    same_build: bool | None = None
    missing: bool = False
    problem: str = ""

    @property
    def error(self) -> float:
        """Return the relative error of the model: 0.1 is 10 % too many cycles."""
        return self.cycles / self.program.published_cycles - 1.0


@dataclass(frozen=True)
class Outcome:
    """All programs of a file."""

    comparisons: tuple[Comparison, ...]

    @property
    def cores(self) -> tuple[Core, ...]:
        """Return the cores of the programs, in the order of the file."""
        return tuple(dict.fromkeys(comparison.core for comparison in self.comparisons))

    def of_core(self, core: Core, use: Use | None = None) -> list[Comparison]:
        """Return the programs of `core`, those of `use` if given."""
        return [one for one in self.comparisons if one.core == core and use in (None, one.program.use)]

    def mean_absolute_error(self, core: Core, use: Use, *, same_code: bool = False) -> tuple[float, int]:
        """Return the mean absolute relative error over the programs of `core` and `use` that ran, and their number.

        With `same_code`, only of those whose machine code is that of the measurement, as with assembly.
        """
        ran = [one for one in self.of_core(core, use) if not one.problem]
        errors = [abs(one.error) for one in ran if not same_code or one.program.same_code]
        return (fmean(errors) if errors else 0.0), len(errors)


def compare(folder: Path, programs: Iterable[Program], timeout_s: float = 600.0) -> Outcome:
    """Run every program whose ELF lies in `folder`; one that cannot run has a `problem` and costs only itself."""
    return Outcome(tuple(_compare(folder / program.elf, program, timeout_s) for program in programs))


def _compare(elf: Path, program: Program, timeout_s: float) -> Comparison:
    if program.platform is not None:
        platform = load_platform(program.platform)
        memory_system: MemorySystem | None = BoardMemory()
    else:
        assert program.core is not None
        platform = bare_platform(program.core, program.memories)
        memory_system = None
    if not elf.is_file():
        problem = f"{elf}: no such file; build it, as its source says"
        return Comparison(program, platform.core, missing=True, problem=problem)
    same = None if program.sha256 is None else hashlib.sha256(elf.read_bytes()).hexdigest() == program.sha256
    try:
        seen = profile(
            elf,
            platform,
            _region(program.region),
            vector_table=program.vector_table,
            memory_system=memory_system,
            timeout_s=timeout_s,
        )
    except HarnessError as error:
        return Comparison(program, platform.core, same_build=same, problem=str(error))
    return _per_repeat(program, platform.core, seen, same)


def _region(region: RegionOf) -> RegionName:
    if region.function is not None:
        return RegionName(region.function, None, region.call)
    assert region.begin is not None
    return RegionName(region.begin, region.end, region.call)


def _per_repeat(program: Program, core: Core, seen: RegionProfile, same_build: bool | None) -> Comparison:
    repeats = program.repeats
    return Comparison(
        program=program,
        core=core,
        instructions=seen.instructions / repeats,
        cycles=seen.cycles / repeats,
        low=seen.low / repeats,
        high=seen.high / repeats,
        model=seen.model,
        same_build=same_build,
    )
