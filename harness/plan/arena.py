"""Offsets for tensors whose lifetimes overlap: as little memory as can be found, next to the lower bound.

This is dynamic storage allocation with known lifetimes. Placing tensors one after the other, each at the lowest offset
where it fits beside those alive at the same time, gives a result that depends on the order; orders by size are tried
first (Pisarchyk and Lee 2020, arXiv 2001.03288), then a seeded local search over orders. The search ends when it meets
the lower bound, the largest sum of sizes alive at once, because no placement can be smaller.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.plan.tensor import Tensor

SEARCH_ROUNDS = 2000


@dataclass(frozen=True)
class Placement:
    """Offsets in bytes by tensor, the size they need, and the lower bound of that size."""

    offsets: dict[Tensor, int]
    size_bytes: int
    lower_bound_bytes: int


def _overlap(a: Tensor, b: Tensor) -> bool:
    return a.first <= b.last and b.first <= a.last


def lower_bound_bytes(tensors: Sequence[Tensor]) -> int:
    """Return the largest sum of sizes alive at once."""
    return max(
        (sum(t.padded_bytes for t in tensors if t.first <= index <= t.last) for index in {t.first for t in tensors}),
        default=0,
    )


def _place_in_order(order: Sequence[Tensor]) -> tuple[dict[Tensor, int], int]:
    offsets: dict[Tensor, int] = {}
    size = 0
    for tensor in order:
        taken = sorted((offsets[other], other.padded_bytes) for other in offsets if _overlap(tensor, other))
        offset = 0
        for start, length in taken:
            if start - offset >= tensor.padded_bytes:
                break
            offset = max(offset, start + length)
        offsets[tensor] = offset
        size = max(size, offset + tensor.padded_bytes)
    return offsets, size


def place(tensors: Sequence[Tensor]) -> Placement:
    """Return offsets for `tensors` (each with a lifetime); the same input gives the same result."""
    bound = lower_bound_bytes(tensors)
    orders = [
        sorted(tensors, key=lambda t: -t.padded_bytes),
        sorted(tensors, key=lambda t: -(t.last - t.first + 1) * t.padded_bytes),
        sorted(tensors, key=lambda t: (t.first, -t.padded_bytes)),
    ]
    placed = [(_place_in_order(order), order) for order in orders]
    (offsets, size), best = min(placed, key=lambda result: result[0][1])
    generator = random.Random(1)  # noqa: S311 - a search, not a secret
    order = list(best)
    for _ in range(SEARCH_ROUNDS if len(order) > 1 else 0):
        if size == bound:
            break
        i, j = generator.randrange(len(order)), generator.randrange(len(order))
        candidate = list(order)
        candidate.insert(j, candidate.pop(i))
        candidate_offsets, candidate_size = _place_in_order(candidate)
        if candidate_size <= size:
            order, offsets, size = candidate, candidate_offsets, candidate_size
    return Placement(offsets, size, bound)
