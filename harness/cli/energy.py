"""`harness energy`: the power of each board and state, and published energies beside the model's."""

from __future__ import annotations

import typer


def energy() -> None:
    """Print the power of each board's states with its conditions, and published energies beside the model's.

    Both tables are Markdown; docs/energy.md holds them.
    """
    from harness.cost.published_energy import comparison_table, power_table

    typer.echo(power_table())
    typer.echo()
    typer.echo(comparison_table())
