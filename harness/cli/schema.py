"""`harness schema`: the scenario format for editors and for people."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How the schema is written."""

    JSON = "json"
    MARKDOWN = "markdown"


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of standard output.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="JSON Schema for editors, or the reference page.")
    ] = Format.JSON,
) -> None:
    """Write the scenario format as JSON Schema, with which editors complete and check scenario files."""
    from harness.assets import write_atomically
    from harness.scenario import json_schema, reference

    text = f"{json.dumps(json_schema(), indent=2)}\n" if form is Format.JSON else reference()
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text.encode())
