"""`harness export`: the trained network of a run as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Output folder of `harness run`, its results.json, or a scenario that was run.",
            show_default=False,
        ),
    ],
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Label or id of a run, or words of its label; not needed for one run."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The ONNX file.")] = Path("net.onnx"),
) -> None:
    """Write the network of a run with its trained weights as an ONNX file: float32, samples channels first."""
    from harness.assets import write_atomically
    from harness.cli.run import results_folder
    from harness.explanation.stored_run import select_run
    from harness.pipeline.export import export_run
    from harness.result import read_results

    folder = results_folder(folder)
    base = folder if folder.is_dir() else folder.parent
    document = select_run(base, read_results(folder), run)
    data = export_run(document, base)
    write_atomically(output, data)
    typer.echo(f"{output}: {document.run.label or document.run.id}, {len(data):,} bytes")
