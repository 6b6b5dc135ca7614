"""The description of one board, and the boards that ship with the harness."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import InputError, nearest
from harness.platform.memory_system import Hierarchy
from harness.platform.power import Power

Core = Literal["cortex-m0plus", "cortex-m4f", "cortex-m7"]
_BOARDS = Path(__file__).parent / "boards"

CORES: tuple[Core, ...] = ("cortex-m0plus", "cortex-m4f", "cortex-m7")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Memory(_Strict):
    """One region of the memory map."""

    name: str
    kind: Literal["flash", "ram", "samples"]
    origin: int = Field(ge=0, lt=1 << 32)
    size_bytes: int = Field(gt=0)
    source: str


class Peripheral(_Strict):
    """One block of registers; `model` names a device model of the engine, `registers` is plain storage.

    `reset` gives the word at an offset after reset. `ready` gives bits that always read as one, whatever was written:
    the locks, events and ready flags that firmware waits for.
    """

    name: str
    model: Literal["registers", "nrf-uarte", "pl011", "lpuart", "stm32-usart"]
    origin: int
    size_bytes: int
    reset: dict[int, int] = {}
    ready: dict[int, int] = {}
    source: str


class Platform(_Strict):
    """One board. Addresses and sizes in bytes, clock in Hz, power in mW."""

    name: str
    title: str
    core: Core
    clock_hz: int = Field(gt=0)
    memories: list[Memory]
    peripherals: list[Peripheral]
    uart: str
    vector_table: int
    memory_system: Hierarchy
    power: Power
    sources: list[str]

    @model_validator(mode="after")
    def _paths_lead_to_memories(self) -> Self:
        known = {memory.name for memory in self.memories}
        for path in self.memory_system.paths:
            if path.memory not in known:
                raise ValueError(f"memory_system: no memory '{path.memory}'; expected one of {sorted(known)}")
        return self

    def memory(self, kind: Literal["flash", "ram", "samples"]) -> Memory:
        """Return the first region of `kind`."""
        return next(memory for memory in self.memories if memory.kind == kind)


@cache
def platform_names() -> tuple[str, ...]:
    """Return the names of the boards that ship with the harness."""
    return tuple(sorted(path.stem for path in _BOARDS.glob("*.yaml")))


@cache
def load_platform(name: str) -> Platform:
    """Return the board `name`.

    Raises InputError when there is no such board.
    """
    if name not in platform_names():
        raise InputError(f"platform: unknown platform '{name}': {nearest(name, platform_names())}")
    return Platform.model_validate(yaml.safe_load((_BOARDS / f"{name}.yaml").read_text()))
