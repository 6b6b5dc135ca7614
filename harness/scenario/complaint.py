"""Turning what Pydantic finds wrong into one line for people."""

from __future__ import annotations

from typing import Any, get_args

from pydantic_core import ErrorDetails

from harness.quantity import show
from harness.scenario.choice import one_of
from harness.scenario.source import Path
from harness.scenario.vocabulary import expected, field_at, layer_types, section_at, walk_keys

_READY = {"quantity", "name", "conflict"}
_BOUND_ERRORS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}


def error_path(error: ErrorDetails) -> Path:
    """Return the path of the value or key an error is about, without the layer type that Pydantic puts in."""
    location = tuple(error["loc"])
    if len(location) > 3 and location[:2] == ("model", "layers"):
        return (*location[:3], *location[4:])
    return location


def complaint(error: ErrorDetails, path: Path, data: Any) -> str:
    """Say what is wrong with the value at `path`, what was expected and what may have been meant."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _READY:
        return str(context["message"])
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), section_at(path[:-1], data))
    field = field_at(path, data)
    wanted = expected(field) if field else _expected_by_kind(error)
    if kind == "missing":
        return f"missing key; expected {wanted}"
    if kind == "union_tag_not_found":
        return f"a layer without 'type'; expected one of {', '.join(layer_types())}"
    if kind == "union_tag_invalid":
        return f"unknown layer type {show(context['tag'])}; {one_of(str(context['tag']), layer_types())}"
    value = show(error["input"])
    if kind == "numbers":
        return f"{value} is not allowed; expected {wanted}"
    if kind == "count":
        return f"{value} is no count; expected {wanted}"
    if kind == "literal_error":
        choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)] if field else []
        kind_of_name = path[-2] if path[-1] == "name" and len(path) > 1 else path[-1]
        if isinstance(error["input"], str) and len(choices) > 0:
            return f"unknown {kind_of_name} {value}; {one_of(error['input'], choices)}"
        return f"{value} is not allowed; expected {wanted}"
    if kind in _BOUND_ERRORS:
        return f"{value} is out of range; expected {wanted}"
    if kind == "string_pattern_mismatch":
        return f"{value} is not allowed; expected letters and digits, then also '.', '_' and '-', without spaces"
    if kind in {"too_long", "too_short", "string_too_long", "string_too_short"}:
        return f"{value} has the wrong length; expected {_length(kind, context)}"
    return f"{value} is of the wrong type; expected {wanted}"


def _length(kind: str, context: dict[str, Any]) -> str:
    unit = "characters" if kind.startswith("string") else "items"
    return (
        f"at most {context['max_length']} {unit}"
        if kind.endswith("long")
        else f"at least {context['min_length']} {unit}"
    )


def _expected_by_kind(error: ErrorDetails) -> str:
    """Say what an item that is no key of the schema must be."""
    if error["type"] == "string_type":
        return "text"
    return "a layer such as {type: dense, units: 10}" if error["loc"][:2] == ("model", "layers") else "a value"


def _unknown_key(key: str, section: Any) -> str:
    known = list(section.model_fields) if section else []
    elsewhere = [name for name, _ in walk_keys() if name.rpartition(".")[2] == key]
    if elsewhere and key not in known:
        return f"unknown key here; expected one of {', '.join(known)}; did you mean '{elsewhere[0]}'?"
    return f"unknown key; {one_of(key, known)}"
