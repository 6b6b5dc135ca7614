"""What executes the firmware: the host twin and the emulators, all yielding the same `Trace`."""

from harness.engine.choice import engine_named
from harness.engine.job import AnyElf, Engine, Job, Progress, Region
from harness.engine.unicorn import UnicornEngine
from harness.engine.worker import run_isolated

__all__ = [
    "AnyElf",
    "Engine",
    "Job",
    "Progress",
    "Region",
    "UnicornEngine",
    "engine_named",
    "run_isolated",
]
