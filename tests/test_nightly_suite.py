"""The nightly suite and the workflows of CI are in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
import yaml
from small_scenarios import ROOT

from harness.cli import app
from harness.scenario import read_scenarios
from harness.verdict import METRICS, default_thresholds, read_thresholds

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_the_nightly_suite_is_small_and_judges_accuracy_over_five_seeds() -> None:
    runs = [run for path in sorted((ROOT / "scenarios/nightly").glob("*.yaml")) for run in read_scenarios(path)]
    assert len({run.label for run in runs}) == len(runs) == 34
    assert {run.platform for run in runs} == {"nrf52840", "rp2040", "imxrt1062", "stm32l4r5zi"}
    assert len({run.training.seed for run in runs}) == 5
    assert all("nightly" in run.tags for run in runs)


def test_every_metric_has_a_threshold() -> None:
    assert set(read_thresholds(default_thresholds()).metrics) == set(METRICS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_commands_that_there_are(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    (job,) = workflow["jobs"].values()
    script = "\n".join(step.get("run", "") for step in job["steps"])
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    used = set(re.findall(r"(?:\bharness|-m harness) ([a-z-]+)", script))
    assert used
    assert used <= known
    assert all(action.startswith("actions/") for step in job["steps"] if (action := step.get("uses")))
