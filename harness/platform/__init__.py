"""Boards: core, clock, memory map, peripherals and power, one YAML file each."""

from harness.platform.bare import bare_platform
from harness.platform.board import (
    CORES,
    Core,
    Memory,
    Peripheral,
    Platform,
    load_platform,
    platform_names,
)
from harness.platform.calibration import Calibration, read_calibration
from harness.platform.memory_system import AccessPath, Cache, Hierarchy, Spread
from harness.platform.power import Power, PowerState

__all__ = [
    "CORES",
    "AccessPath",
    "Cache",
    "Calibration",
    "Core",
    "Hierarchy",
    "Memory",
    "Peripheral",
    "Platform",
    "Power",
    "PowerState",
    "Spread",
    "bare_platform",
    "load_platform",
    "platform_names",
    "read_calibration",
]
