"""Benchmark on-device training on emulated Cortex-M microcontrollers."""

__version__ = "0.1.0"
