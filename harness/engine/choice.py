"""Engines by their names in scenarios."""

from __future__ import annotations

from harness.engine.job import Engine
from harness.engine.renode.engine import RenodeEngine
from harness.engine.unicorn import UnicornEngine
from harness.errors import InputError, nearest

_ENGINES: dict[str, type[UnicornEngine] | type[RenodeEngine]] = {
    UnicornEngine.name: UnicornEngine,
    RenodeEngine.name: RenodeEngine,
}


def engine_named(name: str) -> Engine:
    """Return the engine `name`; raises InputError for another than `unicorn` and `renode`."""
    if name not in _ENGINES:
        raise InputError(f"unknown engine '{name}': {nearest(name, _ENGINES)}")
    return _ENGINES[name]()
