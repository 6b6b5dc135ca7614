"""What an engine observed: executions per address, phase and layer."""

from harness.trace.trace import PHASES, Context, Trace

__all__ = ["PHASES", "Context", "Trace"]
