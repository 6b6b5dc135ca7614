"""What a trace costs: cycles, time, energy and memory. Counts are exact; cycles, time and energy are estimates."""

from harness.cost.core import CoreModel, core_model, core_names
from harness.cost.cycles import Cycles, Range, price
from harness.cost.energy import Energy, active_power_mw, energy, ram_share, time_ms
from harness.cost.memory import StaticMemory, peak_stack_bytes, static_memory
from harness.cost.memory_system import BoardMemory
from harness.cost.waits import MemorySystem, Waits

__all__ = [
    "BoardMemory",
    "CoreModel",
    "Cycles",
    "Energy",
    "MemorySystem",
    "Range",
    "StaticMemory",
    "Waits",
    "active_power_mw",
    "core_model",
    "core_names",
    "energy",
    "peak_stack_bytes",
    "price",
    "ram_share",
    "static_memory",
    "time_ms",
]
