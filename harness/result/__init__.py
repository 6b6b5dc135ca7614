"""Results: one document a run, with provenance; a tidy table of many; storage."""

from harness.result.document import (
    NO_LAYER,
    Accuracy,
    Agreement,
    Counts,
    Document,
    Epoch,
    Estimate,
    Estimates,
    LayerCost,
    Memory,
    Provenance,
    Run,
)
from harness.result.provenance import collect_provenance

__all__ = [
    "NO_LAYER",
    "Accuracy",
    "Agreement",
    "Counts",
    "Document",
    "Epoch",
    "Estimate",
    "Estimates",
    "LayerCost",
    "Memory",
    "Provenance",
    "Run",
    "collect_provenance",
]
