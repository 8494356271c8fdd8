"""What quanta of one job share: the order in which neighbours share most, and what a clustering saves by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.analysis.clustering.edges import rows
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

_WINDOWS = 8
"""How many jobs are looked at to compare orders: evenly spaced, and no more, so that the cost does not grow."""


@dataclass(frozen=True, slots=True)
class Savings:
    """What running quanta together saves, compared with a job a quantum."""

    quanta: int
    jobs: int
    stage_ins: int
    """Files that are not staged in: made in the job itself, or staged in for another quantum of it."""
    stage_outs: int
    """Datasets that are not staged out: only quanta of the job read them."""

    @property
    def starts(self) -> int:
        return self.quanta - self.jobs


def savings(graph: QuantumGraph, of: Ints) -> Savings:
    """What the clusters `of` each quantum, shape (quanta,), numbered from 0, save."""
    dataset = graph.reads.dataset
    job = np.repeat(of, np.diff(graph.reads.start))
    maker = graph.producer[dataset]
    inside = (maker >= 0) & (of[maker] == job)
    passed, outside = np.zeros(graph.n_datasets, dtype=bool), np.zeros(graph.n_datasets, dtype=bool)
    passed[dataset[inside]] = True
    outside[dataset[~inside]] = True
    job, dataset = job[~inside], dataset[~inside]
    # A file that is read once needs no look for others in its job.
    shared = np.bincount(dataset, minlength=graph.n_datasets)[dataset] > 1
    staged = _distinct(job[shared].astype(np.int64) * graph.n_datasets + dataset[shared])
    staged += int(np.count_nonzero(~shared))
    return Savings(
        graph.n_quanta,
        int(of.max(initial=-1)) + 1,
        len(graph.reads.dataset) - staged,
        int(np.count_nonzero(passed & ~outside)),
    )


@dataclass(frozen=True, eq=False)
class Members:
    """The quanta of each unit: those of the unit with root r stand at ``start[r]:start[r + 1]``."""

    start: NDArray[np.int64]
    """Shape (quanta + 1,)."""
    quantum: NDArray[np.intp]
    """Shape (quanta,)."""

    @classmethod
    def of(cls, root: Ints) -> Members:
        start = np.zeros(len(root) + 1, dtype=np.int64)
        np.cumsum(np.bincount(root, minlength=len(root)), out=start[1:])
        return cls(start, np.argsort(root, kind="stable"))


def best_order(graph: QuantumGraph, members: Members, roots: NDArray[np.intp], jobs: int) -> NDArray[np.intp]:
    """The `roots`, all of one task, in that order of their data ids in which `jobs` equal jobs read the fewest files.

    Orders that are tried: that of the data ids, and those that put one dimension before all others.
    """
    length = max(1, round(len(roots) / jobs))
    best, fewest = roots, -1
    for order in _orders(graph, roots):
        files = _files_of_some(graph, members, order, length)
        if fewest < 0 or files < fewest:
            best, fewest = order, files
    return best


def _orders(graph: QuantumGraph, roots: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    task = int(graph.quantum_task[roots[0]])
    codes = graph.quantum_codes[task][roots - int(graph.task_start[task])]
    yield roots
    differ = [d for d in range(codes.shape[1]) if (codes[:, d] != codes[0, d]).any()]
    for d in differ[1:]:  # the first one leads already
        column = codes[:, d]
        narrow = column.astype(np.uint16) if int(column.max()) < 2**16 else column  # numpy counts these, in linear time
        yield roots[np.argsort(narrow, kind="stable")]


def _files_of_some(graph: QuantumGraph, members: Members, order: NDArray[np.intp], length: int) -> int:
    """How many files some jobs of `length` units, cut from `order`, read."""
    begins = np.linspace(0, len(order) - length, _WINDOWS).astype(np.int64)
    units = order[(begins[:, None] + np.arange(length)).ravel()]
    window = np.repeat(np.arange(_WINDOWS), length)
    place, unit = rows(members.start, units)
    quanta, window = members.quantum[place], window[unit]
    place, reader = rows(graph.reads.start, quanta)
    return _distinct(window[reader] * graph.n_datasets + graph.reads.dataset[place])


def _distinct(key: NDArray[np.int64]) -> int:
    # np.unique counts by a hash table, which for a million numbers takes fifty times as long.
    key = np.sort(key)
    return int(np.count_nonzero(key[1:] != key[:-1])) + min(len(key), 1)
