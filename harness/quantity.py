"""Sizes in bytes and ratios as people write them: `64 KiB`, `50 %`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_UNITS = {"B": 1, "KB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*([A-Za-z]*)")
_RATIO = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,12})?)\s*(%?)")
_LARGEST_SIZE_BYTES = 1 << 32
_SIZE_FORM = "a size such as '64 KiB', '64 KB', '1 MiB' or 65536"
_RATIO_FORM = "a ratio such as 0.5 or '50 %'"


def parse_size(value: object) -> int:
    """Return the number of bytes that `value` means: a whole number, or text with B, KB, MB, KiB or MiB.

    Raises ValueError that says what is wrong and what is expected.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{show(value)} is no size; expected {_SIZE_FORM}")  # noqa: TRY004 (pydantic wants it)
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{show(value)} is no size; expected {_SIZE_FORM}")
    whole, fraction, unit = match[1], match[2] or "", match[3] or "B"
    if unit not in _UNITS:
        close = {name.lower(): name for name in _UNITS}.get(unit.lower())
        hint = f"; did you mean '{close}'?" if close else ""
        raise ValueError(f"unknown unit '{unit}'; expected one of {', '.join(_UNITS)}{hint}")
    scale: int = 10 ** len(fraction)
    scaled, rest = divmod(int(whole + fraction) * _UNITS[unit], scale)
    if rest:
        raise ValueError(f"{show(value)} is not a whole number of bytes; expected {_SIZE_FORM}")
    return scaled


def parse_ratio(value: object) -> float:
    """Return the ratio that `value` means: a number, or text with or without `%`.

    Raises ValueError that says what is wrong and what is expected.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no ratio; expected {_RATIO_FORM}")
        return float(value)
    match = _RATIO.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{show(value)} is no ratio; expected {_RATIO_FORM}")
    return float(match[1]) / 100 if match[2] else float(match[1])


def format_size(size_bytes: int) -> str:
    """Return the shortest exact text that `parse_size` reads back: `64 KiB`, `1500 B`."""
    for unit in ("MiB", "KiB"):
        if size_bytes and size_bytes % _UNITS[unit] == 0:
            return f"{size_bytes // _UNITS[unit]} {unit}"
    return f"{size_bytes} B"


def format_ratio(ratio: float) -> str:
    """Return the ratio in per cent with at most four significant decimals: `50 %`."""
    return f"{round(ratio * 100, 4):g} %"


def show(value: object) -> str:
    """Name a value of a YAML file in a message, cut to a readable length."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case int() if abs(value) >= 1 << 64:
            return "a very large number"
        case _:
            text = repr(value)
            return text if len(text) <= 40 else f"{text[:37]}..."


@dataclass(frozen=True)
class SizeBounds:
    """Makes an annotated `int` a size in bytes, read with units, that lies within inclusive bounds."""

    minimum_bytes: int = 0
    maximum_bytes: int = _LARGEST_SIZE_BYTES

    def validate(self, value: object) -> int:
        """Return bytes. Raises PydanticCustomError on wrong text or a size out of bounds."""
        try:
            size_bytes = parse_size(value)
        except ValueError as error:
            raise PydanticCustomError("quantity", "{message}", {"message": str(error)}) from None
        if not self.minimum_bytes <= size_bytes <= self.maximum_bytes:
            raise PydanticCustomError(
                "quantity",
                "{message}",
                {"message": f"{show(value)} is out of range; expected {self.describe()}"},
            )
        return size_bytes

    def describe(self) -> str:
        """Say what is accepted, for messages and the reference."""
        return f"a size from {format_size(self.minimum_bytes)} to {format_size(self.maximum_bytes)}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [
                {"type": "integer", "minimum": self.minimum_bytes, "maximum": self.maximum_bytes},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(B|KB|MB|KiB|MiB)?$"},
            ],
        }


@dataclass(frozen=True)
class RatioBounds:
    """Makes an annotated `float` a ratio, read as a number or in per cent, above 0 and at most 1."""

    def validate(self, value: object) -> float:
        """Return the ratio. Raises PydanticCustomError on wrong text or a ratio out of bounds."""
        try:
            ratio = parse_ratio(value)
        except ValueError as error:
            raise PydanticCustomError("quantity", "{message}", {"message": str(error)}) from None
        if not 0 < ratio <= 1:
            raise PydanticCustomError(
                "quantity", "{message}", {"message": f"{show(value)} is out of range; expected {self.describe()}"}
            )
        return ratio

    def describe(self) -> str:
        """Say what is accepted, for messages and the reference."""
        return "a ratio above 0 and at most 1 (100 %)"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%?$"},
            ],
        }


Size = Annotated[int, SizeBounds()]
Ratio = Annotated[float, RatioBounds()]
