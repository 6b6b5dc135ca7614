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
    Interval,
    LayerCost,
    Memory,
    Provenance,
    Run,
    SampleCost,
    Sampling,
    StoredFile,
)
from harness.result.frame import estimated_columns, layer_frame, result_frame
from harness.result.provenance import collect_provenance
from harness.result.seeds import SEED, seed_frame, seed_groups
from harness.result.store import read_results, write_results

__all__ = [
    "NO_LAYER",
    "SEED",
    "Accuracy",
    "Agreement",
    "Counts",
    "Document",
    "Epoch",
    "Estimate",
    "Estimates",
    "Evidence",
    "Interval",
    "LayerCost",
    "Memory",
    "Provenance",
    "Run",
    "SampleCost",
    "Sampling",
    "StoredFile",
    "collect_provenance",
    "estimated_columns",
    "layer_frame",
    "read_results",
    "result_frame",
    "seed_frame",
    "seed_groups",
    "write_results",
]
