"""Two result sets held against each other: what is worse, by how much, and which source line it comes from."""

from harness.verdict.comparison import AccuracyComparison, Change, Comparison, RunComparison, compare
from harness.verdict.metric import METRICS, Metric
from harness.verdict.result_set import ResultSet, read_result_set
from harness.verdict.thresholds import Thresholds, default_thresholds, read_thresholds

__all__ = [
    "METRICS",
    "AccuracyComparison",
    "Change",
    "Comparison",
    "Metric",
    "ResultSet",
    "RunComparison",
    "Thresholds",
    "compare",
    "default_thresholds",
    "read_result_set",
    "read_thresholds",
]
