"""What executes the firmware: the host twin and the emulators, all yielding the same `Trace`."""

from harness.engine.job import AnyElf, Engine, Job, Progress, Region
from harness.engine.unicorn import UnicornEngine
from harness.engine.worker import run_isolated

__all__ = ["AnyElf", "Engine", "Job", "Progress", "Region", "UnicornEngine", "run_isolated"]
