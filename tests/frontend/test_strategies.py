"""The random graphs that other tests rely on."""

from random import Random

from hypothesis import given, settings

from compiler.rubin import QuantumGraph, format_quantum
from tests.strategies import GraphShape, build_graph, graph_shapes, graphs


@given(graph_shapes())
@settings(max_examples=60)
def test_a_graph_does_not_depend_on_the_order_of_its_rows(shape: GraphShape) -> None:
    assert build_graph(shape) == build_graph(shape, Random(1)) == build_graph(shape, Random(2))


@given(graphs())
@settings(max_examples=60)
def test_views_agree_with_columns(graph: QuantumGraph) -> None:
    for quantum in graph.quanta():
        task = graph.tasks[int(graph.quantum_task[quantum.number])]
        assert str(quantum) == format_quantum(task.label, quantum.data_id)
        assert {graph.dataset(d).type for d in quantum.outputs["_log"]} == {f"{quantum.label}_log"}
        assert all(int(graph.producer[d]) == quantum.number for row in quantum.outputs.values() for d in row)
        for name, row in quantum.inputs.items():
            declared = task.connections[task.connection(name)]
            assert {graph.dataset(d).type for d in row} == {declared.dataset_type}
            assert list(row) == sorted(row)


@given(graphs())
@settings(max_examples=30)
def test_what_exists_before_has_a_record(graph: QuantumGraph) -> None:
    assert set(graph.files) == {d for d in range(graph.n_datasets) if graph.exists_before(d)}
