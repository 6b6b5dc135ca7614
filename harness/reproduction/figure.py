"""What a figure is: its name, its runs, and how an outcome is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.reproduction.measurement import Measurements
from harness.reproduction.outcome import Outcome


@dataclass(frozen=True)
class Figure:
    """One published figure or table. `scenarios` are names of files in `scenarios/reproduce/`."""

    name: str
    title: str
    scenarios: tuple[str, ...]
    evaluate: Callable[[Measurements], Outcome]
