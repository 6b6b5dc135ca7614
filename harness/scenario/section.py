"""What all sections of a scenario have in common."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

SEED_LIMIT = 1 << 32


class Section(BaseModel):
    """Keys of one section: unknown ones are refused, and values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def conflict(message: str, *keys: str) -> NoReturn:
    """Reject a combination of keys; the first of `keys` that the user wrote gets the blame."""
    raise PydanticCustomError("conflict", "{message}", {"message": message, "keys": keys})


def value_at(section: Section, key: str) -> Any:
    """Return the value at a dotted key."""
    value: Any = section
    for part in key.split("."):
        value = getattr(value, part)
    return value
