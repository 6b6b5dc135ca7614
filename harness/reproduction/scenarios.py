"""The runs of figures: scenario files of the project, in full or quick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.assets import asset_dir
from harness.dataset import dataset_info, is_present
from harness.reproduction.figure import Figure
from harness.scenario import Scenario, read_scenarios

QUICK_SEEDS, QUICK_EPOCHS, QUICK_DIVISOR, QUICK_TRAIN, QUICK_PRETRAIN, QUICK_TEST = 1, 2, 8, 100, 400, 200
"""What a quick reproduction cuts its runs down to: it shows that everything draws, and settles no verdict."""

_ON_REQUEST = {"bearing": "its licence forbids commercial use: harness data fetch bearing --accept-licence"}


@dataclass(frozen=True)
class Runs:
    """Scenarios to run, and why others are `missing`, by the name of their scenario."""

    scenarios: tuple[Scenario, ...]
    missing: dict[str, str]


def scenario_path(name: str) -> Path:
    """Return the scenario file of a name."""
    return asset_dir("scenarios") / "reproduce" / f"{name}.yaml"


def runs_of(figures: Iterable[Figure], *, quick: bool) -> Runs:
    """Return the runs of all `figures`, each once.

    A scenario whose data are fetched on request only, and are not here, is missing. Raises InputError when a file is
    wrong.
    """
    names = dict.fromkeys(name for figure in figures for name in figure.scenarios)
    found: list[Scenario] = []
    missing: dict[str, str] = {}
    for name in names:
        scenarios = read_scenarios(scenario_path(name))
        dataset = scenarios[0].dataset.name
        if dataset in _ON_REQUEST and not is_present(dataset):
            missing[name] = f"{dataset_info(dataset).name} is not here; {_ON_REQUEST[dataset]}"
            continue
        found += _reduced(scenarios) if quick else scenarios
    return Runs(tuple(found), missing)


def _reduced(scenarios: list[Scenario]) -> list[Scenario]:
    """Return the first seeds of `scenarios` with fewer samples and epochs."""
    reduced = []
    for scenario in scenarios:
        training, dataset, pretraining = scenario.training, scenario.dataset, scenario.pretraining
        if training.seed > QUICK_SEEDS:
            continue
        train = min(dataset.train, max(dataset.train // QUICK_DIVISOR, QUICK_TRAIN))
        changes = {
            "training": training.model_copy(update={"epochs": min(training.epochs, QUICK_EPOCHS)}),
            "dataset": dataset.model_copy(update={"train": train, "test": min(dataset.test, QUICK_TEST)}),
        }
        if pretraining.epochs:
            fewer = min(pretraining.train or dataset.train, QUICK_PRETRAIN)
            changes["pretraining"] = pretraining.model_copy(update={"epochs": 1, "train": fewer})
        reduced.append(scenario.model_copy(update=changes))
    return reduced
