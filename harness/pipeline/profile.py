"""What a region of any ELF costs: exact counts, and the cycles that the model makes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.build import Image
from harness.cost import MemorySystem, price
from harness.engine import AnyElf, Engine, Job, Region, run_isolated
from harness.errors import InputError
from harness.explanation.stack import DeepStack, deep_stacks
from harness.platform import Platform
from harness.scenario.choice import one_of

_VECTOR_TABLES = ("__isr_vector", "__vectors", "__Vectors", "__vector_table", "g_pfnVectors", "vector_table", "vectors")
"""What start-up files call the vector table: CMSIS, Arm, IAR, ST, libopencm3."""

_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class RegionName:
    """A region in words: the function `begin` up to its return, or what lies between the symbols `begin` and `end`.

    Each is a symbol or an address such as 0x1234. `call` chooses one entry, from 1; 0 means all of them.
    """

    begin: str
    end: str | None = None
    call: int = 0

    def __str__(self) -> str:
        span = self.begin if self.end is None else f"{self.begin} to {self.end}"
        return f"{span}, call {self.call}" if self.call else span


@dataclass(frozen=True)
class FunctionCost:
    """What one function took within the region: instructions exact, cycles estimated."""

    function: str
    instructions: int
    cycles: float


@dataclass(frozen=True)
class RegionProfile:
    """What a region took. `instructions` is exact; `cycles` is an estimate of `model`, within `low` and `high`.

    `functions` has the most expensive first. `error` says how far off the model may be. `stack_bytes` is the most that
    lay on the stack meanwhile, counted from where the stack began at reset, and `stack_chain` who called whom then, the
    outermost function first; it begins with `...` where the rest cannot be told.
    """

    instructions: int
    cycles: float
    low: float
    high: float
    model: str
    error: str
    functions: tuple[FunctionCost, ...]
    stack_bytes: int
    stack_chain: tuple[str, ...]


def profile(
    elf: Path,
    platform: Platform,
    region: RegionName | None = None,
    *,
    vector_table: int | None = None,
    memory_system: MemorySystem | None = None,
    timeout_s: float = _TIMEOUT_S,
    engine: Engine | None = None,
) -> RegionProfile:
    """Run `elf` on `platform` and return what `region` took, or the whole run when it is None.

    The vector table is looked for under its usual names, then where the board has it. Without a `memory_system` nothing
    waits for a memory. Raises InputError for an ELF that does not fit, an unknown symbol or a region never entered, and
    what the engine raises.
    """
    image = Image(elf)
    chosen = None if region is None else _region(image, region)
    table = vector_table if vector_table is not None else _vector_table(image)
    job = Job(elf, platform, timeout_s=timeout_s, any_elf=AnyElf(chosen, table))
    trace = run_isolated(job, engine=engine)
    cycles = price(trace, image, platform, memory_system)
    wanted = "outside" if region is None else "region"
    columns = [column for column, context in enumerate(trace.contexts) if context.phase == wanted]
    counts = trace.executions[:, columns].sum(axis=1)
    spent = cycles.by_address[:, columns].sum(axis=1)
    functions: dict[str, FunctionCost] = {}
    for address, count, cost in zip(trace.addresses.tolist(), counts.tolist(), spent.tolist(), strict=True):
        if count:
            name = image.function_at(address) or f"0x{address:08x}"
            before = functions.get(name, FunctionCost(name, 0, 0.0))
            functions[name] = FunctionCost(name, before.instructions + count, before.cycles + cost)
    stack_top = int.from_bytes(image.read(platform.vector_table if table is None else table, 4), "little")
    stacks = deep_stacks(trace, image, stack_top)
    deepest = max((stacks[column] for column in columns), key=lambda stack: stack.size_bytes, default=None)
    return RegionProfile(
        instructions=int(counts.sum()),
        cycles=float(spent.sum()),
        low=float(cycles.low[:, columns].sum()),
        high=float(cycles.high[:, columns].sum()),
        model=cycles.model,
        error=cycles.error,
        functions=tuple(sorted(functions.values(), key=lambda function: -function.cycles)),
        stack_bytes=0 if deepest is None else deepest.size_bytes,
        stack_chain=() if deepest is None else _chain(deepest),
    )


def _chain(stack: DeepStack) -> tuple[str, ...]:
    functions = tuple(frame.origin.function for frame in stack.frames)
    return functions if stack.complete or not functions else ("...", *functions)


def _vector_table(image: Image) -> int | None:
    return next((image.symbols[name].address for name in _VECTOR_TABLES if name in image.symbols), None)


def _region(image: Image, region: RegionName) -> Region:
    begin = _address(image, region.begin)
    end = None if region.end is None else _address(image, region.end)
    if begin == end:
        raise InputError(f"{image.path}: region: it begins and ends at '{region.begin}'; expected two places")
    return Region(begin, end, region.call)


def _address(image: Image, place: str) -> int:
    number = re.fullmatch(r"0x[0-9a-fA-F]{1,8}", place)
    if number is None and place not in image.symbols:
        names = [name for name, symbol in image.symbols.items() if image.is_code(symbol.address & ~1)]
        raise InputError(f"{image.path}: region: no symbol '{place}'; {one_of(place, names)}")
    address = int(place, 16) if number else image.symbols[place].address
    if not image.is_code(address & ~1):
        raise InputError(f"{image.path}: region: '{place}' is 0x{address:08x}; expected the address of Thumb code")
    return address & ~1
