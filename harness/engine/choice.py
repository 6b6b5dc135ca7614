"""Engines by their names in scenarios."""

from __future__ import annotations

from harness.engine.job import Engine
from harness.engine.renode.engine import Fidelity, RenodeEngine
from harness.engine.unicorn import UnicornEngine
from harness.errors import InputError, nearest

_NAMES = (UnicornEngine.name, RenodeEngine.name)


def engine_named(name: str, fidelity: Fidelity = "profile") -> Engine:
    """Return the engine `name`; only `renode` has a fidelity other than `profile`.

    Raises InputError for another name than `unicorn` and `renode`.
    """
    if name not in _NAMES:
        raise InputError(f"unknown engine '{name}': {nearest(name, _NAMES)}")
    return UnicornEngine() if name == UnicornEngine.name else RenodeEngine(fidelity)
