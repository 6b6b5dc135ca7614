"""Holds the cycle models against published measurements of programs that a user has built."""

from harness.validation.comparison import Comparison, Outcome, compare
from harness.validation.reader import read_programs
from harness.validation.schema import Program
from harness.validation.table import as_markdown, as_text

__all__ = ["Comparison", "Outcome", "Program", "as_markdown", "as_text", "compare", "read_programs"]
