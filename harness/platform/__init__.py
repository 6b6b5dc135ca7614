"""Boards: core, clock, memory map, peripherals and power, one YAML file each."""

from harness.platform.board import (
    CORES,
    Core,
    Memory,
    Peripheral,
    Platform,
    Power,
    load_platform,
    platform_names,
)

__all__ = ["CORES", "Core", "Memory", "Peripheral", "Platform", "Power", "load_platform", "platform_names"]
