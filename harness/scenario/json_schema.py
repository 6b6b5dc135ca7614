"""JSON Schema of scenario files, with which editors complete and check them."""

from __future__ import annotations

from typing import Any

from harness.scenario.schema import Scenario
from harness.scenario.vocabulary import expandable_keys, value_adapter, walk_keys

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ENTRY = "MatrixEntry"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, naming the platforms, models and data sets there are.

    Keys that a run needs are required only of a file without a matrix, which may give them.
    """
    schema = Scenario.model_json_schema()
    properties = schema["properties"]
    properties["matrix"] = _matrix()
    required = {"": [name for name in schema.pop("required") if name != "name"]}
    for key, field in walk_keys():
        section, _, name = key.rpartition(".")
        if section and field.is_required() and key in expandable_keys():
            required.setdefault(section, []).append(name)
            owner = schema["properties"][section]["$ref"].rpartition("/")[2]
            schema["$defs"][owner].pop("required", None)
    schema["$defs"][_ENTRY] = _entry()
    return {
        "$schema": _DIALECT,
        **schema,
        "title": "Scenario",
        "required": ["name"],
        "if": {"not": {"required": ["matrix"]}},
        "then": {
            "required": required.pop(""),
            "properties": {section: {"required": names} for section, names in required.items()},
        },
    }


def _entry() -> dict[str, Any]:
    """Return the schema of one combination of matrix values."""
    return {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {
            key: {**value_adapter(key).json_schema(), "description": field.description}
            for key, field in expandable_keys().items()
        },
    }


def _matrix() -> dict[str, Any]:
    """Return the schema of the matrix: lists of values for dotted keys, `exclude` and `include`."""
    entries = {"type": "array", "items": {"$ref": f"#/$defs/{_ENTRY}"}}
    lists = {
        key: {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "description": field.description,
            "items": {"$ref": f"#/$defs/{_ENTRY}/properties/{key}"},
        }
        for key, field in expandable_keys().items()
    }
    return {
        "type": "object",
        "description": "one run for each combination of the values listed for dotted keys",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {
            **lists,
            "exclude": {**entries, "description": "combinations to leave out: those with all the values of an entry"},
            "include": {
                **entries,
                "description": "keys to add to the combinations that an entry does not contradict, or new combinations",
            },
        },
    }
