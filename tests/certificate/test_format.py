"""What is written down about a certificate follows its schemas, and two texts of one input give one certificate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from compiler.certificate import canonical, certify, read_folder
from compiler.diagnostics import CompileError
from compiler.schema_files import schema
from compiler.translate import translate
from tests.certificate import by_hand
from tests.shapes import dark, tract


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
        form = canonical.GraphForm(graph)
        quanta = map(form.quantum, form.order())
        lines = list(canonical.lines(form.init(), quanta, form.given()))
        for line in lines:
            check.validate(line)
        assert lines[0] == {"kind": "canonical", "version": 1}
        assert len(lines) == 1 + (form.init() is not None) + graph.n_quanta + len(form.given())


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
