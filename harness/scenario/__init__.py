"""Scenarios: the schema, the reader with line numbers, the matrix."""

from harness.scenario.data import DatasetChoice
from harness.scenario.json_schema import json_schema
from harness.scenario.reader import read_scenarios
from harness.scenario.reference import reference
from harness.scenario.schema import (
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
    "json_schema",
    "read_scenarios",
    "reference",
]
