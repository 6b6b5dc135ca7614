"""The runs of a reproduction, and the numbers that figures take from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import JsonValue

from harness.reproduction.outcome import Spread
from harness.result import Document

FORWARD = ("load", "forward", "loss")
BACKWARD = ("select", "backward", "update")
"""The phases of a step that count as its forward and its backward part."""


class Measurements:
    """Finished runs by the name of their scenario; `missing` says why a scenario was not run, by its name."""

    def __init__(self, documents: Iterable[Document], missing: Mapping[str, str] | None = None) -> None:
        self._documents: dict[str, list[Document]] = {}
        for document in documents:
            if document.status == "ok":
                self._documents.setdefault(document.run.scenario, []).append(document)
        self.missing = dict(missing or {})

    def runs(self, scenario: str, **settings: object) -> list[Document]:
        """Return the finished runs of a scenario whose settings are as given: `training__dtype="uint8"`."""
        wanted = {name.replace("__", "."): value for name, value in settings.items()}
        return [
            document
            for document in self._documents.get(scenario, [])
            if all(setting(document, key) == value for key, value in wanted.items())
        ]

    def spread(self, value: Callable[[Document], float], scenario: str, **settings: object) -> Spread | None:
        """Return mean and deviation of a number over the runs that `runs` returns, None when there are none."""
        return spread([value(document) for document in self.runs(scenario, **settings)])


def setting(document: Document, key: str) -> JsonValue:
    """Return the setting at a dotted key, None when there is none."""
    value: JsonValue = document.settings
    for part in key.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def spread(values: Sequence[float]) -> Spread | None:
    """Return mean and sample deviation of `values`, None when there are none."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return Spread(statistics.fmean(values), deviation, len(values))


def accuracy_percent(document: Document) -> float:
    """Return the test accuracy in per cent."""
    assert document.accuracy is not None
    return document.accuracy.test * 100


def ram_kb(document: Document) -> float:
    """Return the RAM that the linker placed, the stack as deep as it was seen, in units of 1000 bytes."""
    assert document.memory is not None
    memory = document.memory
    return (memory.ram_bytes - memory.stack_reserved_bytes + memory.stack_peak_bytes) / 1000


def weights_kb(document: Document) -> float:
    """Return the part of the arena that holds trained weights and their gradients, in units of 1000 bytes."""
    assert document.memory is not None
    held = document.memory.arena_by_category
    return (held.get("weights", 0) + held.get("gradients", 0)) / 1000


def flash_kb(document: Document) -> float:
    """Return the flash that the linker filled, in units of 1000 bytes."""
    assert document.memory is not None
    return document.memory.flash_bytes / 1000


def phases_ms(document: Document, phases: Iterable[str]) -> float:
    """Return the estimated time of some phases of a mean step, in ms."""
    assert document.counts is not None
    clock_hz = setting(document, "clock_hz")
    assert isinstance(clock_hz, int | float)
    wanted = set(phases)
    return math.fsum(part.cycles_per_step for part in document.counts.by_layer if part.phase in wanted) / clock_hz * 1e3


def forward_ms(document: Document) -> float:
    """Return the estimated time of loading, forward pass and loss, in ms."""
    return phases_ms(document, FORWARD)


def backward_ms(document: Document) -> float:
    """Return the estimated time of selection, backward pass and the share of the update, in ms."""
    return phases_ms(document, BACKWARD)


def step_ms(document: Document) -> float:
    """Return the estimated time of a mean step, in ms."""
    assert document.estimates is not None
    return document.estimates.time_ms_per_step.value


def step_mj(document: Document) -> float:
    """Return the estimated energy of a mean step, in mJ."""
    assert document.estimates is not None
    return document.estimates.energy_mj_per_step.value


def updated_share(document: Document) -> float:
    """Return the mean share of the structures that got a gradient, over the whole training on the twin."""
    assert document.updated_share is not None
    return document.updated_share
