"""Reports of a suite: the terminal table, plots and one HTML page."""

from harness.report.pareto import pareto_front
from harness.report.table import print_table, table_text

__all__ = ["pareto_front", "print_table", "table_text"]
