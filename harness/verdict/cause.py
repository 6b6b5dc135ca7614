"""What else than the firmware differs between two runs: named before code is blamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.explanation.stored_run import StoredRun
from harness.result import Document
from harness.result.frame import setting_columns

_TOOLS_OF_THE_TWIN = ("cc",)
_TOOLS_THAT_COUNT = ("capstone", "numpy", "scikit-learn", "unicorn")


@dataclass(frozen=True)
class Cause:
    """One thing that differs: `what` it is, what it was `before` and is `after`."""

    what: str
    before: str
    after: str


def causes(before: Document, after: Document) -> list[Cause]:
    """Return what differs between the circumstances of two runs: compiler and cycle model first, then settings."""
    return [cause for cause in _all(before, after) if cause.before != cause.after]


def _all(before: Document, after: Document) -> Iterator[Cause]:
    old, new = before.provenance, after.provenance
    compilers = [name for name in {**old.tools, **new.tools} if name.endswith("gcc")]
    for name in compilers:
        yield Cause("compiler", old.tools.get(name, "-"), new.tools.get(name, "-"))
    yield Cause("compiler flags", *_differing(old.compiler_flags, new.compiler_flags))
    yield Cause("cycle model", old.cycle_model, new.cycle_model)
    if before.estimates and after.estimates:
        models = (side.energy_mj_per_step.model for side in (before.estimates, after.estimates))
        yield Cause("energy model", *models)
    yield Cause("engine", f"{old.engine} {old.engine_version}", f"{new.engine} {new.engine_version}")
    for name in _TOOLS_OF_THE_TWIN:
        yield Cause("compiler of the twin", old.tools.get(name, "-"), new.tools.get(name, "-"))
    for name in _TOOLS_THAT_COUNT:
        yield Cause(name, old.tools.get(name, "-"), new.tools.get(name, "-"))
    settings, now = setting_columns(before.settings), setting_columns(after.settings)
    for name in {**settings, **now}:
        if name in settings and name in now:
            yield Cause(f"setting {name}", str(settings[name]), str(now[name]))


def _differing(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, str]:
    """Return the words that only one side has."""
    gone = [word for word in before if word not in after]
    come = [word for word in after if word not in before]
    return " ".join(gone) or "-", " ".join(come) or "-"


def changed_sources(before: StoredRun, after: StoredRun) -> list[str]:
    """Return the sources of the firmware that differ, plan.c as `plan.c (generated)`; none when texts are not known."""
    old, new = before.sources, after.sources
    found: list[str] = []
    if old is not None and new is not None:
        found += sorted(name for name in {**old, **new} if old.get(name) != new.get(name))
    if before.source_text("plan.c") != after.source_text("plan.c"):
        found.append("plan.c (generated)")
    return found
