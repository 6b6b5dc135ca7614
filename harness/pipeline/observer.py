"""What the pipeline tells whoever watches it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from harness.result import Document


class Stage(StrEnum):
    """What a run is doing."""

    PRETRAIN = "pretraining on the twin"
    CALIBRATE = "calibrating"
    BUILD = "building"
    TRAIN = "training on the twin"
    EMULATE = "emulating"
    PRICE = "pricing"


class Observer(Protocol):
    """Told about the progress of a suite; called from several threads."""

    def stage(self, label: str, stage: Stage) -> None:
        """Run `label` enters `stage`."""
        ...

    def steps(self, label: str, done: int, total: int) -> None:
        """Run `label` has `done` of `total` training steps behind it, on the twin or in emulation."""
        ...

    def finished(self, document: Document) -> None:
        """Take note that a run is over, well or not."""
        ...
