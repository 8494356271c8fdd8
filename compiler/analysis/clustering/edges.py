"""Which quantum reads what which quantum wrote, as two columns; and rows of columns picked at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints


@dataclass(frozen=True, eq=False)
class QuantumEdges:
    """Edges between quanta; a pair may stand there more than once."""

    writer: Ints
    """Shape (edges,)."""
    reader: Ints
    """Shape (edges,), sorted; always of a later task than the writer, since tasks stand in the order of flow."""

    def of_task(self, graph: QuantumGraph, task: int) -> slice:
        """The edges whose reader is a quantum of `task`."""
        first, last = np.searchsorted(self.reader, graph.task_start[task : task + 2])
        return slice(int(first), int(last))


def quantum_edges(graph: QuantumGraph) -> QuantumEdges:
    """The edges of `graph`."""
    writer = graph.producer[graph.reads.dataset]
    reader = np.repeat(np.arange(graph.n_quanta, dtype=np.int32), np.diff(graph.reads.start))
    keep = writer >= 0
    # Most repetitions stand next to each other: a quantum reads several outputs of the one before it.
    keep[1:] &= (writer[1:] != writer[:-1]) | (reader[1:] != reader[:-1])
    return QuantumEdges(writer[keep], reader[keep])


def rows(start: NDArray[np.integer], chosen: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of all items of the `chosen` compressed rows, and for each the place of its row in `chosen`.

    >>> [column.tolist() for column in rows(np.array([0, 2, 2, 5]), np.array([2, 0]))]
    [[2, 3, 4, 0, 1], [0, 0, 0, 1, 1]]
    """
    first = np.asarray(start[chosen], dtype=np.int64)
    counts = np.asarray(start[chosen + 1], dtype=np.int64) - first
    row = np.repeat(np.arange(len(chosen), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(row)) + (first - before)[row], row


def numbered(label: Ints) -> Ints:
    """Cluster numbers, dense from 0 in the order of first members, shape (quanta,).

    `label` has that shape, too: of each quantum one that stands for its cluster.

    >>> numbered(np.array([2, 1, 2, 3], dtype=np.int32)).tolist()
    [0, 1, 0, 2]
    """
    quanta = np.arange(len(label), dtype=np.int32)
    first = np.full(len(label), len(label), dtype=np.int32)
    np.minimum.at(first, label, quanta)
    begins = first[label] == quanta
    return (np.cumsum(begins, dtype=np.int32) - 1)[first[label]].astype(np.int32)
