"""Every figure that a user sees is exact or comes with the name of its model and its error, wherever it stands."""

from __future__ import annotations

import csv
import html
import re
from pathlib import Path

import pytest
from small_runs import small_run

from harness.report import table_text
from harness.report.notation import error_figures, model_name
from harness.result import Document, Estimate, read_results

ESTIMATED = re.compile(r"cycles|time|energy|_mj|_ms")
KINDS = {"exact", "estimate"}
SETTINGS = {"cycle_model", "engine_timeout_s", "engine_cache"}


@pytest.fixture(scope="module")
def folder() -> Path:
    return small_run()


@pytest.fixture(scope="module")
def document(folder: Path) -> Document:
    (only,) = read_results(folder)
    return only


def estimates(document: Document) -> list[Estimate]:
    assert document.estimates is not None
    return [getattr(document.estimates, name) for name in type(document.estimates).model_fields]


@pytest.mark.parametrize("name", ["results.csv", "layers.csv"])
def test_every_estimated_column_has_its_model_and_its_error_beside_it(folder: Path, name: str) -> None:
    with (folder / name).open() as file:
        (row, *_) = list(csv.DictReader(file))
    parts = ("_model", "_error", "_low", "_high")
    estimated = [column for column in row if ESTIMATED.search(column) and not column.endswith(parts)]
    estimated = [column for column in estimated if column not in SETTINGS]
    assert estimated
    for column in estimated:
        assert row[f"{column}_model"], column
        assert "%" in row[f"{column}_error"], column


def test_the_terminal_table_marks_estimates_and_names_their_models(document: Document) -> None:
    text = table_text([document])
    flat = " ".join(text.split())
    for estimate in estimates(document)[:3]:
        assert f"{model_name(estimate.model)} ({error_figures(estimate.error)})" in flat
    kinds = max(([word for word in line.split() if word in KINDS] for line in text.splitlines()), key=len)
    assert kinds == ["exact"] * 2 + ["estimate"] * 3 + ["exact"] * 3


def test_every_plot_of_estimates_says_so_and_names_the_model(folder: Path, document: Document) -> None:
    assert document.estimates is not None
    model = model_name(document.estimates.cycles_per_step.model)
    drawn = [path for path in (folder / "plots").glob("*.svg") if re.search(r"cycles|time|energy", path.name)]
    assert drawn
    for path in drawn:
        text = html.unescape(path.read_text())
        assert "estimated" in text, path
        assert model in text, path


def test_the_page_names_the_models_in_full_and_beside_the_numbers_of_a_run(folder: Path, document: Document) -> None:
    text = html.unescape((folder / "report.html").read_text())
    for estimate in estimates(document)[:3]:
        assert estimate.model in text
        assert estimate.error.replace("+-", "±") in text
    assert document.estimates is not None
    cycles = document.estimates.cycles_per_step
    named = f"{model_name(cycles.model)} ({error_figures(cycles.error)})"
    assert text.count(f"Cycles: {named}.") == 2
    assert f"Estimated cycles of a mean step: {cycles.model} ({error_figures(cycles.error)})." in text
