"""Results over time: a database of result sets, with what they left behind kept by its content."""

from harness.history.database import History, StoredSet
from harness.history.series import Point, Series, step_changes

__all__ = ["History", "Point", "Series", "StoredSet", "step_changes"]
