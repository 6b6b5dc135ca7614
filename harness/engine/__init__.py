"""What executes the firmware: the host twin and the emulators, all yielding the same `Trace`."""

from harness.engine.job import Engine, Job, Progress
from harness.engine.unicorn import UnicornEngine
from harness.engine.worker import run_isolated

__all__ = ["Engine", "Job", "Progress", "UnicornEngine", "run_isolated"]
