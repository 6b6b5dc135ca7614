"""Values that are names: data types, policies, engines, and the names other modules offer."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from harness.dataset import OWN, dataset_names
from harness.model import network_names
from harness.platform import platform_names
from harness.quantity import show

Dtype = Literal["uint8", "mixed", "float32"]
Policy = Literal["dynamic", "full", "static", "random", "last-layers"]
RatioForm = Literal["follow-up", "talk", "poster"]
OptimizerName = Literal["standardized", "momentum", "momentum-qas"]
ScheduleName = Literal["constant", "step", "cosine"]
Rounding = Literal["nearest", "stochastic"]
ActivationRanges = Literal["tracked", "calibrated"]
ErrorRanges = Literal["tracked", "fixed"]
GradientBits = Literal[8, 16, 32]
EngineName = Literal["unicorn", "renode"]
Fidelity = Literal["profile", "count"]
CacheModel = Literal["assume", "simulate"]
CyclesPerInstruction = Literal["one", "model"]

_MOST_NAMES_LISTED = 12


def one_of(word: str, choices: Iterable[str]) -> str:
    """Say which names are expected, and which of them `word` may have meant."""
    known = sorted(choices)
    listed = f"expected one of {', '.join(known)}" if len(known) <= _MOST_NAMES_LISTED else "expected a known name"
    close = difflib.get_close_matches(word[:100], known, n=1, cutoff=0.5)
    return f"{listed}; did you mean '{close[0]}'?" if close else listed


@dataclass(frozen=True)
class OneOf:
    """Makes an annotated `str` one of the names that another module offers; `kind` is the word for messages."""

    kind: str
    names: Callable[[], tuple[str, ...]]

    def validate(self, value: object) -> str:
        """Return the name. Raises PydanticCustomError when it is none of those offered."""
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "expected a name", {})
        if value not in self.names():
            message = f"unknown {self.kind} {show(value)}; {one_of(value, self.names())}"
            raise PydanticCustomError("name", "{message}", {"message": message})
        return value

    def describe(self) -> str:
        """Say what is accepted, for messages and the reference."""
        return f"a known {self.kind}: {', '.join(sorted(self.names()))}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": sorted(self.names())}


PlatformName = Annotated[str, OneOf("platform", platform_names)]
ModelName = Annotated[str, OneOf("model", network_names)]
DatasetName = Annotated[str, OneOf("data set", lambda: (*dataset_names(), *OWN))]


@dataclass(frozen=True)
class CountOrWord:
    """Makes an annotated `int | Literal[...]` a whole number of at least `least`, or one of `words`."""

    words: tuple[str, ...]
    least: int = 1

    def validate(self, value: object) -> object:
        """Return the count or the word. Raises PydanticCustomError on anything else."""
        is_count = isinstance(value, int) and not isinstance(value, bool) and self.least <= value < 1 << 32
        if is_count or (isinstance(value, str) and value in self.words):
            return value
        raise PydanticCustomError("count", "no count")

    def describe(self) -> str:
        """Say what is accepted, for messages and the reference."""
        return f"a whole number of at least {self.least}, or " + " or ".join(f"`{word}`" for word in self.words)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "integer", "minimum": self.least}, {"enum": list(self.words)}]}


Steps = Annotated[int | Literal["all", "sampled"], CountOrWord(("all", "sampled"))]
ResetLayers = Annotated[int | Literal["all"], CountOrWord(("all",), least=0)]
TrainedLayers = Annotated[int | Literal["all", "auto"], CountOrWord(("all", "auto"))]


@dataclass(frozen=True)
class Numbers:
    """Makes an annotated `list[int]` `fewest` to `most` whole numbers from `low` to `high`."""

    low: int
    high: int
    fewest: int
    most: int

    def validate(self, value: object) -> list[int]:
        """Return the list. Raises PydanticCustomError on anything else."""
        if isinstance(value, list) and self.fewest <= len(value) <= self.most:
            numbers = [item for item in value if type(item) is int and self.low <= item <= self.high]
            if len(numbers) == len(value):
                return numbers
        raise PydanticCustomError("numbers", "no such list")

    def describe(self) -> str:
        """Say what is accepted, for messages and the reference."""
        count = str(self.fewest) if self.fewest == self.most else f"{self.fewest} to {self.most}"
        return f"a list of {count} whole numbers from {self.low} to {self.high}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        items = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"type": "array", "items": items, "minItems": self.fewest, "maxItems": self.most}


Shape = Annotated[list[int], Numbers(1, 65_535, 3, 3)]
Groups = Annotated[list[int], Numbers(0, 255, 1, 32)]
