"""What is written down about a certificate follows its schemas, and two texts of one input give one certificate."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from compiler.certificate import canonical, certify, read_folder
from compiler.certificate.quanta import GraphForm
from compiler.diagnostics import CompileError
from compiler.rubin import DatasetType, GraphBuilder, QuantumGraph
from compiler.rubin.files import Files
from compiler.rubin.graph import Edges
from compiler.rubin.ids import GivenIds
from compiler.translate import translate
from schemas import schema
from tests.certificate import by_hand
from tests.shapes import dark, tract
from tests.strategies import build_graph, graph_shapes


def validator(name: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema(name))
    return Draft202012Validator(schema(name))


def test_certificates_follow_their_schema() -> None:
    check = validator("certificate")
    right = certify(by_hand.document(), by_hand.job_order(), by_hand.graph())
    wrong = certify(by_hand.document(), {**by_hand.job_order(), "more": 1}, by_hand.graph())
    unread = certify({"cwlVersion": "v1.2"}, {}, by_hand.graph())
    for each in (right, wrong, unread):
        check.validate(each.to_json())


def test_every_line_of_the_canonical_form_follows_its_schema() -> None:
    check = validator("canonical_graph")
    for graph in (by_hand.graph(), tract(2, 2, 2, 2)):
        lines = list(canonical.GraphColumns(graph).lines())
        for line in lines:
            check.validate(line)
        assert lines[0] == {"kind": "canonical", "version": canonical.VERSION}
        kinds = Counter(line["kind"] for line in lines)
        assert kinds["init"] == bool(graph.init_made)
        assert kinds["quanta"] == len(graph.tasks)
        assert sum(line["count"] for line in lines if line["kind"] == "quanta") == graph.n_quanta


def test_the_canonical_form_can_be_made_from_what_the_documentation_says() -> None:
    """Columns of the small graph, spelled out."""
    lines = list(canonical.GraphColumns(by_hand.graph()).lines())
    by_name = {line.get("type") or line.get("label") or line.get("name"): line for line in lines}

    def numbers(*values: int) -> str:
        return "sha256:" + hashlib.sha256(struct.pack(f"<{len(values)}q", *values)).hexdigest()

    def texts(*values: str) -> str:
        return "sha256:" + hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()

    assert by_name["exposure"]["values"] == ["1000", "1001"]
    bias = by_name["bias"]
    assert bias["data_ids"] == {"instrument": numbers(0, 0), "detector": numbers(0, 1)}
    assert bias["ids"] == numbers(*(int(by_hand.tail(f"bias({d},)")[2:], 16) for d in (0, 1)))
    assert bias["locations"] == texts("inputs/store/bias_0.json", "inputs/store/bias_1.json")
    assert bias["sizes"] == numbers(100, 101)
    made = by_name["image"]
    assert (made["count"], made["ids"], made["locations"], made["sizes"]) == (4, numbers(*[-1] * 4), texts(), numbers())
    counts = [line["count"] for line in lines if line["kind"] == "datasets"]
    types = [line["type"] for line in lines if line["kind"] == "datasets"]
    assert types == sorted(types)
    first = {name: sum(counts[: types.index(name)]) for name in types}
    isr = by_name["isr"]
    assert isr["inputs"]["bias"] == {
        "counts": numbers(1, 1, 1, 1),
        "datasets": numbers(*(first["bias"] + d for d in (0, 0, 1, 1))),
    }
    combined = by_name["combine"]["inputs"]["cleaned"]
    assert combined == {"counts": numbers(2, 2), "datasets": numbers(*(first["cleaned"] + i for i in range(4)))}
    assert [*by_name["clean"]["init_inputs"].items()] == [("inSchema", ["schema"])]


def changed(graph: QuantumGraph, side: str, change: Callable[[Edges], Edges]) -> QuantumGraph:
    return dataclasses.replace(graph, **{side: change(getattr(graph, side))})


def with_edge(edges: Edges) -> Edges:
    start = edges.start + (np.arange(len(edges.start)) > 0)
    return Edges(start, np.insert(edges.dataset, 0, edges.dataset[-1]), np.insert(edges.connection, 0, 0))


def other(edges: Edges, column: str) -> Edges:
    values = getattr(edges, column).copy()
    values[0], values[-1] = values[-1], values[0]
    return dataclasses.replace(edges, **{column: values})


def files(graph: QuantumGraph, **change: Any) -> QuantumGraph:
    number, file = next(iter(graph.files.items()))
    return dataclasses.replace(graph, files=Files.of({**graph.files, number: dataclasses.replace(file, **change)}))


def replaced(graph: QuantumGraph, which: str, **change: Any) -> QuantumGraph:
    first, *rest = getattr(graph, which)
    return dataclasses.replace(graph, **{which: (dataclasses.replace(first, **change), *rest)})


def other_ids(graph: QuantumGraph) -> QuantumGraph:
    ids = np.array([each[::-1] for each in graph.dataset_ids.tolist()], dtype="V16")
    return dataclasses.replace(graph, given_dataset_ids=GivenIds(np.arange(len(ids), dtype=np.int32), ids))


CHANGES: dict[str, Callable[[QuantumGraph], QuantumGraph]] = {
    "a dataset more is read": lambda g: changed(g, "reads", with_edge),
    "an edge is on another connection": lambda g: changed(g, "reads", lambda e: other(e, "connection")),
    "another dataset is read": lambda g: changed(g, "reads", lambda e: other(e, "dataset")),
    "a file is elsewhere": lambda g: files(g, path="elsewhere"),
    "a file is longer": lambda g: files(g, size=7),
    "a task has another label": lambda g: replaced(g, "tasks", label="other"),
    "a dataset type has another name": lambda g: replaced(g, "dataset_types", name="aaa"),
    "a value is another": lambda g: dataclasses.replace(g, vocabulary={**g.vocabulary, "detector": (0, 7)}),
    "an existing dataset has another id": other_ids,
    "nothing is initialised": lambda g: dataclasses.replace(g, init=()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_graph_has_another_hash(name: str) -> None:
    one = by_hand.graph()
    assert canonical.GraphColumns(CHANGES[name](one)).digest() != canonical.GraphColumns(one).digest()


@given(graph_shapes(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_names_of_a_column_are_those_that_datasets_travel_under(shape: Any, random: Random) -> None:
    graph = build_graph(shape, random)
    assert canonical.GraphColumns(graph).names(np.arange(graph.n_datasets)) == GraphForm(graph).names


def test_names_of_a_column_are_cut_as_those_of_one_dataset() -> None:
    builder = GraphBuilder()
    builder.add_dataset_type(DatasetType("t" * 90, ("a", "b")))
    for length in (1, 60, 120, 210):
        builder.add_dataset("t" * 90, ("x" * length, "y-" * (length // 2)), "run")
    graph = builder.finish()
    assert canonical.GraphColumns(graph).names(np.arange(4)) == GraphForm(graph).names


def test_a_folder_proves_again_what_was_compiled(tmp_path: Path) -> None:
    graph = dark()
    made = translate(graph)
    (tmp_path / "workflow.cwl").write_text(made.document_text())
    (tmp_path / "job.json").write_bytes(made.job_order_bytes())
    document, order = read_folder(tmp_path)
    assert certify(document, order, graph).to_json() == certify(made.document, made.job_order, graph).to_json()


def test_yaml_and_json_of_one_input_are_one(tmp_path: Path) -> None:
    (tmp_path / "workflow.cwl").write_text(yaml.safe_dump(by_hand.document()))
    (tmp_path / "job.json").write_text(yaml.safe_dump(by_hand.job_order()))
    assert read_folder(tmp_path) == (by_hand.document(), by_hand.job_order())


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, "missing-file", "no such file"),
        (b"", "corrupt-file", "NoneType"),
        (b"[1, 2]", "corrupt-file", "list"),
        (b'{"a": ', "corrupt-file", "neither JSON nor YAML"),
        (b"a: [b", "corrupt-file", ":1:"),
        (b"a: 1\nb: 2\na: 3\n", "corrupt-file", "'a' stands twice"),
        (b'{"a": 1, "a": 2}', "corrupt-file", "twice"),
        (b"\xff\xfe", "corrupt-file", "UTF-8"),
        (b"[" * 5000, "corrupt-file", "job.json"),
        (b"{1: 2}", "corrupt-file", "no string"),
        (b"? [a]\n: 1", "corrupt-file", "job.json"),
        (b"a: !!python/object:os.system {}", "corrupt-file", "job.json"),
        (b"PK\x03\x04\x00\x00", "corrupt-file", "job.json"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(text: bytes | None, code: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "workflow.cwl").write_text("cwlVersion: v1.2")
    if text is not None:
        (tmp_path / "job.json").write_bytes(text)
    with pytest.raises(CompileError) as caught:
        read_folder(tmp_path)
    (finding,) = caught.value.findings
    assert finding.code == code
    assert said in str(finding)


def test_yaml_is_read_as_engines_read_it(tmp_path: Path) -> None:
    text = "{a: on, b: 2026-01-01, c: 010x, d: 12, e: -3, f: 1.5, g: null, h: , i: true, j: '1', k: 1:30, l: 1e3}"
    (tmp_path / "workflow.cwl").write_text(text.replace("{", "").replace("}", "").replace(", ", "\n"))
    (tmp_path / "job.json").write_text("{}")
    expected: dict[str, Any] = {"a": "on", "b": "2026-01-01", "c": "010x", "d": 12, "e": -3, "f": 1.5}
    expected |= {"g": None, "h": None, "i": True, "j": "1", "k": "1:30", "l": 1000.0}
    assert read_folder(tmp_path)[0] == expected


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"cwlVersion": "v1.1", "$graph": []},
        {"cwlVersion": "v1.2", "$graph": 3},
        {"cwlVersion": "v1.2", "$graph": [{"id": "main"}]},
        {"cwlVersion": "v1.2", "$graph": [{"id": "main", "class": "Workflow"}, {"id": "#main", "class": "Workflow"}]},
        {"cwlVersion": "v1.2", "$graph": [{"id": "main", "class": "Workflow", "steps": 3}]},
        {"cwlVersion": "v1.2", "$graph": [{"id": "main", "class": "Workflow", "inputs": [[]]}]},
        {"cwlVersion": "v1.2", "$graph": [{"id": "main", "class": "CommandLineTool", "arguments": {"a": 1}}]},
        {"cwlVersion": "v1.2", "$import": "other.cwl"},
    ],
    ids=json.dumps,
)
def test_what_is_no_workflow_is_a_finding(document: dict[str, Any]) -> None:
    found = certify(document, {}, by_hand.graph())
    assert not found.proved
    assert {each.code for each in found.findings} <= {"malformed-workflow", "unsupported-cwl", "wrong-command"}


def test_a_job_order_nested_without_end_is_a_finding() -> None:
    value: Any = []
    for _ in range(600):
        value = [value]
    found = certify(by_hand.document(), {**by_hand.job_order(), "isr": value}, by_hand.graph())
    assert found.findings
    assert {"malformed-job-order", "wrong-type"} & set(found.counts)


def test_an_empty_workflow_lacks_every_quantum() -> None:
    document = {"cwlVersion": "v1.2", "$graph": [{"id": "main", "class": "Workflow"}]}
    found = certify(document, {}, by_hand.graph())
    assert found.counts["missing-quantum"] == by_hand.graph().n_quanta + 1
