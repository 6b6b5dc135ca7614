"""The engines as options of commands."""

from __future__ import annotations

from enum import StrEnum

import typer


class Engines(StrEnum):
    """The engines, as `EngineName` in a scenario; listed here because the schema is slow to import."""

    UNICORN = "unicorn"
    RENODE = "renode"


def look_for_renode(*, required: bool) -> None:
    """Say on standard error which version was tested when the Renode that is here is another one.

    Raises InputError or MissingToolError when what was found is no Renode, or there is none but it is required.
    """
    from harness.engine.renode.installation import find_renode, require_renode

    renode = require_renode() if required else find_renode()
    if renode is not None and renode.warning:
        typer.echo(renode.warning, err=True)
