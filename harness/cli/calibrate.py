"""`harness calibrate`: fits the free parameters of a board to cycles that it measured."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import InputError

FIRMWARE_FOLDER = Path("out/firmware")


def calibrate(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="What the board wrote.", show_default=False)],
    firmware: Annotated[
        Path, typer.Option("--firmware", help="Folder in which harness firmware left what the board ran.")
    ] = FIRMWARE_FOLDER,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; BOARD.calibrated.yaml beside FILE.csv if none."),
    ] = None,
) -> None:
    """Fit waits and branch refills of a board to measured cycles, and say how well they explain them.

    The result is a file for `harness run --calibration`. The core's cycle table is never changed.
    """
    from harness.build import Image
    from harness.cost.fit import Emulated, fit, read_measurements
    from harness.pipeline.hardware import read_firmware
    from harness.platform import load_platform

    rows = read_measurements(file)
    platform = load_platform(rows[0].board)
    emulated = {}
    for plan in sorted({row.plan for row in rows}):
        found = read_firmware(firmware, platform.name, plan)
        emulated[plan] = Emulated(found.trace(), Image(found.elf))
    try:
        result = fit(rows, emulated, platform, file.name, datetime.date.today())
    except InputError as error:
        raise InputError(*(f"{file}: {line}" for line in error.lines)) from None
    target = output or file.with_name(f"{platform.name}.calibrated.yaml")
    result.calibration.save(target)
    typer.echo(f"{platform.title}: {len(rows)} rows")
    typer.echo(f"{'row':<24}{'measured':>14}{'model':>14}{'error':>9}{'before':>9}")
    for row in result.rows:
        one = row.measurement
        typer.echo(
            f"{one.name:<24}{one.cycles:>14,}{row.fitted_cycles:>14,.0f}{row.error:>+9.1%}{row.error_before:>+9.1%}"
        )
    for name, fitted in result.calibration.parameters.items():
        typer.echo(f"{name} = {fitted.value:.2f} +- {fitted.standard_error:.2f} cycles")
    for name in result.unfitted:
        typer.echo(f"{name}: these rows say nothing about it; the value of the board's file stays")
    residual = result.calibration.residual
    typer.echo(
        f"mean error {residual.mean_percent:.1f} % (before {residual.before_percent:.1f} %, rows held out "
        f"{residual.held_out_percent:.1f} %), worst {residual.worst_percent:.1f} % at {residual.worst_row}"
    )
    typer.echo(f"written: {target}")
