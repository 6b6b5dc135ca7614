"""Takes scenarios through all the steps, from plan to result."""

from harness.pipeline.observer import Observer, Stage
from harness.pipeline.prepare import PreparedRun, prepare
from harness.pipeline.suite import run_suite

__all__ = ["Observer", "PreparedRun", "Stage", "prepare", "run_suite"]
