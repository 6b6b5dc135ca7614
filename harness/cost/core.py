"""What the pipeline of a core does with its instructions: data files in `cores/`, every value with its source."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import InputError, nearest
from harness.trace.instruction import Kind
from harness.trace.operands import Form, Role

_CORES = Path(__file__).parent / "cores"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Strict):
    """Which instructions a timing is for: all that are given must hold.

    `kinds` and `mnemonics` (without a suffix like `.w` or `.f32`) list alternatives; all of `forms` must be there and
    none of `without`.
    """

    kinds: tuple[Kind, ...] = ()
    mnemonics: tuple[str, ...] = ()
    forms: tuple[Form, ...] = ()
    without: tuple[Form, ...] = ()


class Hidden(_Strict):
    """Cycles at the end of an instruction that overlap with the next one, if that has one of the timings `before`.

    With one of the timings `perhaps_before` they do so every other time.
    """

    cycles: int = Field(gt=0)
    before: tuple[str, ...]
    perhaps_before: tuple[str, ...] = ()


class Timing(_Strict):
    """How a pipeline executes one class of instructions; `source` holds keys of the core's `sources`.

    Nothing else issues for `cycles` plus `per_word` for each word loaded or stored, rounded up; `range` gives the least
    and the most of `cycles` where the code does not decide, and half a cycle is a whole one every other time. A result
    is ready `latency` cycles after the last of these began, or `to[role]` for operands of that role. `needs` are units
    that must be free and are then taken for a cycle, `holds` units that are taken for so many cycles.

    On a core that issues two at once, an instruction that is `alone` has no partner, one that is `older` only a
    following one. `early` instructions may execute one stage ahead when their operands are there, from either slot or
    from the `older` one. `taken` are the cycles that a taken branch spends on refilling the pipeline. `predicted` says
    what a branch predictor must foresee.
    """

    name: str
    match: Match
    cycles: float = Field(default=1, ge=0)
    per_word: float = Field(default=0, ge=0)
    range: tuple[int, int] | None = None
    latency: int = Field(default=1, ge=0)
    to: dict[Role, int] = {}
    needs: tuple[str, ...] = ()
    holds: dict[str, int] = {}
    alone: bool = False
    older: bool = False
    early: Literal["no", "older", "any"] = "no"
    hidden: Hidden | None = None
    taken: int = Field(default=0, ge=0)
    predicted: Literal["direction", "target"] | None = None
    source: tuple[str, ...]


class Refill(_Strict):
    """Further cycles of a taken branch, which takes at most `most` cycles to refill the pipeline.

    They arise when the target is a 32-bit instruction that does not begin on a word, and when the flags are set in the
    cycle of the branch.
    """

    misaligned_wide_target: int = Field(ge=0)
    same_cycle_flags: int = Field(default=0, ge=0)
    most: int
    source: tuple[str, ...]


class Prediction(_Strict):
    """Cycles lost by a branch that was foretold wrongly: fewer when its flags were set `distance` cycles before."""

    mispredicted: int = Field(gt=0)
    mispredicted_early_flags: int = Field(gt=0)
    distance: int = Field(gt=0)
    source: tuple[str, ...]


class Unaligned(_Strict):
    """Cycles that a load of a word takes longer at worst when its address is no multiple of four."""

    cycles: int = Field(gt=0)
    source: tuple[str, ...]


class WideRun(_Strict):
    """Cycles lost on fetching: at the `length`th of 32-bit instructions in a row that do not begin on a word."""

    length: int = Field(gt=1)
    cycles: int = Field(gt=0)
    source: tuple[str, ...]


class Reading(_Strict):
    """Cycles by which operands of each role must be there before (or, below zero, may come after) those of `data`."""

    earlier: dict[Role, int]
    source: tuple[str, ...]


class CoreModel(_Strict):
    """The pipeline of one core.

    `pairs` says whether only instructions of 16 bits issue together. `skipped` says what an instruction does whose
    condition failed: `executed` as if it held, or one cycle. `loads_in_banks` marks a core that loads two words at once
    from even and odd words. `timings` are tried in order: the first that matches an instruction holds.
    """

    core: str
    model: str
    error: str
    issue_width: Literal[1, 2]
    pairs: Literal["any", "narrow"] = "any"
    skipped: Literal["executed", "cycle"]
    loads_in_banks: bool = False
    reading: Reading
    refill: Refill | None = None
    prediction: Prediction | None = None
    unaligned: Unaligned | None = None
    wide_run: WideRun | None = None
    sources: dict[str, str]
    timings: tuple[Timing, ...]

    @model_validator(mode="after")
    def _names_are_known(self) -> CoreModel:
        names = {timing.name for timing in self.timings}
        for timing in self.timings:
            hidden = timing.hidden
            missing = {*hidden.before, *hidden.perhaps_before} - names if hidden else set()
            if missing:
                raise ValueError(f"timings.{timing.name}.hidden: there is no timing '{min(missing)}'")
        parts = (self.reading, self.refill, self.prediction, self.unaligned, self.wide_run, *self.timings)
        for part in parts:
            for key in part.source if part else ():
                if key not in self.sources:
                    raise ValueError(f"source: '{key}' is not in sources")
        return self


@cache
def core_names() -> tuple[str, ...]:
    """Return the cores that have a model."""
    return tuple(sorted(path.stem for path in _CORES.glob("*.yaml")))


@cache
def core_model(core: str) -> CoreModel:
    """Return the model of `core`. Raises InputError when there is none."""
    if core not in core_names():
        raise InputError(f"core: there is no cycle model of '{core}': {nearest(core, core_names())}")
    return CoreModel.model_validate(yaml.safe_load((_CORES / f"{core}.yaml").read_text()))
