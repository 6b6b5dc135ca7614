"""Scenarios: the schema, the reader with line numbers, the matrix."""

from harness.scenario.reader import read_scenarios
from harness.scenario.schema import (
    DatasetChoice,
    EngineChoice,
    MemoryBudget,
    ModelChoice,
    Quantization,
    Scenario,
    Training,
    Update,
)

__all__ = [
    "DatasetChoice",
    "EngineChoice",
    "MemoryBudget",
    "ModelChoice",
    "Quantization",
    "Scenario",
    "Training",
    "Update",
    "read_scenarios",
]
