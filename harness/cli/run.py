"""`harness run`: scenario files to results, a table and a report."""

from __future__ import annotations

import os
import signal
import tempfile
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness.cli.engines import Engines, look_for_renode
from harness.cli.scenario_files import scenario_files
from harness.cli.size import size_bytes
from harness.errors import EXIT_FAILURE, InputError

if TYPE_CHECKING:
    from harness.scenario import Scenario

OUTPUT = Path("out")


class Executors(StrEnum):
    """Where runs execute."""

    LOCAL = "local"
    DASK = "dask"


def read_files(files: list[Path], engine: str | None = None) -> list[Scenario]:
    """Return the runs of all scenario files, on `engine` if given; raises InputError with every complaint."""
    from harness.scenario import read_scenarios

    scenarios: list[Scenario] = []
    complaints: list[str] = []
    for file in files:
        try:
            scenarios += read_scenarios(file, engine)
        except InputError as error:
            complaints += error.lines
    if complaints:
        raise InputError(*complaints)
    return scenarios


def results_folder(path: Path) -> Path:
    """Return the output folder of a scenario file, and any other path as it is; raise InputError when it has none."""
    if path.suffix not in (".yaml", ".yml"):
        return path
    folder = OUTPUT / read_files([path])[0].name
    if not folder.is_dir():
        raise InputError(f"{path}: expected its results in {folder}; make them with: harness run {path}")
    return folder


def make_writable(folder: Path) -> None:
    """Make an output folder; raise InputError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise InputError(f"--output {folder}: {error.strerror}; expected a folder that can be written") from None


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # Leaving through an exception ends the twin, the compiler and the emulations, as Ctrl-C does.
    raise SystemExit(128 + number)


def stop_on_termination() -> None:
    """Let SIGTERM end the work as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _terminate)


def run(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Scenario files, folders of them, or patterns.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for results and report; out/NAME when not given.")
    ] = None,
    wanted: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="WORD", help="Runs by name, tag:TAG or KEY=VALUE; any of several."),
    ] = None,
    unwanted: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="WORD", help="Runs to leave out, in the same words.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs and how long they will take; run none.")
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End the suite with the first run that fails.")
    ] = False,
    memory_limit: Annotated[
        str | None, typer.Option("--memory-limit", metavar="SIZE", help="Most memory of one run: '2048 MiB'.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", metavar="SECONDS", min=0, help="Most wall time of one run.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, max=256, help="Runs at a time; 0: one a processor.")] = 0,
    engine: Annotated[
        Engines | None, typer.Option("--engine", help="What executes the firmware, in place of what the files say.")
    ] = None,
    calibration: Annotated[
        list[Path] | None, typer.Option("--calibration", help="What harness calibrate fitted to a board.")
    ] = None,
    executor: Annotated[
        Executors, typer.Option("--executor", help="Processes of this machine, or a Dask cluster.")
    ] = Executors.LOCAL,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of the Dask scheduler: tcp://HOST:8786.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do every step anew, whatever the cache has.")] = False,
) -> None:
    """Run scenarios: train on the twin, emulate the first steps, count, price, and report.

    The exit status is 0 when all runs ended well, 2 for bad input and 3 when a run failed; 1 is kept for regressions
    (docs/suites.md). Finished steps stay in the cache: after Ctrl-C, the same command goes on where it was.
    """
    if (executor is Executors.DASK) != (scheduler is not None):
        raise InputError("--executor dask and --scheduler ADDRESS go together; expected both or none of them")
    scenarios = read_files(scenario_files(files), engine and engine.value)
    if wanted or unwanted:
        from harness.scenario.selection import select

        scenarios = select(scenarios, wanted or (), unwanted or ())
    most_memory_bytes = None if memory_limit is None else size_bytes("--memory-limit", memory_limit)
    # Slow imports come after the files are known to be good.
    from rich.console import Console

    from harness.cli.expected_runs import expected_runs
    from harness.cli.progress import make_progress
    from harness.pipeline.limits import Limits
    from harness.pipeline.suite import Suite
    from harness.platform import read_calibration
    from harness.report import print_table, write_report
    from harness.result import write_results

    if any(scenario.engine.name == Engines.RENODE.value for scenario in scenarios):
        # Files may mix engines, and then the runs that have none fail alone; a cluster has its own Renode.
        look_for_renode(required=engine is Engines.RENODE and executor is Executors.LOCAL)
    names = {scenario.name for scenario in scenarios}
    folder = output or OUTPUT / (names.pop() if len(names) == 1 else "suite")
    suite = Suite(scenarios, [read_calibration(path) for path in calibration or ()], fresh=fresh)
    at_a_time = jobs or len(os.sched_getaffinity(0))
    if dry_run:
        typer.echo("\n".join(expected_runs(suite.durations_s(), at_a_time)))
        return
    make_writable(folder)
    stop_on_termination()
    with make_progress(len(scenarios)) as progress:
        limits = Limits(most_memory_bytes, time_limit)
        documents = suite.run(progress, at_a_time, folder, limits, fail_fast=fail_fast, scheduler=scheduler)
    write_results(folder, documents)
    page = write_report(folder, documents)
    print_table(Console(), documents)
    typer.echo(f"report: {page}")
    suite.keep_cache_small()
    if any(document.status == "failed" for document in documents):
        raise typer.Exit(EXIT_FAILURE)
