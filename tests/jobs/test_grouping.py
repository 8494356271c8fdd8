"""Grouping: every call in one job, edges the quotient of those between calls, nothing lost between jobs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.analysis.requests import Clustering, Requests
from compiler.expand import expand, expand_calls
from compiler.jobs import Calls, Files, JobGraph, Request, Rows, group
from compiler.rubin import QuantumGraph
from compiler.translate import translate
from compiler.translate.plan import Runtime
from tests import shapes, strategies

Pairs = set[tuple[int, int]]


@cache
def tract_calls() -> tuple[Files, Calls]:
    workflow = translate(shapes.tract())
    return expand_calls(workflow.document, workflow.job_order)


def call_edges(calls: Calls) -> Pairs:
    """From files alone: who reads what whom wrote."""
    maker = {file: call for call in range(len(calls)) for file in calls.writes.of(call).tolist()}
    return {
        (maker[file], call) for call in range(len(calls)) for file in calls.reads.of(call).tolist() if file in maker
    }


@dataclass(frozen=True)
class Cut:
    """A clustering by cuts through an order in which data flows, which makes no cycle."""

    seed: int
    size: int
    alone: float

    def of(self, edges: Pairs, count: int, free: set[int]) -> np.ndarray:
        """Shape (count,): a cluster for each call, -1 for those in `free` and in pieces that stay apart."""
        random = Random(self.seed)
        waiting = {call: {a for a, b in edges if b == call} for call in range(count)}
        order: list[int] = []
        while waiting:
            ready = [call for call, before in waiting.items() if not before & waiting.keys()]
            order.append(random.choice(ready))
            del waiting[order[-1]]
        out = np.full(count, -1, dtype=np.int32)
        cluster, left, together = 0, 0, False
        for call in order:
            if not left or call in free:
                cluster, left, together = cluster + 1, random.randint(1, self.size), random.random() >= self.alone
            left = 0 if call in free else left - 1
            if together and call not in free:
                out[call] = cluster
        return out


CUTS = st.builds(Cut, st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0.0, 0.3]))


def assert_grouped(jobs: JobGraph, cluster: np.ndarray, kept: set[str]) -> None:
    calls = jobs.calls
    members = [jobs.members.of(n).tolist() for n in range(len(jobs))]
    assert sorted(call for row in members for call in row) == list(range(len(calls)))
    assert {tuple(cluster[row]) for row in members if len(row) > 1} == {
        (c,) * n for c, n in zip(*np.unique(cluster[cluster >= 0], return_counts=True), strict=True) if n > 1
    }
    job = {call: n for n, row in enumerate(members) for call in row}
    edges = call_edges(calls)
    told = set(zip(jobs.edges.item.tolist(), jobs.edges.row.tolist(), strict=True))
    assert told == {(job[a], job[b]) for a, b in edges if job[a] != job[b]}
    inside = {(a, b) for a, b in edges if job[a] == job[b]}
    assert all(members[job[a]].index(a) < members[job[b]].index(b) for a, b in inside)
    for n, row in enumerate(members):
        reads = {file for call in row for file in calls.reads.of(call).tolist()}
        writes = {file for call in row for file in calls.writes.of(call).tolist()}
        assert jobs.inputs.of(n).tolist() == sorted(reads - writes)
        read_by = {file: {job[c] for c in range(len(calls)) if file in calls.reads.of(c)} for file in writes}
        stays = {f for f in writes if read_by[f] == {n} and jobs.file(f).port not in kept}
        assert jobs.outputs.of(n).tolist() == sorted(writes - stays)


@given(CUTS, st.sampled_from([set(), {"calexp", "coadd"}]))
@settings(max_examples=25, deadline=None)
def test_any_acyclic_clustering_keeps_every_call_and_edge_and_stages_what_others_read(cut: Cut, kept: set[str]) -> None:
    files, calls = tract_calls()
    cluster = cut.of(call_edges(calls), len(calls), set())
    jobs = group("w", files, replace(calls, cluster=cluster), lambda label, port: port in kept)
    assert_grouped(jobs, cluster, kept)


@given(strategies.graphs(max_tasks=3), CUTS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_clusters_of_a_quantum_graph_are_the_jobs_of_its_workflow(graph: QuantumGraph, cut: Cut) -> None:
    key = {(each.label, tuple(each.data_id.items())): each.number for each in graph.quanta()}
    flat = expand(*vars_of(graph, None))
    numbers = {n: key[q[0]] for n, q in enumerate(job.quanta for job in flat.jobs()) if q}
    free = set(range(len(flat))) - set(numbers)
    cluster = cut.of(call_edges(flat.calls), len(flat), free)
    of = np.arange(graph.n_quanta, dtype=np.int32) + len(flat) + int(cluster.max(initial=0)) + 1
    for call, quantum in numbers.items():
        if cluster[call] >= 0:
            of[quantum] = cluster[call]
    _, dense = np.unique(of, return_inverse=True)
    clustering = Clustering(dense.astype(np.int32), tuple(task.label for task in graph.tasks))
    jobs = expand(*vars_of(graph, clustering), keep=lambda label, port: False)
    assert_grouped(jobs, jobs.calls.cluster, set())
    found = {frozenset(key[quantum] for quantum in job.quanta) for job in jobs.jobs() if job.quanta}
    assert found == {frozenset(np.flatnonzero(dense == n).tolist()) for n in set(dense.tolist())}


def vars_of(graph: QuantumGraph, clustering: Clustering | None) -> tuple[dict[str, object], dict[str, object]]:
    runtime = None if clustering is None else Runtime(Requests.default(graph), clustering)
    workflow = translate(graph, runtime=runtime)
    return workflow.document, workflow.job_order


def test_a_job_asks_for_the_most_of_what_is_held_and_the_sum_of_what_adds_up() -> None:
    files, calls = tract_calls()
    kinds = (
        Request(cores=1, memory_mib=4000, disk_mib=10, walltime_s=100, retries=1, run_time_s=5.0),
        Request(cores=8, memory_mib=2000, disk_mib=20, walltime_s=50, retries=3, run_time_s=7.5),
        Request(memory_mib=3000),
    )
    request = np.full(len(calls), 2, dtype=np.int32)
    request[[1, 2]], request[3] = 0, 1
    cluster = np.full(len(calls), -1, dtype=np.int32)
    cluster[[1, 2, 3]], cluster[[4, 5]] = 0, 1
    jobs = group("w", files, replace(calls, requests=kinds, request=request, cluster=cluster))
    job = jobs.job(int(jobs.job_of_call[1]))
    assert job.request == replace(
        kinds[0], cores=8, memory_mib=4000, disk_mib=40, walltime_s=250, retries=3, run_time_s=17.5
    )
    assert jobs.job(int(jobs.job_of_call[4])).request == kinds[2]
    assert jobs.job(int(jobs.job_of_call[6])).request == kinds[2]
    assert len(set(jobs.requests)) == len(jobs.requests)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6))))
def test_rows_are_made_of_pairs_in_any_order_each_once(pairs: list[tuple[int, int]]) -> None:
    row, item = (np.array([each[n] for each in pairs], dtype=np.int32) for n in (0, 1))
    rows = Rows.from_pairs(row, item, 5)
    assert [rows.of(n).tolist() for n in range(5)] == [sorted({b for a, b in pairs if a == n}) for n in range(5)]
    assert list(zip(rows.row.tolist(), rows.item.tolist(), strict=True)) == sorted(set(pairs))


@pytest.mark.parametrize("size", [0, 1])
def test_a_workflow_without_files_has_jobs_without_edges(size: int) -> None:
    tool = {"class": "CommandLineTool", "id": "main", "baseCommand": "true", "inputs": [], "outputs": []}
    steps = {f"s{n}": {"run": tool, "in": {}, "out": []} for n in range(size)}
    jobs = expand({"class": "Workflow", "inputs": {}, "outputs": {}, "steps": steps}, {})
    assert jobs.ids == list(steps)
    assert len(jobs.edges.item) == 0
