"""`harness renode`: getting Renode, and which one is used."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.engine.renode.download import Report
    from harness.platform import Platform

app = typer.Typer(no_args_is_help=True, help="Install Renode, and tell which one is used.")


@app.command("install")
def install(
    archive: Annotated[
        Path | None, typer.Option("--from", help="The release's .tar.gz, when it was downloaded elsewhere.")
    ] = None,
) -> None:
    """Download the portable release that the harness was tested with, check it, and unpack it into the cache.

    One that is there already is left alone when it runs a tiny firmware rightly. The exit status is 3 when the release
    cannot be downloaded, and 2 when a file is not that release.
    """
    from harness.engine.renode.download import fetch, release_for
    from harness.engine.renode.download import install as unpack_release
    from harness.engine.renode.installation import installed_command
    from harness.engine.renode.verification import verify

    release, command = release_for(), installed_command()
    if archive is None and _runs(command):
        typer.echo(f"Renode {release.version} is here and runs: {command}")
        return
    if archive is not None and not archive.is_file():
        raise InputError(f"--from {archive}: no such file; expected {release.file_name}")
    with tempfile.TemporaryDirectory(prefix="harness-install-") as temporary:
        if archive is None:
            archive = Path(temporary) / release.file_name
            typer.echo(f"downloading {release.url}")
            fetch(release, archive, _report())
        unpack_release(release, archive, command.parent, verify)
    typer.echo(f"installed Renode {release.version}, and it runs: {command}")


@app.command("where")
def where() -> None:
    """Print the program that is used, its version, and how it was found; the exit status is 3 when there is none."""
    from harness.engine.renode.installation import require_renode

    renode = require_renode()
    typer.echo(f"{renode.command}: Renode {renode.version}, found by {renode.found_by}")
    if renode.warning:
        typer.echo(renode.warning, err=True)


@app.command("platform")
def platform(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A board, such as nrf52840.", show_default=False)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; standard output when not given.")] = None,
    elf: Annotated[
        Path | None, typer.Option("--elf", help="Firmware whose modelled cycles DWT and SysTick shall count.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Function of the firmware to take them from; not given: all of it.")
    ] = None,
) -> None:
    """Print a board's Renode platform description, to be loaded after renode/peripherals/register_block.cs.

    With --elf, the firmware runs on the default engine first. Its mean cycles per instruction, by the cycle models, set
    the counters' frequency and Renode's instructions per second, so that it reads modelled cycles from DWT.CYCCNT.
    """
    from harness.assets import write_atomically
    from harness.engine.renode.description import describe
    from harness.platform import load_platform

    if region is not None and elf is None:
        raise InputError("--region: expected --elf, the firmware that has it")
    board = load_platform(name)
    text = describe(board) if elf is None else _modelled(board, elf, region)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text.encode())


def _modelled(board: Platform, elf: Path, region: str | None) -> str:
    from harness.cost import BoardMemory
    from harness.engine.renode.description import describe
    from harness.engine.renode.pace import pace
    from harness.pipeline.profile import RegionName, profile

    profiled = profile(elf, board, None if region is None else RegionName(region), memory_system=BoardMemory())
    cycles_per_instruction = profiled.cycles / profiled.instructions
    what = f"{region or 'the whole run'} of {elf.name}, {cycles_per_instruction:.4f} cycles an instruction"
    note = f"// Counters show cycles by {profiled.model} for {what}.\n// {profiled.error}\n"
    return note + describe(board, pace(board.clock_hz, cycles_per_instruction))


def _runs(command: Path) -> bool:
    from harness.engine.renode.verification import verify
    from harness.errors import EngineError

    if not command.is_file():
        return False
    try:
        verify(command)
    except (EngineError, OSError):
        return False
    return True


def _report() -> Report:
    """Return a report that prints a line for every tenth of the download."""
    told = 0

    def report(come: int, expected: int) -> None:
        nonlocal told
        if expected and (tenth := 10 * come // expected) > told:
            told = tenth
            typer.echo(f"  {10 * tenth:3} % of {expected / 1e6:.0f} MB")

    return report
