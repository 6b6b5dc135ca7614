"""The paper's figures made again: its numbers, the criteria of its trends, and one figure from runs to files."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_scenarios import LAYERS, ROOT, environment, write_scenario

from harness.errors import InputError
from harness.pipeline.suite import Suite
from harness.reproduction import criterion
from harness.reproduction.catalogue import FIGURES, chosen
from harness.reproduction.figures.accuracy import accuracy_trends
from harness.reproduction.making import made_by
from harness.reproduction.measurement import Measurements
from harness.reproduction.outcome import Case, Spread, Trend, Verdict
from harness.reproduction.published import Table, published
from harness.reproduction.reproduction import evaluate, write_reproduction
from harness.reproduction.scenarios import QUICK_EPOCHS, QUICK_SEEDS, runs_of, scenario_path
from harness.reproduction.stand_in import TRANSFER
from harness.reproduction.table import as_csv, as_latex, cells
from harness.result import Document
from harness.scenario import read_scenarios


def spreads(uint8: float, mixed: float, float32: float) -> dict[str, Spread]:
    return {"uint8": Spread(uint8, 0, 5), "mixed": Spread(mixed, 0, 5), "float32": Spread(float32, 0, 5)}


def verdicts(ours: dict[str, Spread]) -> list[Verdict]:
    table = published()["transfer.accuracy"]
    return [trend.verdict for trend in accuracy_trends(table, [(TRANSFER[0], ours)])]


def test_an_order_holds_within_its_tolerance_only() -> None:
    assert criterion.ordered({"uint8": 81.0, "mixed": 80.5, "float32": 80.0}, 1.0)
    assert not criterion.ordered({"uint8": 81.1, "mixed": 80.5, "float32": 80.0}, 1.0)
    assert not criterion.ordered({"uint8": 70.0, "mixed": 82.0, "float32": 80.0}, 1.0)


def test_growth_neither_stands_still_nor_falls() -> None:
    assert criterion.grows([60.0, 70.0, 69.5], 1.0)
    assert not criterion.grows([60.0, 70.0, 68.0], 1.0)
    assert not criterion.grows([60.0, 60.5, 60.9], 1.0)


def test_a_curve_saturates_when_its_last_quarter_gains_little() -> None:
    assert criterion.saturates([10, 50, 70, 78, 80, 81, 81.5, 81.6], 0.1, 0.5)
    assert not criterion.saturates([10, 20, 30, 40, 50, 60, 70, 80], 0.1, 0.5)
    assert not criterion.saturates([10, 80], 0.1, 0.5)


def test_a_range_is_met_with_the_decimals_that_were_published() -> None:
    assert criterion.within(0.7649, 0.41, 0.76)
    assert not criterion.within(0.766, 0.41, 0.76)


def test_values_between_points_lie_on_straight_lines() -> None:
    curve = {0.1: 1.0, 0.5: 3.0, 1.0: 8.0}
    assert criterion.interpolated(curve, 0.3) == pytest.approx(2.0)
    assert criterion.interpolated(curve, 0.75) == pytest.approx(5.5)
    assert criterion.interpolated(curve, 0.01) == 1.0
    assert criterion.interpolated(curve, 1.0) == 8.0


def test_numbers_like_the_papers_reproduce_its_trends() -> None:
    assert verdicts(spreads(84.2, 89.0, 89.2)) == [Verdict.REPRODUCED] * 3


def test_each_trend_fails_on_numbers_that_contradict_it() -> None:
    assert verdicts(spreads(92.0, 89.0, 89.2)) == [
        Verdict.NOT_REPRODUCED,
        Verdict.REPRODUCED,
        Verdict.NOT_REPRODUCED,
    ]
    assert verdicts(spreads(84.2, 86.0, 89.2)) == [Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.REPRODUCED]


def test_a_trend_without_numbers_of_ours_is_not_run() -> None:
    assert verdicts({}) == [Verdict.NOT_RUN] * 3


def test_one_case_that_fails_decides_against_a_trend() -> None:
    good = Case("a", "1", "1", True, True)
    assert Trend("t", "c", (good, replace(good, ours_holds=None))).verdict is Verdict.REPRODUCED
    bad = Trend("t", "c", (good, replace(good, ours_holds=False)))
    assert (bad.verdict, bad.tally) == (Verdict.NOT_REPRODUCED, "1 of 2 cases")


def test_published_tables_are_rectangular_and_name_their_place() -> None:
    tables = published()
    assert all(table.place and table.unit for table in tables.values())
    assert tables["transfer.ram"].value("float32", "cwru") == 42.3
    assert tables["transfer.latency"].value("float32", "flowers") is None
    assert "float32" not in tables["transfer.latency"].column("flowers")
    for name in ("transfer.ram", "transfer.flash"):
        assert all(value > 0 for row in tables[name].rows.values() for value in row if value is not None)


def test_a_published_table_with_a_short_row_is_refused() -> None:
    with pytest.raises(ValueError, match="row a has 1 numbers"):
        Table(place="p", unit="%", printed=True, columns=("x", "y"), rows={"a": (1.0,)})


def test_the_papers_own_numbers_fulfil_every_criterion() -> None:
    """A criterion that the published numbers fail would be no criterion of a published trend."""
    nothing = Measurements([])
    for figure in FIGURES:
        for trend in figure.evaluate(nothing).trends:
            assert trend.verdict is Verdict.NOT_RUN
            failing = [case.name for case in trend.cases if case.paper_holds is False]
            assert failing == [], f"{figure.name}: {trend.statement}"


def test_every_figure_has_runs_and_every_scenario_a_figure() -> None:
    names = {name for figure in FIGURES for name in figure.scenarios}
    files = {path.stem for path in scenario_path("x").parent.glob("*.yaml")}
    assert names == files
    assert all(read_scenarios(scenario_path(name))[0].name == name for name in names)


def test_a_quick_reproduction_cuts_seeds_epochs_and_samples() -> None:
    full, quick = (runs_of(chosen(["scratch"]), quick=quick).scenarios for quick in (False, True))
    assert len(quick) * 5 == len(full)
    assert all(one.training.epochs <= QUICK_EPOCHS and one.training.seed <= QUICK_SEEDS for one in quick)
    assert max(one.dataset.train for one in quick) * 8 == max(one.dataset.train for one in full)


def test_an_unknown_figure_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'scratch'"):
        chosen(["scrach"])


def reproduce(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "reproduce", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120)


def test_the_list_names_every_figure(tmp_path: Path) -> None:
    listed = reproduce("--list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [figure.name for figure in FIGURES]
    assert not list(tmp_path.iterdir())


def test_naming_no_figure_is_bad_input(tmp_path: Path) -> None:
    refused = reproduce(cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("harness reproduce: no figure is named; expected one of: accuracy")


class _Silent:
    def stage(self, label: str, stage: object) -> None: ...

    def steps(self, label: str, done: int, total: int) -> None: ...

    def finished(self, document: Document) -> None: ...


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Document]]:
    """Three real runs that pass for the figure of training from scratch."""
    folder = tmp_path_factory.mktemp("tiny")
    file = write_scenario(
        folder / "s.yaml",
        name="scratch-mnist",
        model={"layers": LAYERS},
        engine={"steps": 8, "evaluate": 0},
        matrix={"training.dtype": ["float32", "mixed", "uint8"]},
    )
    return folder, Suite(read_scenarios(file)).run(_Silent(), 2, folder / "runs")


def test_a_tiny_figure_comes_from_runs_to_pictures_tables_and_a_page(tiny: tuple[Path, list[Document]]) -> None:
    folder, documents = tiny
    (outcome,) = evaluate(chosen(["scratch"]), documents, {"scratch-fashion": "no data"})
    made = made_by("harness reproduce scratch", documents, {"scratch-fashion": "no data"}, quick=True)
    page = write_reproduction(folder, [outcome], made).read_text("utf-8")

    with (folder / "tables" / "scratch.csv").open() as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    found = {row["kind"]: row for row in rows if row["paper_case"] == "emnist_digits"}
    for document in documents:
        row = found[str(document.settings["training"]["dtype"])]  # type: ignore[index, call-overload]
        assert document.accuracy is not None
        assert float(row["ours"]) == pytest.approx(document.accuracy.test * 100)
    assert [found[dtype]["paper"] for dtype in ("uint8", "mixed", "float32")] == ["91.5", "93.1", "97.3"]
    assert all(row["runs"] == "0" and row["ours"] == "" for row in rows if row["paper_case"] == "fmnist")
    for ending, start in (("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")):
        assert (folder / "figures" / f"scratch.{ending}").read_bytes().startswith(start)
    assert made.warning in page
    assert "not settled" in page
    assert "scratch-fashion: no data" in page
    assert "src=" not in page
    assert "://" not in page


def test_tables_escape_what_latex_would_read(tiny: tuple[Path, list[Document]]) -> None:
    _, documents = tiny
    (outcome,) = evaluate(chosen(["scratch"]), documents, {})
    latex = as_latex(outcome)
    assert r"emnist\_digits" in latex
    assert r"accuracy, \%" in latex
    assert all(len(cells(row)) == 7 for row in outcome.rows)
    assert as_csv(outcome.rows).count("\n") == len(outcome.rows) + 1


def test_published_numbers_are_read_as_they_are_written() -> None:
    text = (ROOT / "harness" / "reproduction" / "published.yaml").read_text("utf-8")
    assert set(yaml.safe_load(text)["tables"]) == set(published())
