"""Every single change of a right workflow, of its job order or of the graph is caught and named."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest

from compiler.certificate import certify
from compiler.rubin import Files, QuantumGraph
from compiler.rubin.graph import Edges
from compiler.translate import translate
from tests.certificate import by_hand
from tests.certificate.mutants import Path, at, mutants, mutate, nodes
from tests.shapes import dark, single_frame, tract

Change = Callable[[dict[str, Any], dict[str, Any]], object]
"""Changes a document or a job order in place."""

HARMLESS = re.compile(
    r"label|doc|ResourceRequirement|ramMin|coresMin"  # for people, and for the machine's size
    r"|\$namespaces"  # a hint's prefix
    r"|_regroup.run.hints"  # without this hint an engine is needed everywhere
    r"|_(graph|butler).location"  # another name below runtime/ is caught by whoever looks for the file
    r"|size$"  # known or not
    r"|requirements"  # inherited from the workflow around
    r"|all.linkMerge$"  # merge_nested is what several sources mean anyway
    r"|pool.source"  # a pool with more behind what the indices name
)
"""Paths of changes after which a workflow still does the same."""


def node(document: dict[str, Any], id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["$graph"] if each["id"] == id)
    return found


def step(document: dict[str, Any], id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in node(document, "main")["steps"] if each["id"] == id)
    return found


def replace(where: dict[str, Any], key: str, old: str, new: str) -> None:
    where[key] = [each.replace(old, new) for each in where[key]]


def feed(where: dict[str, Any], port: str, **change: Any) -> None:
    (entry,) = (each for each in where["in"] if each["id"] == port)
    entry.update(change)


NAMED: dict[str, tuple[Change, str, str]] = {
    "an index is off by one": (
        lambda d, o: o["cleaned_index"][1].__setitem__(0, 2),
        "wrong-input",
        "stack{instrument: Cam, exposure: 1001}.*'cleaned' has 'cleaned-Cam-1-1000' instead of 'cleaned-Cam-1-1001'",
    ),
    "an index is missing": (
        lambda d, o: o["cleaned_index"][0].pop(),
        "missing-input",
        "stack{instrument: Cam, exposure: 1000}.*'cleaned' lacks 'cleaned-Cam-0-1001'",
    ),
    "an index stands twice": (
        lambda d, o: o["cleaned_index"][0].append(0),
        "doubled-input",
        "exposure: 1000}.*'cleaned' has 'cleaned-Cam-0-1000' twice",
    ),
    "an index is beyond the pool": (
        lambda d, o: o["dark_index"][0].append(7),
        "wrong-type",
        "main/regroup_dark.*in item 0: in item 2: nothing",
    ),
    "members are swapped": (
        lambda d, o: o["cleaned_index"].reverse(),
        "wrong-input",
        "exposure: 1000}.*'cleaned' has 'cleaned-Cam-1-1001' instead of",
    ),
    "a quantum is missing": (
        lambda d, o: (o["isr"][0].pop(), o["clean"][0].pop()),
        "missing-quantum",
        "isr{instrument: Cam, detector: 0, exposure: 1001}",
    ),
    "a quantum is doubled": (
        lambda d, o: (o["isr"][0].append(o["isr"][0][0]), o["clean"][0].append(o["clean"][0][0])),
        "doubled-quantum",
        "isr{detector: 0, exposure: 1000, instrument: Cam}",
    ),
    "arrays differ in length": (
        lambda d, o: o["clean"][1].pop(),
        "unequal-scatter",
        "detector/image.*'isr' has 2, 'clean' has 1",
    ),
    "a data id is another": (
        lambda d, o: o["combine"][0]["data_id"].update(detector=7),
        "extra-quantum",
        "combine{detector: 7, instrument: Cam}",
    ),
    "a data id is changed on the command line only": (
        lambda d, o: replace(
            node(d, "combine"), "arguments", "detector=$(inputs._quantum.data_id.detector)", "detector=1"
        ),
        "disagreeing-data-id",
        "the record says detector=0",
    ),
    "a dimension is missing on the command line": (
        lambda d, o: node(d, "combine")["arguments"].pop(),
        "disagreeing-data-id",
        "combine.*of detector, instrument",
    ),
    "the command line runs another task": (
        lambda d, o: replace(node(d, "clean"), "arguments", "clean", "isr"),
        "disagreeing-label",
        "says 'clean', the command line 'isr'",
    ),
    "the command line has an option more": (
        lambda d, o: node(d, "clean")["arguments"].insert(2, "--force"),
        "wrong-command",
        "clean.*--force",
    ),
    "another program runs": (
        lambda d, o: o["_runner"].update(location="runtime/other.py"),
        "wrong-runtime",
        "'other.py'",
    ),
    "an output has another name": (
        lambda d, o: o["isr"][0][1]["outputs"].update(image="image-Cam-0-1002"),
        "wrong-output",
        "isr{instrument: Cam, detector: 0, exposure: 1001}.*'image' has 'image-Cam-0-1002' instead of",
    ),
    "two outputs are swapped between quanta": (
        lambda d, o: [o["isr"][0][i]["outputs"].update(image=f"image-Cam-0-{1001 - i}") for i in (0, 1)],
        "wrong-output",
        "exposure: 1000}.*'image-Cam-0-1001' instead of 'image-Cam-0-1000'",
    ),
    "one of several outputs is missing": (
        lambda d, o: o["stack"][0]["outputs"]["stacked"].pop(),
        "missing-output",
        "'stacked' lacks 'stacked-Cam-1-1000'",
    ),
    "a log is not handed on": (
        lambda d, o: node(d, "combine")["outputs"].pop("_log"),
        "malformed-workflow",
        "combine.*_log",
    ),
    "a record has another name": (
        lambda d, o: o["clean"][0][0]["outputs"].update(_record="clean_record"),
        "wrong-record",
        "'clean_record', not 'clean_record-Cam-0-1000'",
    ),
    "an overall input is that of another quantum": (
        lambda d, o: o["isr"][0][0]["inputs"].update(bias=o["isr"][1][0]["inputs"]["bias"]),
        "wrong-input",
        r"exposure: 1000}.*'bias' has 'bias-Cam-1\+u.*' instead of 'bias-Cam-0\+u",
    ),
    "an overall input is elsewhere": (
        lambda d, o: o["isr"][0][0]["inputs"]["raw"].update(location="inputs/store/raw_0_1001.json"),
        "wrong-location",
        "raw-Cam-0-1000.*'inputs/store/raw_0_1001.json', the graph says 'inputs/store/raw_0_1000.json'",
    ),
    "an overall input has another size": (
        lambda d, o: o["isr"][0][0]["inputs"]["raw"].update(size=1),
        "wrong-size",
        "raw-Cam-0-1000.*1 bytes, the graph says 1100",
    ),
    "an overall input stands for a dataset that is made": (
        lambda d, o: o["old_schema"].update(basename="schema"),
        "wrong-input",
        "the init job has 'schema' instead of",
    ),
    "a file is not staged": (
        lambda d, o: node(d, "isr")["requirements"][0]["listing"].remove("$(inputs._quantum.inputs.bias)"),
        "unstaged-input",
        "isr.*connection 'bias'",
    ),
    "a file too many is staged": (
        lambda d, o: node(d, "isr")["requirements"][0]["listing"].append("$(inputs._graph)"),
        "extra-staged",
        r"isr.*\$\(inputs._graph\)",
    ),
    "a file is staged under another name": (
        lambda d, o: node(d, "clean")["requirements"][0].update(
            listing=[{"entry": "$(inputs.image)", "entryname": "x"}]
        ),
        "unsupported-cwl",
        "clean.*record of entry, entryname",
    ),
    "a scatter port is dropped": (
        lambda d, o: step(d, "stack")["scatter"].remove("dark"),
        "wrong-type",
        "stack.*'dark'.*an array of 2 where File is declared",
    ),
    "the scatter is another product": (
        lambda d, o: step(d, "stack").update(scatterMethod="flat_crossproduct"),
        "unsupported-cwl",
        "'flat_crossproduct' in step 'main/stack'",
    ),
    "a link is dropped": (
        lambda d, o: step(d, "stack")["in"].pop(),
        "malformed-workflow",
        "'dark'",
    ),
    "a link comes from elsewhere": (
        lambda d, o: step(d, "regroup_dark")["in"].update(pool="detector/cleaned"),
        "wrong-input",
        "exposure: 1000}.*connection 'dark' has 'cleaned-Cam-0-1000', 'cleaned-Cam-0-1001' instead of",
    ),
    "a link has a default": (
        lambda d, o: feed(step(d, "stack"), "dark", default=[]),
        "unsupported-cwl",
        "default on a linked port",
    ),
    "a link has an expression": (
        lambda d, o: feed(step(d, "stack"), "dark", valueFrom="$(self)"),
        "unsupported-cwl",
        "'valueFrom' in input 'dark' of step 'main/stack'",
    ),
    "a step is conditional": (
        lambda d, o: step(d, "stack").update(when="$(true)"),
        "unsupported-cwl",
        "'when' in step 'main/stack'",
    ),
    "a result is no output": (
        lambda d, o: node(d, "main")["outputs"].pop("dark"),
        "missing-result",
        "'dark-Cam-0' of combine{detector: 0, instrument: Cam}",
    ),
    "a result is an output twice": (
        lambda d, o: node(d, "main")["outputs"].update(again={"type": "Any", "outputSource": "detector/dark"}),
        "doubled-result",
        "main/again.*'dark-Cam-0'",
    ),
    "an input is an output": (
        lambda d, o: node(d, "main")["outputs"].update(again={"type": "Any", "outputSource": "old_schema"}),
        "extra-result",
        "main/again.*'old_schema",
    ),
    "the init job does not run": (
        lambda d, o: (
            node(d, "main")["steps"].pop(0),
            node(d, "main")["outputs"].pop("init"),
            step(d, "detector")["in"].update(schema="old_schema"),
        ),
        "missing-quantum",
        "does not run the init job, which makes 'isr_config', 'packages', 'schema'",
    ),
    "the init job runs twice": (
        lambda d, o: node(d, "main")["steps"].append({**step(d, "_init"), "id": "again"}),
        "doubled-quantum",
        "the init job 2 times",
    ),
    "the job order has a value more": (
        lambda d, o: o.update(more=1),
        "extra-value",
        "'more' is no input",
    ),
    "the job order has a file more": (
        lambda d, o: (
            node(d, "main")["inputs"].update(more="File"),
            o.update(more={"class": "File", "location": "inputs/x"}),
        ),
        "extra-file",
        "job.json: x.*no quantum takes it",
    ),
    "an expression throws": (
        lambda d, o: node(d, "regroup").update(expression="${ throw new Error('no'); }"),
        "expression-failed",
        "main/regroup_cleaned.*no",
    ),
    "an expression renames files": (
        lambda d, o: node(d, "regroup").update(
            expression="${ inputs.pool[0][0].basename = 'x'; return {members: inputs.pool}; }"
        ),
        "expression-failed",
        "makes or renames a File",
    ),
    "an expression mixes them up": (
        lambda d, o: node(d, "regroup").update(expression="$({members: inputs.pool})"),
        "unequal-scatter",
        "main/stack.*'cleaned' has 2, 'dark' has 1",
    ),
    "a regroup is another than its hint promises": (
        lambda d, o: node(d, "regroup").update(
            hints={"rubin:Regroup": {}}, expression="$({members: inputs.index.map(function () { return []; })})"
        ),
        "disagreeing-regroup",
        "main/regroup_cleaned.*promises",
    ),
    "steps wait for each other": (
        lambda d, o: step(d, "detector")["in"].update(combine="stack/stacked"),
        "malformed-workflow",
        "wait for each other",
    ),
    "a workflow runs itself": (
        lambda d, o: node(d, "image")["steps"]["isr"].update(run="#detector"),
        "malformed-workflow",
        "'detector' runs itself",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_it_is_caught_and_named_that(name: str) -> None:
    change, code, text = NAMED[name]
    document, order = by_hand.document(), by_hand.job_order()
    change(document, order)
    found = certify(document, order, by_hand.graph())
    assert not found.proved
    assert found.counts[code], [str(each) for each in found.findings]
    told = [str(each) for each in found.findings if each.code == code]
    assert any(re.search(text, each) for each in told), told


def caught(
    document: dict[str, Any], order: dict[str, Any], graph: QuantumGraph, picked: list[tuple[str, str, Path]]
) -> None:
    """Assert that each of the changes is caught, unless it is harmless."""
    whole = {"document": document, "order": order}
    for where, kind, path in picked:
        changed = {**whole, where: mutate(whole[where], kind, path)}
        found = certify(changed["document"], changed["order"], graph)
        text = ".".join(map(str, path))
        hint = at(whole[where], path)
        resource = isinstance(hint, dict) and hint.get("class") == "ResourceRequirement"
        assert found.findings or HARMLESS.search(text) or resource, (where, kind, path)
        assert found.proved or found.findings


ODD: list[Any] = [
    None,
    3,
    -1,
    2.5,
    "x",
    "",
    True,
    [],
    {},
    [[]],
    {"a": 1},
    [{"id": "q"}],
    {"class": "File"},
    "${1}",
    "#isr",
]


def test_whatever_stands_anywhere_is_a_finding_and_no_crash() -> None:
    random = Random(7)
    for where in ("document", "order"):
        for _ in range(100):
            whole = {"document": by_hand.document(), "order": by_hand.job_order()}
            path = random.choice(list(nodes(whole[where])))
            at(whole[where], path[:-1])[path[-1]] = copy.deepcopy(random.choice(ODD))
            found = certify(whole["document"], whole["order"], by_hand.graph(), find_node=lambda: None)
            assert not found.proved


def every(document: dict[str, Any], order: dict[str, Any]) -> list[tuple[str, str, Path]]:
    found = [("document", *each) for each in mutants(document)] + [("order", *each) for each in mutants(order)]
    Random(0).shuffle(found)
    return found


def test_any_change_of_any_node_is_caught() -> None:
    document, order = by_hand.document(), by_hand.job_order()
    caught(document, order, by_hand.graph(), every(document, order)[:200])


@pytest.mark.exhaustive
def test_each_change_of_each_node_is_caught() -> None:
    document, order = by_hand.document(), by_hand.job_order()
    caught(document, order, by_hand.graph(), every(document, order))
    for graph in (dark(2, 2), single_frame(2, 2), tract(2, 2, 2, 2)):
        made = translate(graph)
        caught(made.document, made.job_order, graph, every(made.document, made.job_order))


def without_read(graph: QuantumGraph, edge: int) -> QuantumGraph:
    start = graph.reads.start - (graph.reads.start > edge)
    reads = Edges(start, np.delete(graph.reads.dataset, edge), np.delete(graph.reads.connection, edge))
    return dataclasses.replace(graph, reads=reads)


def with_read(graph: QuantumGraph, edge: int, dataset: int) -> QuantumGraph:
    start = graph.reads.start + (graph.reads.start > edge)
    connection = np.insert(graph.reads.connection, edge, graph.reads.connection[edge])
    return dataclasses.replace(graph, reads=Edges(start, np.insert(graph.reads.dataset, edge, dataset), connection))


def with_other(graph: QuantumGraph, edge: int, dataset: int, side: str = "reads") -> QuantumGraph:
    edges: Edges = getattr(graph, side)
    changed = edges.dataset.copy()
    changed[edge] = dataset
    return dataclasses.replace(graph, **{side: Edges(edges.start, changed, edges.connection)})


def of_type(graph: QuantumGraph, edge: int, *, read: bool) -> list[int]:
    """Datasets of the type at an edge that are not at the same quantum."""
    quantum = int(np.searchsorted(graph.reads.start, edge, side="right")) - 1
    here = set(graph.reads.dataset[graph.reads.of(quantum)].tolist())
    kind = graph.dataset_type_of[graph.reads.dataset[edge]]
    return [d for d in range(graph.n_datasets) if graph.dataset_type_of[d] == kind and d not in here]


@pytest.fixture(scope="module", params=[by_hand.graph, lambda: tract(2, 2, 2, 2)], ids=["by hand", "tract"])
def right(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any], QuantumGraph]:
    graph: QuantumGraph = request.param()
    made = translate(graph)
    assert certify(made.document, made.job_order, graph).proved
    return made.document, made.job_order, graph


Right = tuple[dict[str, Any], dict[str, Any], QuantumGraph]


def test_an_edge_dropped_from_the_graph_is_caught(right: Right) -> None:
    document, order, graph = right
    for edge in range(0, len(graph.reads.dataset), 3):
        found = certify(document, order, without_read(graph, edge))
        assert found.counts["extra-input"] == 1, found.findings


def test_an_edge_added_to_the_graph_is_caught(right: Right) -> None:
    document, order, graph = right
    for edge in range(0, len(graph.reads.dataset), 3):
        for dataset in of_type(graph, edge, read=True)[:2]:
            found = certify(document, order, with_read(graph, edge, dataset))
            assert found.counts["missing-input"] == 1, found.findings


def test_an_edge_of_the_graph_that_leads_elsewhere_is_caught(right: Right) -> None:
    document, order, graph = right
    for edge in range(0, len(graph.reads.dataset), 3):
        for dataset in of_type(graph, edge, read=True)[:2]:
            found = certify(document, order, with_other(graph, edge, dataset))
            assert found.counts["wrong-input"] == 1, found.findings


def test_two_outputs_swapped_in_the_graph_are_caught(right: Right) -> None:
    document, order, graph = right
    kinds = graph.dataset_type_of[graph.writes.dataset]
    one = 0
    (others,) = np.nonzero(kinds == kinds[one])
    two = int(others[-1])
    assert two != one
    a, b = graph.writes.dataset[one], graph.writes.dataset[two]
    found = certify(document, order, with_other(with_other(graph, one, b, "writes"), two, a, "writes"))
    assert found.counts["wrong-output"] == 2, found.findings


def test_a_data_id_changed_in_the_graph_is_caught(right: Right) -> None:
    document, order, graph = right
    for t, codes in enumerate(graph.quantum_codes):
        changed = codes.copy()
        column = len(graph.tasks[t].dimensions) - 1
        changed[0, column] = (changed[0, column] + 1) % len(graph.vocabulary[graph.tasks[t].dimensions[column]])
        other = tuple(changed if i == t else each for i, each in enumerate(graph.quantum_codes))
        found = certify(document, order, dataclasses.replace(graph, quantum_codes=other))
        assert not found.proved
        assert {"extra-quantum", "missing-quantum", "ambiguous-quantum"} & set(found.counts)


def test_a_file_of_the_datastore_that_moved_is_caught(right: Right) -> None:
    document, order, graph = right
    for change, code in (({"path": "other/place"}, "wrong-location"), ({"size": 1}, "wrong-size")):
        number, file = next(iter(graph.files.items()))
        moved = {**graph.files, number: dataclasses.replace(file, **change)}
        found = certify(document, order, dataclasses.replace(graph, files=Files.of(moved)))
        assert list(found.counts) == [code], found.findings


def test_findings_of_one_kind_are_told_up_to_a_limit() -> None:
    graph = dark(4, 10)
    made = translate(graph)
    order = copy.deepcopy(made.job_order)
    for rows in next(order[name] for name in order if name.startswith("isr")):
        for each in rows:
            each["inputs"]["raw"]["location"] += "x"
    found = certify(made.document, order, graph)
    told = [str(each) for each in found.findings if each.code == "wrong-location"]
    assert len(told) == 21
    assert told[-1] == "error[wrong-location]: and 20 more findings of this kind"
    assert found.to_json()["findings"]["wrong-location"] == 40
