"""The command line: one command a file; the only place that prints or exits."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from harness import __version__
from harness.cli import (
    bench,
    bisect,
    cache,
    calibrate,
    compare,
    data,
    doctor,
    energy,
    explain,
    export,
    firmware,
    history,
    nightly,
    profile,
    renode,
    reproduce,
    run,
    schema,
    validate,
    validate_model,
)
from harness.errors import EXIT_FAILURE, HarnessError, message_of

app = typer.Typer(
    name="harness",
    help="Benchmark on-device training on emulated Cortex-M microcontrollers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("nightly")(nightly.nightly)
app.command("compare")(compare.compare)
app.command("bisect")(bisect.bisect)
app.command("history")(history.history)
app.add_typer(history.baseline_app, name="baseline")
app.command("explain")(explain.explain)
app.command("reproduce")(reproduce.reproduce)
app.command("export")(export.export)
app.command("validate")(validate.validate)
app.command("profile")(profile.profile)
app.command("validate-model")(validate_model.validate_model)
app.command("schema")(schema.schema)
app.command("firmware")(firmware.firmware)
app.command("calibrate")(calibrate.calibrate)
app.command("energy")(energy.energy)
app.command("doctor")(doctor.doctor)
app.add_typer(bench.app, name="bench")
app.add_typer(cache.app, name="cache")
app.add_typer(data.app, name="data")
app.add_typer(renode.app, name="renode")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Benchmark on-device training on emulated Cortex-M microcontrollers."""


def main() -> None:
    """Run the command line; errors become one message on stderr and an exit status.

    With HARNESS_DEBUG set, they keep their traceback.
    """
    try:
        app(prog_name="harness")
    except BrokenPipeError:
        _leave_quietly()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("HARNESS_DEBUG"):
            raise
        typer.echo(message_of(error), err=True)
        sys.exit(error.exit_status if isinstance(error, HarnessError) else EXIT_FAILURE)


def _leave_quietly() -> None:
    """End after the reader of the output went away, without a complaint from Python's own flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(EXIT_FAILURE)
