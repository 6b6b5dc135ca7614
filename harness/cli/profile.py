"""`harness profile`: what a region of any ELF costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.engines import Engines, look_for_renode
from harness.errors import EXIT_REGRESSION, InputError, nearest

if TYPE_CHECKING:
    from harness.pipeline.profile import RegionProfile
    from harness.platform import Platform


def _platform(platform: str | None, core: str | None) -> Platform:
    from harness.platform import CORES, bare_platform, load_platform

    if (platform is None) == (core is None):
        raise InputError("profile: expected either --platform or --core")
    if platform is not None:
        return load_platform(platform)
    for known in CORES:
        if core == known:
            return bare_platform(known)
    raise InputError(f"--core: unknown core '{core}': {nearest(core or '', CORES)}")


def profile(
    elf: Annotated[Path, typer.Argument(metavar="ELF", help="Any firmware, not stripped.", show_default=False)],
    platform: Annotated[str | None, typer.Option("--platform", help="Board whose memory map and core it uses.")] = None,
    core: Annotated[
        str | None, typer.Option("--core", help="In place of a board: any chip with this core, without wait states.")
    ] = None,
    engine: Annotated[
        Engines, typer.Option("--engine", help="What executes it; both count the same.")
    ] = Engines.UNICORN,
    region: Annotated[
        str | None, typer.Option("--region", help="Function (or address) to price; the whole run when not given.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Symbol or address where the region ends; its return when not given.")
    ] = None,
    call: Annotated[int, typer.Option("--call", min=0, help="Which entry to price, from 1; 0: all of them.")] = 0,
    top: Annotated[int, typer.Option("--top", min=0, help="How many functions to list.")] = 12,
    timeout_s: Annotated[float, typer.Option("--timeout", min=1, help="Seconds the emulation may take.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="What --json printed at an earlier commit, to compare with.")
    ] = None,
    tolerance: Annotated[str, typer.Option("--tolerance", help="Growth over the baseline that is allowed.")] = "1 %",
) -> None:
    """Run any ELF and tell what a region of it costs: exact instructions and stack, estimated cycles.

    The ELF needs symbols and nothing of this project. It ends at a breakpoint, when semihosting exits, at its functions
    `finish` or `_exit`, when it sleeps, or behind the chosen call. The exit status is 1 when instructions, cycles or
    stack exceed the baseline by more than the tolerance.
    """
    allowed = _share(tolerance)
    board = _platform(platform, core)
    if to is not None and region is None:
        raise InputError("--to: expected --region, where the region begins")
    from harness.cost import BoardMemory
    from harness.engine import engine_named
    from harness.pipeline.profile import RegionName
    from harness.pipeline.profile import profile as profile_region
    from harness.pipeline.regression import changes

    name = None if region is None else RegionName(region, to, call)
    memory_system = None if platform is None else BoardMemory()
    if engine is Engines.RENODE:
        look_for_renode(required=True)
    runs_on = engine_named(engine.value)
    result = profile_region(elf, board, name, memory_system=memory_system, timeout_s=timeout_s, engine=runs_on)
    if as_json:
        document = {"elf": str(elf), "platform": board.name, "region": name and str(name), **asdict(result)}
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"{elf}: {name or 'the whole run'}, on {board.title}")
        _print(result, top)
    if baseline is not None:
        found = changes(result, board.name, name, baseline, allowed)
        for change in found:
            typer.echo(f"  {'WORSE' if change.worse else 'ok':5}  {change}", err=as_json)
        if any(change.worse for change in found):
            raise typer.Exit(EXIT_REGRESSION)


def _share(text: str) -> float:
    from harness.quantity import parse_ratio

    try:
        return parse_ratio(text)
    except ValueError as error:
        raise InputError(f"--tolerance: {error}") from None


def _print(result: RegionProfile, top: int) -> None:
    typer.echo(f"  {result.instructions:,} instructions (exact)")
    typer.echo(f"  {result.cycles:,.0f} cycles ({result.low:,.0f}-{result.high:,.0f}), estimated")
    chain = f": {' > '.join(result.stack_chain)}" if result.stack_chain else ""
    typer.echo(f"  {result.stack_bytes:,} bytes of stack at most (exact){chain}")
    _print_functions(result, top)
    typer.echo(f"  cycles by {result.model}: {result.error}")


def _print_functions(result: RegionProfile, top: int) -> None:
    for function in result.functions[:top]:
        share = function.cycles / result.cycles if result.cycles else 0.0
        typer.echo(f"  {share:6.1%} {function.cycles:14,.0f} cycles {function.instructions:14,} {function.function}")
