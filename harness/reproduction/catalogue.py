"""Every figure, by name."""

from __future__ import annotations

from harness.errors import InputError, nearest
from harness.reproduction.figure import Figure
from harness.reproduction.figures import accuracy, boards, epochs, growth, latency, mcunet, memory, partial, scratch

FIGURES: tuple[Figure, ...] = (
    accuracy.FIGURE,
    latency.FIGURE,
    memory.FIGURE,
    partial.FIGURE,
    epochs.FIGURE,
    growth.FIGURE,
    scratch.FIGURE,
    boards.FIGURE,
    mcunet.FIGURE,
)
ALL = "all"


def chosen(names: list[str]) -> tuple[Figure, ...]:
    """Return the figures of these names in their usual order; `all` means every one.

    Raises InputError for a name that is none.
    """
    known = {figure.name: figure for figure in FIGURES}
    wrong = [name for name in names if name not in known and name != ALL]
    if wrong:
        raise InputError(*(f"{name}: unknown figure; {nearest(name, [*known, ALL])}" for name in wrong))
    return tuple(figure for figure in FIGURES if ALL in names or figure.name in names)
