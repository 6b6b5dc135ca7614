"""The keys of the schema: which exist, what each expects, which a matrix may vary."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.fields import FieldInfo

from harness.model import LayerSpec
from harness.scenario.schema import Scenario
from harness.scenario.source import Path

_NOT_EXPANDABLE = {"name", "description", "tags", "model.layers", "dataset.shape"}
_NUMBERS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@cache
def layer_types() -> dict[str, type[BaseModel]]:
    """Return the layers a scenario may write out, by their `type`."""
    union = get_args(LayerSpec)[0]
    return {layer.model_fields["type"].default: layer for layer in get_args(union)}


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the section that `field` holds, or None when it holds a value."""
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def section_at(path: Path, data: Any) -> type[BaseModel] | None:
    """Return the section or layer at `path` of a scenario with the plain values `data`, or None."""
    if len(path) == 3 and path[:2] == ("model", "layers"):
        layer = data["model"]["layers"][path[2]]
        return layer_types().get(str(layer.get("type"))) if isinstance(layer, dict) else None
    section: type[BaseModel] | None = Scenario
    for part in path:
        field = section.model_fields.get(str(part)) if section else None
        section = section_of(field) if field else None
    return section


def field_at(path: Path, data: Any) -> FieldInfo | None:
    """Return the definition of the key at `path`, or None when there is none (an item of a list, say)."""
    section = section_at(path[:-1], data) if path else None
    return section.model_fields.get(str(path[-1])) if section else None


def walk_keys(section: type[BaseModel] = Scenario, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every dotted key with its definition, sections before their keys."""
    for name, field in section.model_fields.items():
        yield prefix + name, field
        inner = section_of(field)
        if inner:
            yield from walk_keys(inner, f"{prefix}{name}.")


@cache
def expandable_keys() -> dict[str, FieldInfo]:
    """Return the dotted keys that a matrix may vary: those with a single value that do not name the scenario."""
    return {key: field for key, field in walk_keys() if key not in _NOT_EXPANDABLE and not section_of(field)}


@cache
def value_adapter(key: str) -> TypeAdapter[Any]:
    """Return what checks one value of an expandable key by itself."""
    field = expandable_keys()[key]
    annotated: Any = Annotated
    return TypeAdapter(annotated[field.annotation, field], config=ConfigDict(strict=True, allow_inf_nan=False))


def expected(field: FieldInfo) -> str:
    """Say what the values of `field` look like: `a whole number from 1 to 4096`."""
    return _expected(field.annotation, tuple(field.metadata))


def _expected(annotation: Any, metadata: tuple[Any, ...]) -> str:
    if get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        return _expected(annotation, (*metadata, *inner))
    for item in metadata:
        if hasattr(item, "describe"):
            return str(item.describe())
    if get_origin(annotation) in {Union, types.UnionType}:
        options = [option for option in get_args(annotation) if option is not type(None)]
        return _expected(options[0], metadata)
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) is list:
        item_type = get_args(annotation)[0]
        return "a list of layers" if item_type == LayerSpec else f"a list of {_expected(item_type, ())}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a section with the keys {', '.join(annotation.model_fields)}"
    return _NUMBERS.get(annotation, "a value") + _bounds(metadata)


def _bounds(metadata: tuple[Any, ...]) -> str:
    """Say the bounds among the constraints of a number or text."""
    limits = {
        name: getattr(item, name)
        for item in metadata
        for name in ("ge", "gt", "le", "lt", "max_length")
        if getattr(item, name, None) is not None
    }
    low, high = limits.get("ge"), limits.get("le")
    if low is not None and high is not None:
        return f" from {low:g} to {high}"
    words = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below", "max_length": "of at most"}
    parts = [f"{words[name]} {limit}" for name, limit in limits.items() if name in words]
    unit = " characters" if "max_length" in limits else ""
    return f" {' and '.join(parts)}{unit}" if parts else ""
