"""What made a reproduction, for whoever reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.reproduction.scenarios import QUICK_EPOCHS, QUICK_SEEDS
from harness.result import Document


@dataclass(frozen=True)
class Made:
    """The command, date and commit of the newest run, how many runs there are, what failed and what is absent."""

    command: str
    date: str
    commit: str
    quick: bool
    runs: int
    failed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def warning(self) -> str:
        """Return what a reader of a quick reproduction must know, or an empty text."""
        if not self.quick:
            return ""
        seeds = "one seed" if QUICK_SEEDS == 1 else f"{QUICK_SEEDS} seeds"
        return (
            f"Quick: {seeds}, at most {QUICK_EPOCHS} epochs and few samples. The numbers and verdicts show "
            "that everything runs and draws; they say nothing about the paper. What is said below "
            "of samples, epochs and seeds is that of the full runs."
        )


def made_by(command: str, documents: Sequence[Document], missing: dict[str, str], *, quick: bool) -> Made:
    """Return what made the runs; the date is that of the newest."""
    newest = max((document.provenance for document in documents), key=lambda one: one.created, default=None)
    commit = (newest.git_commit or "unknown")[:7] if newest else "unknown"
    if newest and newest.git_dirty:
        commit += " with changes"
    failed = tuple(f"{one.run.label}: {one.reason}" for one in documents if one.status == "failed")
    absent = tuple(f"{name}: {reason}" for name, reason in missing.items())
    date = newest.created.date().isoformat() if newest else ""
    return Made(command, date, commit, quick, len(documents), failed, absent)
