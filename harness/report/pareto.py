"""The Pareto front: runs that no other run beats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pareto_front(costs: npt.ArrayLike, gains: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return which points are on the front, bool (n,), for float `costs` (n,) to keep low and `gains` (n,) to raise.

    A point is on the front when no other costs at most as much and gains at least as much, one of the two strictly.
    Equal points are on it together; a point with a NaN never is. Takes O(n log n).
    """
    cost = np.asarray(costs, dtype=np.float64)
    gain = np.asarray(gains, dtype=np.float64)
    front = np.zeros(len(cost), dtype=np.bool_)
    known = np.flatnonzero(~(np.isnan(cost) | np.isnan(gain)))
    best: tuple[float, float] | None = None
    # From the cheapest on, and from the best among equally cheap: a point is beaten only by one that came before.
    for index in known[np.lexsort((-gain[known], cost[known]))]:
        point = (cost[index], gain[index])
        if best is None or point[1] > best[1] or point == best:
            best = point
            front[index] = True
    return front
