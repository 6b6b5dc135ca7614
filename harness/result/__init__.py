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
    Evidence,
    LayerCost,
    Memory,
    Provenance,
    Run,
    StoredFile,
)
from harness.result.frame import estimated_columns, layer_frame, result_frame
from harness.result.provenance import collect_provenance
from harness.result.store import read_results, write_results

__all__ = [
    "NO_LAYER",
    "Accuracy",
    "Agreement",
    "Counts",
    "Document",
    "Epoch",
    "Estimate",
    "Estimates",
    "Evidence",
    "LayerCost",
    "Memory",
    "Provenance",
    "Run",
    "StoredFile",
    "collect_provenance",
    "estimated_columns",
    "layer_frame",
    "read_results",
    "result_frame",
    "write_results",
]
