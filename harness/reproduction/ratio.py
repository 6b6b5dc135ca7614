"""A criterion on the ratio of two numbers of one kind, in the paper and here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.reproduction.outcome import Case, Spread


def ratio_case(
    name: str,
    paper: Mapping[str, float],
    ours: Mapping[str, Spread],
    above: str,
    below: str,
    holds: Callable[[float], bool],
) -> Case:
    """Return whether `above` / `below` fulfils `holds` in the numbers of each side; None where one is missing."""
    published_ratio = paper[above] / paper[below] if above in paper and below in paper else None
    our_ratio = ours[above].mean / ours[below].mean if above in ours and below in ours else None
    return Case(
        name,
        "" if published_ratio is None else f"{published_ratio:.2f}",
        "" if our_ratio is None else f"{our_ratio:.2f}",
        None if published_ratio is None else holds(published_ratio),
        None if our_ratio is None else holds(our_ratio),
    )
