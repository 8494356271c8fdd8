"""What must hold of any clustering, told by the graph's views alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
from hypothesis import strategies as st

from compiler.analysis.requests import Clustering, Request, Requests
from compiler.diagnostics import Span
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

HERE = Span("submit.yaml", 7, 3)


@dataclass(frozen=True)
class Spec:
    """A cluster as a user writes it."""

    name: str
    pipetasks: tuple[str, ...]
    dimensions: tuple[str, ...] = ()
    equal_dimensions: tuple[tuple[str, str], ...] = ()
    partition_dimensions: tuple[str, ...] = ()
    partition_max_clusters: int | None = None
    partition_max_size: int | None = None
    find_dependency_method: str | None = None
    template: str | None = None
    place: Span | None = HERE


def quantum_pairs(graph: QuantumGraph) -> set[tuple[int, int]]:
    """(writer, reader) of every edge between quanta."""
    maker = {d: q.number for q in graph.quanta() for row in q.outputs.values() for d in row}
    return {(maker[d], q.number) for q in graph.quanta() for row in q.inputs.values() for d in row if d in maker}


def is_acyclic(graph: QuantumGraph, of: Ints) -> bool:
    """Whether the clusters can run one after the other."""
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for writer, reader in quantum_pairs(graph):
        if of[writer] != of[reader]:
            sorter.add(int(of[reader]), int(of[writer]))
    try:
        sorter.prepare()
    except CycleError:
        return False
    return True


def is_dense(of: Sequence[int]) -> bool:
    """Whether the numbers are 0, 1, 2, … in the order in which they first appear."""
    met = list(dict.fromkeys(of))
    return met == list(range(len(met)))


def groups(graph: QuantumGraph, clustering: Clustering) -> set[frozenset[str]]:
    """The clusters, as names of quanta."""
    members: dict[int, set[str]] = {}
    for number, cluster in enumerate(clustering.of.tolist()):
        members.setdefault(cluster, set()).add(str(graph.quantum(number)))
    return {frozenset(each) for each in members.values()}


def requests_of(graph: QuantumGraph, **by_task: Request) -> Requests:
    """The same request for all quanta of a task; bps's defaults where nothing is said."""
    kinds = tuple(by_task.get(task.label, Request()) for task in graph.tasks)
    return Requests(kinds, graph.quantum_task.astype(np.int32))


@st.composite
def any_requests(draw: st.DrawFn, graph: QuantumGraph) -> Requests:
    """Requests of few kinds, which may differ from quantum to quantum of one task."""
    kind = st.builds(
        Request,
        memory_mib=st.sampled_from([2048, 30720]),
        cores=st.sampled_from([1, 1, 1, 8]),
        run_time_s=st.none() | st.sampled_from([0.0, 1.0, 55.2, 1156.0, 9000.0]),
        walltime_s=st.none() | st.sampled_from([60, 86400]),
    )
    kinds = tuple(draw(st.lists(kind, min_size=1, max_size=4)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        of = random.integers(0, len(kinds), len(graph.tasks))[graph.quantum_task]
    else:
        of = random.integers(0, len(kinds), graph.n_quanta)
    return Requests(kinds, of.astype(np.int32))
