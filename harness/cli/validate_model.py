"""`harness validate-model`: the cycle models beside published measurements."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import EXIT_FAILURE

if TYPE_CHECKING:
    from harness.validation import Comparison, Outcome


class Format(StrEnum):
    """How the comparison is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


class Half(StrEnum):
    """Which programs to run."""

    ALL = "all"
    TUNING = "tuning"
    HELD_OUT = "held-out"


def validate_model(
    file: Annotated[Path, typer.Argument(metavar="PROGRAMS.yaml", help="Published numbers and ELF files.")],
    form: Annotated[Format, typer.Option("--format", help="Tables for people, for a page, or JSON.")] = Format.TEXT,
    use: Annotated[Half, typer.Option("--use", help="Only the programs of one half.")] = Half.ALL,
    elves: Annotated[
        Path | None, typer.Option("--folder", help="Folder of the ELF files, in place of the one the file names.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=1, help="Seconds one emulation may take.")] = 600,
) -> None:
    """Run programs with published cycle counts and show the model beside them, with the mean errors of each core.

    The exit status is 3 when a program failed. One whose ELF is missing is reported as not run.
    """
    from harness.assets import write_atomically
    from harness.validation import as_markdown, as_text, compare, read_programs

    folder, programs = read_programs(file)
    chosen = [program for program in programs if use is Half.ALL or program.use == use.value]
    outcome = compare(elves or folder, chosen, timeout_s)
    if form is Format.JSON:
        text = json.dumps(_document(outcome), indent=2) + "\n"
    else:
        text = as_markdown(outcome) if form is Format.MARKDOWN else as_text(outcome)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text.encode())
    if any(one.problem and not one.missing for one in outcome.comparisons):
        raise typer.Exit(EXIT_FAILURE)


def _document(outcome: Outcome) -> dict[str, Any]:
    cores: dict[str, Any] = {}
    for core in outcome.cores:
        means = {use: outcome.mean_absolute_error(core, use) for use in ("tuning", "held-out")}
        cores[core] = {
            "mean_absolute_error": {use: error for use, (error, count) in means.items() if count},
            "programs": [_row(one) for one in outcome.of_core(core)],
        }
    return cores


def _row(one: Comparison) -> dict[str, Any]:
    program = one.program
    row: dict[str, Any] = {
        "name": program.name,
        "use": program.use,
        "published_cycles": program.published_cycles,
        "source": program.source,
        "conditions": program.conditions,
        "compiler": program.compiler,
        "built_with": program.built_with,
    }
    if one.problem:
        return row | {"status": "not run" if one.missing else "failed", "problem": one.problem}
    return row | {
        "status": "ok",
        "same_build": one.same_build,
        "instructions": one.instructions,
        "model": one.model,
        "cycles": one.cycles,
        "range_cycles": [one.low, one.high],
        "error": one.error,
    }
