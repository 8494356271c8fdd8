"""Flows: everything that one task hands another over one connection, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.rubin import Edges, QuantumGraph
from compiler.rubin.graph import Ints


@dataclass(frozen=True, eq=False)
class Flow:
    """The datasets that `consumer` reads over one connection and `producer` wrote over one of its own.

    Quanta are numbered within their task. The three columns have shape (edges,), sorted by reader, then by dataset.
    """

    consumer: int
    connection: int
    producer: int
    output: int
    reader: Ints
    writer: Ints
    dataset: Ints


def flows(graph: QuantumGraph) -> tuple[Flow, ...]:
    """Every flow between quanta, sorted by consumer, connection and producer."""
    reads, writes = graph.reads, graph.writes
    reader = np.repeat(np.arange(graph.n_quanta, dtype=np.int32), np.diff(reads.start))
    written_by = np.full(graph.n_datasets, -1, dtype=np.int32)
    written_by[writes.dataset] = writes.connection
    writer = graph.producer[reads.dataset]
    made = writer >= 0
    reader, writer, dataset, connection = reader[made], writer[made], reads.dataset[made], reads.connection[made]
    task, source, output = graph.quantum_task[reader], graph.quantum_task[writer], written_by[dataset]
    out: list[Flow] = []
    if not len(reader):
        return ()
    columns = np.stack([task, connection, source, output])
    order = np.lexsort((dataset, reader, *columns[::-1]))
    columns = columns[:, order]
    cuts = np.flatnonzero(np.any(columns[:, 1:] != columns[:, :-1], axis=0)) + 1
    for rows in np.split(order, cuts):
        t, c, p, o = (int(x[rows[0]]) for x in (task, connection, source, output))
        out.append(
            Flow(
                t,
                c,
                p,
                o,
                (reader[rows] - graph.task_start[t]).astype(np.int32),
                (writer[rows] - graph.task_start[p]).astype(np.int32),
                dataset[rows],
            )
        )
    return tuple(out)


def counts(edges: Edges, connection: int, first: int, last: int) -> Ints:
    """Shape (last - first,): how many datasets each quantum of a task has on a connection."""
    row = slice(int(edges.start[first]), int(edges.start[last]))
    quantum = np.repeat(np.arange(last - first), np.diff(edges.start[first : last + 1]))
    return np.bincount(quantum[edges.connection[row] == connection], minlength=last - first).astype(np.int32)
