"""The CWL document: what engines need of it, its size, and that it does not depend on accidents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.rubin import QuantumGraph
from compiler.translate import Workflow, translate
from tests.conftest import Golden
from tests.shapes import dark, shape, single_frame, tract
from tests.strategies import graphs

SHAPES = {"dark": dark, "single-frame": single_frame, "tract": tract}
GOLDEN = Path(__file__).parent.parent / "golden" / "translate"


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


def processes(workflow: Workflow, kind: str) -> list[dict[str, Any]]:
    return [each for each in nodes(workflow.document) if each.get("class") == kind]


@pytest.fixture(params=sorted(SHAPES))
def workflow(request: pytest.FixtureRequest) -> Workflow:
    return translate(SHAPES[request.param]())


@pytest.mark.parametrize("name", ["dark", "tract"])
def test_the_workflow_reads_as_it_did(name: str, golden: Golden) -> None:
    found = translate(SHAPES[name](), description=f"the {name} shape")
    (GOLDEN / name).mkdir(parents=True, exist_ok=True)
    golden.check(GOLDEN / name / "expected.cwl", found.document_text())
    golden.check(GOLDEN / name / "expected.json", found.job_order_bytes().decode())


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_document_grows_with_the_pipeline_and_not_with_the_graph(name: str) -> None:
    make: Any = SHAPES[name]
    few, many = ((2, 2), (30, 20)) if name != "tract" else ((4, 3), (20, 6))
    assert translate(make(*few)).document_text() == translate(make(*many)).document_text()


def chain(length: int) -> QuantumGraph:
    lines = [f"task{i:03}(visit, detector): made{i} -> made{i + 1}" for i in range(1, length)]
    return shape(
        "\n".join(["task000(visit, detector): raw[visit] -> made1", *lines]), {"visit": (1,), "detector": (1,)}
    )


def test_the_document_is_under_300_kb_for_20_tasks_and_6_kb_for_each_task_beyond() -> None:
    assert len(translate(chain(20)).document_text()) < 300_000
    assert len(translate(chain(120)).document_text()) < 300_000 + 100 * 6_000


def test_no_linked_port_is_optional_or_has_a_default(workflow: Workflow) -> None:
    ports = [port for each in nodes(workflow.document) for port in each.get("inputs", {}).values()]
    ports += [
        port for each in processes(workflow, "Workflow") for s in each["steps"].values() for port in s["in"].values()
    ]
    kinds = [port if isinstance(port, str) else json.dumps(port) for port in ports]
    assert kinds
    assert not [kind for kind in kinds if "null" in kind or "?" in kind or "default" in kind]


def test_javascript_stands_only_in_the_expression_tool_of_a_regroup(workflow: Workflow) -> None:
    for each in nodes(workflow.document):
        if any(r.get("class") == "InlineJavascriptRequirement" for r in each.get("requirements", [])):
            assert each["class"] == "ExpressionTool"
            assert set(each["inputs"]) == {"pool", "index"}
    everything_else = [each for each in workflow.document["$graph"] if each["class"] == "CommandLineTool"]
    assert "${" not in json.dumps(everything_else)
    assert len(processes(workflow, "ExpressionTool")) == len(workflow.regroups)


def test_a_container_is_named_only_on_request() -> None:
    graph = dark()
    assert "DockerRequirement" not in translate(graph).document_text()
    tools = processes(translate(graph, container="lsst/science:1"), "CommandLineTool")
    assert [{"class": "DockerRequirement", "dockerPull": "lsst/science:1"} in tool["hints"] for tool in tools] == [
        True
    ] * 3


def test_identifiers_are_those_that_every_engine_takes() -> None:
    graph = shape(
        """
        deblend-coadd(x): raw[x] -> one
        main(x): one -> two
        1st(x): two -> three
        """,
        {"x": (1, 2)},
    )
    found = translate(graph)
    names = {each["id"] for each in found.document["$graph"]}
    names |= {
        key
        for each in nodes(found.document)
        for part in ("inputs", "outputs", "steps", "in")
        for key in each.get(part, {})
    }
    assert [name for name in names if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)] == []
    labels = [
        hint["label"] for each in processes(found, "CommandLineTool") for hint in each["hints"] if "label" in hint
    ]
    assert labels == ["deblend-coadd", "main", "1st"]


def test_file_names_hold_only_characters_that_every_engine_takes() -> None:
    graph = shape("isr(filter): raw[filter] -> post", {"filter": ["r #57", "a/b", "é", "$HOME", "a'b", "x y"]})
    order = json.dumps(translate(graph).job_order)
    names = re.findall(r'"(?:basename|post|_log|_metadata|_record)": "([^"]*)"', order)
    assert len(names) == 30
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9._+-]+", name)] == []
    assert len(set(names)) == 30


def test_visits_beyond_32_bits_are_declared_long() -> None:
    graph = shape("isr(exposure): raw[exposure] -> post", {"exposure": (2025042500123,)})
    assert "exposure: long" in translate(graph).document_text()


def test_every_task_says_its_class_and_dimensions(workflow: Workflow) -> None:
    for tool in processes(workflow, "CommandLineTool"):
        assert tool["label"] == tool["id"]
        assert tool["doc"].startswith(f"test.{tool['id']}, a quantum for each ")


def test_cwl_utils_reads_the_document_back(workflow: Workflow, tmp_path: Path) -> None:
    from cwl_utils.parser import load_document_by_uri

    path = tmp_path / "workflow.cwl"
    path.write_text(workflow.document_text())
    loaded = load_document_by_uri(path)
    assert type(loaded).__name__ == "Workflow"
    called = {step.run for step in loaded.steps if isinstance(step.run, str)}
    assert called <= {f"{path.as_uri()}#{each['id']}" for each in workflow.document["$graph"]}


def test_cwltool_finds_the_document_valid(workflow: Workflow, tmp_path: Path) -> None:
    main = pytest.importorskip("cwltool.main").main
    path = tmp_path / "workflow.cwl"
    path.write_text(workflow.document_text())
    assert main(["--quiet", "--validate", str(path)]) == 0


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_any_graph_becomes_a_document_of_a_tool_a_task(graph: QuantumGraph) -> None:
    found = translate(graph)
    tools = [each for each in processes(found, "CommandLineTool") if each["id"] != "_init"]
    assert sorted(tool["label"] for tool in tools) == sorted(task.label for task in graph.tasks)
    assert found.document_text() == translate(graph).document_text()
    assert found.job_order_bytes() == translate(graph).job_order_bytes()
