"""What an engine observed: executions per address, phase and layer."""

from harness.trace.instruction import Instruction, Kind, Listing, loads, stores
from harness.trace.sum import weighted_sum
from harness.trace.trace import NO_LAYER, PHASES, REGION_PHASES, STEP_PHASES, Accesses, Context, Trace

__all__ = [
    "NO_LAYER",
    "PHASES",
    "REGION_PHASES",
    "STEP_PHASES",
    "Accesses",
    "Context",
    "Instruction",
    "Kind",
    "Listing",
    "Trace",
    "loads",
    "stores",
    "weighted_sum",
]
