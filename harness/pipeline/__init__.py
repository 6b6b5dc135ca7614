"""Takes scenarios through all the steps, from plan to result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.pipeline.observer import Observer, Stage
    from harness.pipeline.prepared_run import PreparedRun, prepare
    from harness.pipeline.suite import run_suite

__all__ = ["Observer", "PreparedRun", "Stage", "prepare", "run_suite"]

_HOME = {"Observer": "observer", "Stage": "observer", "PreparedRun": "prepared_run", "prepare": "prepared_run"}


def __getattr__(name: str) -> Any:
    # Engines and decoders take a while to import, and a suite whose runs are all in the cache needs none of them.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"harness.pipeline.{_HOME.get(name, 'suite')}"), name)
