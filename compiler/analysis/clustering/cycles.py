"""Find a cycle among clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.analysis.clustering.edges import rows


def find_cycle(size: int, source: NDArray[np.integer], target: NDArray[np.integer]) -> list[int]:
    """Nodes of a cycle of the graph with nodes 0 … size - 1, in its direction, or an empty list; loops do not count.

    >>> find_cycle(4, np.array([0, 1, 2, 2]), np.array([1, 2, 1, 3]))
    [1, 2]
    """
    loop = source == target
    source, target = source[~loop], target[~loop]
    waiting = np.bincount(target, minlength=size)
    start = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=size), out=start[1:])
    by_source = target[np.argsort(source, kind="stable")]
    ready = np.flatnonzero(waiting == 0)
    while len(ready):
        place, _ = rows(start, ready)
        fed = by_source[place]
        np.subtract.at(waiting, fed, 1)
        ready = np.sort(fed[waiting[fed] == 0])
        ready = ready[np.append(True, ready[1:] != ready[:-1])[: len(ready)]]
    if not waiting.any():
        return []
    # Whoever still waits has a source that still waits: going back must come round.
    left = (waiting[source] > 0) & (waiting[target] > 0)
    before = np.full(size, size, dtype=np.int64)
    np.minimum.at(before, target[left], source[left])
    node = int(np.flatnonzero(waiting > 0)[0])
    seen: dict[int, int] = {}
    while node not in seen:
        seen[node] = len(seen)
        node = int(before[node])
    cycle = list(seen)[seen[node] :][::-1]
    least = cycle.index(min(cycle))
    return cycle[least:] + cycle[:least]
