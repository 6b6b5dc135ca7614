"""`harness validate`: check scenario files without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import InputError


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenario files (YAML).", show_default=False)],
    show_runs: Annotated[
        bool, typer.Option("--runs", help="List the runs that the matrix expands to, with the memory each plan needs.")
    ] = False,
) -> None:
    """Check scenario files, and the plan of every run against its budget, without building or running anything.

    Every error is one line, file:line:column: key: what is wrong. The exit status is 2 when there are any.
    """
    from harness.pipeline import prepare
    from harness.scenario import read_scenarios

    complaints: list[str] = []
    for file in files:
        try:
            scenarios = read_scenarios(file)
            prepared = prepare(scenarios)
        except InputError as error:
            complaints += error.lines
            continue
        typer.echo(f"{file}: ok, {len(scenarios)} run{'' if len(scenarios) == 1 else 's'}")
        if show_runs:
            for run in prepared:
                plan, stack = run.plan, run.scenario.memory.stack
                typer.echo(
                    f"  {run.scenario.label}: arena {plan.arena_bytes} bytes (lower bound {plan.lower_bound_bytes}), "
                    f"stack {stack}, RAM budget {run.ram_budget_bytes}"
                )
    if complaints:
        raise InputError(*complaints)
