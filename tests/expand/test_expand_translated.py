"""What the compiler writes expands to the jobs, files and edges of the quantum graph; so does the Pegasus workflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.expand import expand
from compiler.jobs import JobGraph, QuantumKey
from compiler.rubin import QuantumGraph
from compiler.runtime.quantum_runner import dataset_name
from compiler.translate import translate
from tests import shapes, strategies
from tests.backends.small import loaded, lowered

RUNTIME = {"quantum_runner.pyz", "graph.qg", "butler.yaml"}
Edges = set[tuple[QuantumKey, QuantumKey]]


def expanded(graph: QuantumGraph) -> JobGraph:
    workflow = translate(graph)
    return expand(workflow.document, workflow.job_order, "shape")


def keys(graph: QuantumGraph) -> dict[int, QuantumKey]:
    return {each.number: (each.label, tuple(each.data_id.items())) for each in graph.quanta()}


def edges_of_graph(graph: QuantumGraph) -> Edges:
    key = keys(graph)
    read = ((each.number, d) for each in graph.quanta() for row in each.inputs.values() for d in row)
    return {(key[int(graph.producer[d])], key[q]) for q, d in read if graph.producer[d] >= 0}


def edges_of_jobs(jobs: JobGraph) -> Edges:
    pairs = zip(jobs.edges.item.tolist(), jobs.edges.row.tolist(), strict=True)
    return {(a.quanta[0], b.quanta[0]) for a, b in ((jobs.job(m), jobs.job(n)) for m, n in pairs) if a.quanta}


def files_of_graph(graph: QuantumGraph) -> dict[QuantumKey, tuple[set[str], set[str]]]:
    """Names of the datasets that each quantum reads (init-inputs apart) and writes."""

    def name(number: int) -> str:
        dataset = graph.dataset(number)
        existing = dataset.id.hex if graph.exists_before(number) else None
        return dataset_name(dataset.type, dataset.data_id.values(), existing)

    key = keys(graph)
    return {
        key[each.number]: (
            {name(d) for row in each.inputs.values() for d in row},
            {name(d) for row in each.outputs.values() for d in row},
        )
        for each in graph.quanta()
    }


def assert_same(graph: QuantumGraph, jobs: JobGraph) -> None:
    assert edges_of_jobs(jobs) == edges_of_graph(graph)
    wanted = files_of_graph(graph)
    names = jobs.files.names
    init = {names[f] for job in jobs.jobs() if not job.quanta for f in job.outputs}
    found = {
        job.quanta[0]: (
            {names[f] for f in job.inputs} - RUNTIME - init,
            {names[f] for f in job.outputs if jobs.file(f).port != "_record"},
        )
        for job in jobs.jobs()
        if job.quanta
    }
    assert found == wanted


@pytest.mark.parametrize(
    "graph", [shapes.dark(), shapes.single_frame(), shapes.tract()], ids=["dark", "frame", "tract"]
)
def test_jobs_read_and_write_what_the_quanta_do(graph: QuantumGraph) -> None:
    assert_same(graph, expanded(graph))


@given(strategies.graphs())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_graph_expands_to_itself(graph: QuantumGraph) -> None:
    assert_same(graph, expanded(graph))


@pytest.mark.parametrize("make", [shapes.dark, shapes.tract])
def test_the_pegasus_workflow_has_the_edges_of_the_quantum_graph(
    make: Callable[[], QuantumGraph], tmp_path: Path
) -> None:
    graph = make()
    jobs = expanded(graph)
    assert {each.code for each in lowered(tmp_path, jobs)} == {"placeholder"}
    workflow = loaded(tmp_path, "workflow.yml")
    quantum = {
        id: job.quanta[0]
        for job, id in zip(jobs.jobs(), (w["id"] for w in workflow["jobs"]), strict=False)
        if job.quanta
    }
    told = {(each["id"], child) for each in workflow["jobDependencies"] for child in each["children"]}
    assert {(quantum[a], quantum[b]) for a, b in told if a in quantum and b in quantum} == edges_of_graph(graph)


def test_a_job_order_read_back_from_its_file_expands_to_the_same_jobs() -> None:
    import yaml

    workflow = translate(shapes.tract())
    document = yaml.safe_load(workflow.document_text())
    order = json.loads(workflow.job_order_bytes())
    again, jobs = expand(document, order), expand(workflow.document, workflow.job_order)
    assert list(again.jobs()) == list(jobs.jobs())
    assert again.files.names == jobs.files.names
