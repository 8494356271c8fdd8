"""Sound graphs pass, unsound ones do not, and a graph must fit its pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from compiler.diagnostics import Diagnostic, Origin, Span
from compiler.frontend.consistency import check_consistency, check_graph
from compiler.rubin import (
    Connection,
    DatasetType,
    GraphBuilder,
    Pipeline,
    PipelineTask,
    QuantumGraph,
    StoredFile,
    Task,
)
from tests.strategies import graphs


def built(change: Callable[[GraphBuilder], object] = lambda builder: None, file: bool = True) -> QuantumGraph:
    """isr per detector, then one mean; `change` adds to it."""
    builder = GraphBuilder("g.qg", "out")
    for name, dimensions in {"raw": ("detector",), "flat": ("detector",), "mean": ()}.items():
        builder.add_dataset_type(DatasetType(name, dimensions))
    ports = (Connection("raw", "raw", "input"), Connection("out", "flat", "output"))
    builder.add_task(Task("isr", "lsst.ip.isr.isrTask.IsrTask", ("detector",), (), ports))
    ports = (Connection("flats", "flat", "input"), Connection("out", "mean", "output"))
    builder.add_task(Task("combine", "lsst.cp.pipe.CombineTask", (), (), ports))
    record = StoredFile("raw/1", 5) if file else None
    raws = [builder.add_dataset("raw", [n], "raw/all", None, record) for n in (1, 2)]
    flats = [builder.add_dataset("flat", [n], "out") for n in (1, 2)]
    for n, raw, flat in zip((1, 2), raws, flats, strict=True):
        builder.add_quantum("isr", [n], None, {"raw": [raw]}, {"out": [flat]})
    builder.add_quantum("combine", [], None, {"flats": flats}, {"out": [builder.add_dataset("mean", [], "out")]})
    change(builder)
    return builder.finish()


def told(findings: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(each.code, str(each.place)) for each in findings]


@given(graphs())
@settings(max_examples=60)
def test_random_sound_graphs_have_no_errors(graph: QuantumGraph) -> None:
    assert {each.code for each in check_graph(graph)} <= ({"empty-graph"} if graph.n_quanta == 0 else set())


def test_a_sound_graph_has_no_findings() -> None:
    assert check_graph(built()) == []


def test_two_producers_are_an_error() -> None:
    def twice(builder: GraphBuilder) -> None:
        builder.add_quantum("isr", [3], None, {}, {"out": [builder.add_dataset("flat", [1], "out")]})

    (found,) = check_graph(built(twice))
    assert found.message == "flat{detector: 1} is written by isr{detector: 1}, isr{detector: 3}"
    assert (found.code, found.place) == ("two-producers", Origin("g.qg", "isr{detector: 1}"))


def test_what_a_quantum_and_an_init_quantum_write_is_an_error() -> None:
    def twice(builder: GraphBuilder) -> None:
        builder.add_init("isr", None, {}, {"out": [builder.add_dataset("flat", [1], "out")]})

    found = check_graph(built(twice))
    assert told(found) == [("two-producers", "g.qg: isr{detector: 1}"), ("wrong-connection", "g.qg: isr{}")]
    assert found[0].message.endswith("isr{detector: 1}, init of 'isr'")


def test_doubled_quanta_are_an_error() -> None:
    def again(builder: GraphBuilder) -> None:
        builder.add_quantum("isr", [2], b"0123456789abcdef", {}, {})

    assert told(check_graph(built(again))) == [("doubled-data-id", "g.qg: isr{detector: 2}")]


def test_doubled_init_quanta_are_an_error() -> None:
    def again(builder: GraphBuilder) -> None:
        builder.add_init("isr", None, {}, {})
        builder.add_init("isr", b"0123456789abcdef", {}, {})
        builder.add_init("irs", None, {}, {})

    assert told(check_graph(built(again))) == [("unknown-task", "g.qg: irs{}"), ("doubled-data-id", "g.qg: isr{}")]


def test_two_made_datasets_of_one_data_id_are_an_error_even_in_two_runs() -> None:
    def again(builder: GraphBuilder) -> None:
        other = builder.add_dataset("flat", [2], "elsewhere")
        builder.add_quantum("isr", [3], None, {}, {"out": [other]})

    assert told(check_graph(built(again))) == [("doubled-dataset", "g.qg: flat{detector: 2}")]


def test_two_existing_datasets_of_one_data_id_may_be_in_two_runs() -> None:
    def other_run(builder: GraphBuilder) -> None:
        builder.add_dataset("raw", [2], "elsewhere", None, StoredFile("x"))

    def same_run(builder: GraphBuilder) -> None:
        builder.add_dataset("raw", [2], "raw/all", b"0123456789abcdef", StoredFile("x"))

    assert check_graph(built(other_run)) == []
    assert told(check_graph(built(same_run))) == [("doubled-dataset", "g.qg: raw{detector: 2}")]


def test_a_dataset_on_the_wrong_connection_is_an_error() -> None:
    def crossed(builder: GraphBuilder) -> None:
        builder.add_quantum("isr", [3], None, {"out": [0]}, {"raw": []})
        builder.add_quantum("isr", [4], None, {"raw": [2]}, {})

    found = check_graph(built(crossed))
    assert told(found)[:2] == [
        ("wrong-connection", "g.qg: isr{detector: 3}"),
        ("wrong-connection", "g.qg: isr{detector: 4}"),
    ]
    assert found[0].message == "raw{detector: 1} stands on the connection 'out' (output, of 'flat')"


def test_a_quantum_that_reads_what_its_own_task_makes_is_an_error() -> None:
    def circle(builder: GraphBuilder) -> None:
        ports = (Connection("before", "raw", "input"), Connection("out", "raw", "output"))
        builder.add_task(Task("chain", "my.Chain", ("detector",), (), ports))
        one, two = (builder.add_dataset("raw", [n], "out") for n in (7, 8))
        builder.add_quantum("chain", [7], None, {"before": [two]}, {"out": [one]})
        builder.add_quantum("chain", [8], None, {"before": [one]}, {"out": [two]})

    assert told(check_graph(built(circle))) == [
        ("circular-quanta", "g.qg: chain{detector: 7}"),
        ("circular-quanta", "g.qg: chain{detector: 8}"),
    ]


def test_a_graph_without_quanta_is_an_error() -> None:
    builder = GraphBuilder("g.qg")
    assert told(check_graph(builder.finish())) == [("empty-graph", "g.qg")]


def test_many_faults_of_a_kind_are_counted() -> None:
    def again(builder: GraphBuilder) -> None:
        for n in range(3, 13):
            for id in (None, bytes([n]) * 16):
                builder.add_quantum("isr", [n], id, {}, {})

    found = check_graph(built(again))
    assert len(found) == 4
    assert found[0].message == "10 quanta of 'isr' are doubled; 3 of them follow"


@pytest.mark.parametrize(("planned", "severity"), [(True, "error"), (False, "warning")])
def test_inputs_without_records_are_one_finding_and_an_error_in_a_planned_graph(planned: bool, severity: str) -> None:
    (found,) = check_graph(built(file=False), planned=planned)
    assert (found.code, found.severity) == ("no-datastore-records", severity)
    assert found.message.startswith(
        "2 datasets that exist before the workflow have no datastore record, one of them raw{"
    )


def test_the_checks_of_a_graph_do_not_change_it() -> None:
    graph = built()
    before = [np.array(each) for each in (graph.reads.dataset, graph.writes.dataset)]
    check_graph(graph)
    assert all(map(np.array_equal, before, (graph.reads.dataset, graph.writes.dataset)))
    assert graph == built()


def pipeline(**classes: str) -> Pipeline:
    rows = [
        PipelineTask(label, task_class, (), Span("p.yaml", number, 3))
        for number, (label, task_class) in enumerate(classes.items(), 1)
    ]
    return Pipeline("", tuple(rows), file="p.yaml")


MATCHING = {"isr": "lsst.ip.isr.IsrTask", "combine": "lsst.cp.pipe.CombineTask"}


def test_a_class_may_be_imported_from_its_package() -> None:
    assert check_consistency(pipeline(**MATCHING), built()) == []


def test_a_label_that_only_the_graph_has_is_an_error() -> None:
    found = check_consistency(pipeline(isr=MATCHING["isr"], conbine=MATCHING["combine"]), built())
    assert told(found) == [("unknown-task", "g.qg: combine"), ("task-without-quanta", "p.yaml:2:3")]
    assert found[0].message == "the graph has quanta of 'combine', which is no task of the pipeline p.yaml"
    assert found[0].help == "did you mean 'conbine'?"
    assert found[1].severity == "warning"


def test_many_idle_tasks_are_one_warning() -> None:
    found = check_consistency(pipeline(**MATCHING, **{f"more{n}": "my.Task" for n in range(9)}), built())
    assert told(found) == [("task-without-quanta", "p.yaml:3:3")]
    assert found[0].message == (
        "9 tasks of the pipeline have no quanta in the graph: more0, more1, more2, more3, more4, more5 and 3 more"
    )


@pytest.mark.parametrize(
    ("task_class", "severity"),
    [("lsst.ip.isr.OtherTask", "error"), ("my.fork.IsrTask", "warning")],
)
def test_another_class_is_told(task_class: str, severity: str) -> None:
    (found,) = check_consistency(pipeline(**{**MATCHING, "isr": task_class}), built())
    assert (found.code, found.severity, str(found.place)) == ("task-class-differs", severity, "p.yaml:1:3")


def test_a_task_of_the_graph_without_quanta_needs_no_pipeline() -> None:
    def idle(builder: GraphBuilder) -> None:
        builder.add_task(Task("idle", "my.Idle", ()))

    graph = built(idle)
    assert check_consistency(pipeline(**MATCHING), graph) == []
    assert check_graph(replace(graph, source="")) == []
