"""How long runs take: noted by stage for each kind of run, so that the next of the kind can be foretold."""

from __future__ import annotations

from harness.cache import Cache, Output
from harness.pipeline.observer import Stage
from harness.scenario import Scenario

_STEP = "duration"
_DECIDING = (Stage.TRAIN, Stage.EMULATE)
"""Stages without which a duration is not known."""


def _kind(scenario: Scenario, stage: Stage) -> dict[str, object]:
    """Return what decides a duration roughly: not seeds, rates and ratios."""
    training, dataset = scenario.training, scenario.dataset
    return {
        "stage": stage.name,
        "model": scenario.model.model_dump(mode="json"),
        "dataset": [dataset.name, dataset.train, dataset.test],
        "training": [training.dtype, training.epochs, training.trainable_layers, training.optimizer.name],
        "pretraining": scenario.pretraining.model_dump(mode="json"),
        "platform": scenario.platform,
        "engine": scenario.engine.model_dump(mode="json", exclude={"timeout_s"}),
    }


def note_duration(cache: Cache, scenario: Scenario, stage: Stage, wall_s: float) -> None:
    """Note what a stage took that computed something."""
    cache.put(_STEP, _kind(scenario, stage), Output({"wall_s": wall_s}), wall_s)


def expected_s(cache: Cache, scenario: Scenario) -> float | None:
    """Return the seconds that runs like `scenario` took, None when none was noted."""
    known = {stage: cache.find(_STEP, _kind(scenario, stage)) for stage in Stage}
    if any(known[stage] is None for stage in _DECIDING):
        return None
    return sum(entry.wall_s for entry in known.values() if entry is not None)
