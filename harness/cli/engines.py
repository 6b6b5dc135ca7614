"""The engines as options of commands."""

from __future__ import annotations

from enum import StrEnum

import typer


class Engines(StrEnum):
    """The engines, as `EngineName` in a scenario; listed here because the schema is slow to import."""

    UNICORN = "unicorn"
    RENODE = "renode"


def warn_of_renode(*engines: str) -> None:
    """Say on standard error which version was tested when one of the engines is Renode and this is another one.

    Raises InputError or MissingToolError when what was found is no Renode.
    """
    if Engines.RENODE not in engines:
        return
    from harness.engine.renode.installation import find_renode

    renode = find_renode()
    if renode is not None and renode.warning:
        typer.echo(renode.warning, err=True)
