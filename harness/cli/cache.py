"""`harness cache`: what the cache of steps holds, and its removal."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.errors import HarnessError

app = typer.Typer(help="List or clear the results of steps that later runs are taken from.", no_args_is_help=True)

_MIB = 1 << 20


@app.command("list")
def list_entries() -> None:
    """Show how many results of each step are kept, and how much room they take."""
    from harness.cache import user_cache
    from harness.cache.eviction import limit_bytes, stored_entries

    cache = user_cache()
    steps: dict[str, list[int]] = {}
    for entry in stored_entries(cache):
        steps.setdefault(entry.step, []).append(entry.size_bytes)
    typer.echo(f"{cache.folder}: at most {limit_bytes() / _MIB:,.0f} MiB (HARNESS_CACHE_LIMIT)")
    for step, sizes in sorted(steps.items()):
        typer.echo(f"  {step:<14} {len(sizes):>7,} {sum(sizes) / _MIB:>10,.1f} MiB")
    typer.echo(f"  {'all':<14} {sum(map(len, steps.values())):>7,} {sum(map(sum, steps.values())) / _MIB:>10,.1f} MiB")


@app.command("clear")
def clear(
    keep: Annotated[
        str, typer.Option("--keep", help="Remove what was not used for longest until this much is left: '500 MiB'.")
    ] = "0",
) -> None:
    """Remove the results of steps; data sets stay. Exit status 3 while another harness process uses the cache."""
    from harness.cache import user_cache
    from harness.cache.eviction import remove_older_formats, shrink
    from harness.cli.size import size_bytes

    limit = size_bytes("--keep", keep)
    removed = shrink(user_cache(), limit)
    if removed is None:
        raise HarnessError("the cache is in use by another harness process; nothing was removed")
    if limit == 0:
        remove_older_formats(user_cache())
    size = sum(entry.size_bytes for entry in removed)
    typer.echo(f"removed {len(removed)} results, {size / _MIB:,.1f} MiB")
