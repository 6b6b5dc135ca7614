"""From PROGRAMS.yaml to checked programs; every error names file, line, column and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.quantity import show
from harness.scenario.choice import one_of
from harness.scenario.document import Document, read_document
from harness.scenario.source import Path as KeyPath
from harness.scenario.source import Source, format_path
from harness.validation.schema import Program, Programs

_READY = {"conflict", "name"}


def read_programs(path: Path) -> tuple[Path, tuple[Program, ...]]:
    """Return the folder of the ELF files and the programs of `path`.

    Raises InputError with one line an error, `file:line:column: key.path: what is wrong; expected ...`.
    """
    document = read_document(path)
    document.check()
    try:
        programs = Programs.model_validate(document.data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _report(document, details)
        document.check()
        raise
    return (path.parent / programs.folder), programs.programs


def _report(document: Document, details: ErrorDetails) -> None:
    source = Source(document.file, document.values, document.keys)
    path: KeyPath = tuple(details["loc"])
    if details["type"] == "missing":
        place = source.place_of_key(path[:-1])
    else:
        place = source.place_of_key(path) if details["type"] == "extra_forbidden" else source.place(path)
    document.report(place, format_path(path), _complaint(details, path))


def _complaint(details: ErrorDetails, path: KeyPath) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _READY:
        return str(context["message"])
    if kind == "extra_forbidden":
        return f"unknown key; {one_of(str(path[-1]), _keys(_section(path[:-1])))}"
    field = _field(path)
    wanted = field.description if field is not None and field.description else details["msg"].removeprefix("Input ")
    if kind == "missing":
        return f"missing key; expected {wanted}"
    if kind == "literal_error" and field is not None and isinstance(details["input"], str):
        return f"unknown {path[-1]} {show(details['input'])}; {one_of(details['input'], _choices(field.annotation))}"
    return f"{show(details['input'])} is not allowed; expected {wanted}"


def _keys(model: type[BaseModel] | None) -> list[str]:
    fields = model.model_fields if model is not None else {}
    return [field.alias or name for name, field in fields.items()]


def _section(path: KeyPath) -> type[BaseModel] | None:
    """Return the model that `path` leads to, through lists and optional keys."""
    model: type[BaseModel] | None = Programs
    for part in path:
        if model is None or isinstance(part, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = _model(fields[part].annotation) if part in fields else None
    return model


def _field(path: KeyPath) -> FieldInfo | None:
    model = _section(path[:-1])
    if model is None or isinstance(path[-1], int):
        return None
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return fields.get(path[-1])


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for item in get_args(annotation) if (model := _model(item)) is not None), None)


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, str):
        return [annotation]
    return [choice for item in get_args(annotation) for choice in _choices(item)]
