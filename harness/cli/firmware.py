"""`harness firmware`: firmware for a board on a desk, which measures its own cycles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.calibrate import FIRMWARE_FOLDER

if TYPE_CHECKING:
    from harness.pipeline import Stage
    from harness.result import Document


class _Lines:
    """Says on standard error what is done, a line for each stage."""

    def stage(self, label: str, stage: Stage) -> None:
        """Say that run `label` enters `stage`."""
        typer.echo(f"{label}: {stage}", err=True)

    def steps(self, label: str, done: int, total: int) -> None:
        """Say nothing: the few steps of such firmware take seconds."""

    def finished(self, document: Document) -> None:
        """Say nothing: firmware has no result document."""


def firmware(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenario files (YAML).", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the firmware.")] = FIRMWARE_FOLDER,
) -> None:
    """Build firmware that runs on a real board: samples inside, clocks set up, cycles of every phase on its UART.

    Every run of the scenarios becomes a folder with firmware.elf and firmware.hex. docs/calibrate.md says how to load
    them and what to do with what the board writes.
    """
    from harness.cli.run import read_files
    from harness.pipeline import prepare
    from harness.pipeline.hardware import HardwareBuilder

    prepared = prepare(read_files(files))
    builder = HardwareBuilder(_Lines(), output)
    built = [builder.build(one) for one in prepared]
    for one in built:
        typer.echo(f"{one.elf}  ({one.board}, {one.steps} steps)")
