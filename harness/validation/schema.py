"""The format of PROGRAMS.yaml: published measurements, and the ELF files that repeat them in emulation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.platform import Core, Memory
from harness.scenario.choice import PlatformName

Use = Literal["tuning", "held-out", "shown"]

_Address = Annotated[int, Field(ge=0, lt=1 << 32)]
_Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RegionOf(_Strict):
    """What was measured: a function up to its return, or the way from one symbol to another."""

    function: _Text | None = Field(None, description="a function, priced from its entry to its return")
    begin: _Text | None = Field(None, alias="from", description="the symbol where the region begins")
    end: _Text | None = Field(None, alias="to", description="the symbol where it ends")
    call: int = Field(0, ge=0, description="which entry, from 1; 0 for all of them")

    @model_validator(mode="after")
    def _function_or_span(self) -> RegionOf:
        if (self.function is None) == (self.begin is None) or (self.begin is None) != (self.end is None):
            message = "expected either 'function', or 'from' and 'to'"
            raise PydanticCustomError("conflict", "{message}", {"message": message})
        return self


class Program(_Strict):
    """One published measurement."""

    name: _Text = Field(description="a name that is unique in the file")
    elf: _Text = Field(description="an ELF file, relative to `folder`")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")
    core: Core | None = Field(None, description="a core: a chip of which no wait states are known")
    platform: PlatformName | None = Field(None, description="a known platform")
    memories: tuple[Memory, ...] = Field((), description="a list of memories, when `core` is given")
    vector_table: _Address | None = Field(None, description="an address")
    region: RegionOf
    repeats: float = Field(1.0, gt=0, description="how many times the region does what was measured, above 0")
    published_cycles: float = Field(gt=0, description="a number above 0")
    source: _Text = Field(description="where the number was published")
    compiler: _Text = Field(description="the compiler of the published number, or `assembly`")
    built_with: _Text = Field(description="the compiler of the ELF; the same text as `compiler` when no code differs")
    conditions: _Text = Field(description="board, clock, wait states and caches of the measurement")
    use: Use = Field(description="tuning, held-out, or shown: in the table and in no mean")
    note: str = Field("", description="what a reader must know to judge the row")

    @property
    def same_code(self) -> bool:
        """Return whether the ELF has the machine code that was measured, whatever compiler links it."""
        return self.compiler == self.built_with

    @model_validator(mode="after")
    def _core_or_platform(self) -> Program:
        if (self.core is None) == (self.platform is None):
            message = "expected either 'core' or 'platform'"
            raise PydanticCustomError("conflict", "{message}", {"message": message})
        return self


class Programs(_Strict):
    """The whole file."""

    folder: str = Field(".", description="the folder of the ELF files, relative to this file")
    programs: tuple[Program, ...] = Field(description="a list of programs")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Programs:
        if not self.programs:
            message = "no program; expected at least one"
            raise PydanticCustomError("conflict", "{message}", {"message": message})
        seen: set[str] = set()
        for program in self.programs:
            if program.name in seen:
                message = f"two programs are called '{program.name}'; expected different names"
                raise PydanticCustomError("conflict", "{message}", {"message": message})
            seen.add(program.name)
        return self
