"""What `harness run --dry-run` shows: the runs, and how long they will take."""

from __future__ import annotations

from collections.abc import Mapping

from harness.cli.progress import duration


def expected_runs(durations_s: Mapping[str, float | None], jobs: int) -> list[str]:
    """Return a line for each run with the seconds that runs like it took, and a last one for all, `jobs` at a time."""
    width = max(map(len, durations_s))
    lines = [f"{label:<{width}}  {_expected(seconds)}" for label, seconds in durations_s.items()]
    known = [seconds for seconds in durations_s.values() if seconds is not None]
    unknown = len(durations_s) - len(known)
    total = f"about {duration(sum(known) / jobs)}" if known else "unknown time"
    beside = f", and {unknown} of unknown time" if known and unknown else ""
    runs = "1 run" if len(durations_s) == 1 else f"{len(durations_s)} runs"
    return [*lines, f"{runs}, {jobs} at a time: {total}{beside}"]


def _expected(seconds: float | None) -> str:
    return "unknown" if seconds is None else "in the cache" if seconds == 0 else f"about {duration(seconds)}"
