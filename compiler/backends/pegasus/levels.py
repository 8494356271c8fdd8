"""Rows of numbers in bulk: many rows at once, and how deep in the workflow each job stands."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compiler.jobs import Rows
from compiler.jobs.graph import Ints

_CHUNK = 1 << 14


def levels_of(waits: Rows) -> Ints:
    """Shape (jobs,): the length of the longest way to each job; -1 for one on a cycle or behind one.

    `waits`: the jobs that each job waits for, each once.

    >>> levels_of(Rows.from_pairs(np.array([1, 2, 2]), np.array([0, 0, 1]), 3)).tolist()
    [0, 1, 2]
    """
    followers = Rows.from_pairs(waits.item, waits.row, len(waits))
    missing = np.diff(waits.start)
    level = np.full(len(waits), -1, dtype=np.int32)
    ready, depth = np.flatnonzero(missing == 0), 0
    while len(ready):
        level[ready] = depth
        reached, times = np.unique(items_of(followers, ready), return_counts=True)
        missing[reached] -= times
        ready, depth = reached[missing[reached] == 0], depth + 1
    return level


def items_of(rows: Rows, of: NDArray[np.integer]) -> Ints:
    """The items of several rows, one row after the other."""
    start, count = rows.start[of], rows.start[of + 1] - rows.start[of]
    before = np.cumsum(count) - count
    return rows.item[np.repeat(start - before, count) + np.arange(int(count.sum()))]


def lists_of(rows: Rows, of: NDArray[np.integer]) -> Iterator[list[int]]:
    """The items of each of several rows: a slice of an array for each of a million jobs would cost a second.

    >>> list(lists_of(Rows(np.array([0, 2, 2, 3]), np.array([7, 8, 9], dtype=np.int32)), np.array([2, 0, 1])))
    [[9], [7, 8], []]
    """
    for first in range(0, len(of), _CHUNK):
        chunk = of[first : first + _CHUNK]
        items, end = items_of(rows, chunk).tolist(), 0
        for count in (rows.start[chunk + 1] - rows.start[chunk]).tolist():
            yield items[end : end + count]
            end += count
