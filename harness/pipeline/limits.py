"""What one run may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Memory of all processes of a run together, and its wall time. None is no limit."""

    memory_bytes: int | None = None
    time_s: float | None = None
