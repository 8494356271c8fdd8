"""Expanding CWL: which jobs it makes, which files, which edges."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from compiler.diagnostics import CompileError, Findings
from compiler.expand import expand
from compiler.expand.columns import column_of
from compiler.expand.files import FileTable
from compiler.expand.references import Scope, UnsupportedError, compile_text
from compiler.jobs import Job, JobGraph
from tests.expand.small_dark import document, job_order


def job(graph: JobGraph, id: str) -> Job:
    return next(each for each in graph.jobs() if each.id == id)


def names(graph: JobGraph, places: tuple[int, ...]) -> set[str]:
    return {graph.files.names[place] for place in places}


def codes(document: dict[str, Any], order: dict[str, Any]) -> set[str]:
    with pytest.raises(CompileError) as caught:
        expand(document, order)
    return {each.code for each in caught.value.findings}


def test_every_quantum_becomes_one_job_and_init_another() -> None:
    graph = expand(document(), job_order(3, 4), "dark")
    assert graph.name == "dark"
    assert len(graph) == 3 * 4 * 2 + 4 + 1
    assert len(set(graph.ids)) == len(graph)
    assert job(graph, "_init").quanta == ()
    quantum = ("cpDark:v2", (("instrument", "MockCam"), ("detector", 1), ("exposure", 1002)))
    assert job(graph, "cp_dark-MockCam-1-1002").quanta == (quantum,)


def test_a_command_names_staged_files_by_their_base_names() -> None:
    graph = expand(document(), job_order())
    assert job(graph, "cp_dark-MockCam-1-1000").command == (
        *("python3", "quantum_runner.pyz", "quanta", "--graph", "graph.qg", "--butler", "butler.yaml"),
        *("--task", "cpDark:v2", "instrument=MockCam", "detector=1", "exposure=1000"),
    )


def test_inputs_are_all_files_of_the_input_object_and_outputs_what_the_globs_name() -> None:
    graph = expand(document(), job_order(2, 1))
    combine = job(graph, "combine-MockCam-0")
    runtime = {"quantum_runner.pyz", "graph.qg", "butler.yaml"}
    assert names(graph, combine.inputs) == runtime | {
        "dark_schema",
        "cp_dark_out-MockCam-0-1000",
        "cp_dark_out-MockCam-0-1001",
    }
    assert names(graph, combine.outputs) == {
        "combine_dark-MockCam-0",
        "combine_metadata-MockCam-0",
        "combine_record-MockCam-0",
    }
    assert combine.request.memory_mib == 3000


def test_edges_follow_from_files_and_producers_come_first() -> None:
    graph = expand(document(), job_order(2, 1))
    pairs = list(zip(graph.edges.item.tolist(), graph.edges.row.tolist(), strict=True))
    edges = {(graph.ids[a], graph.ids[b]) for a, b in pairs}
    assert edges == {
        ("isr-MockCam-0-1000", "cp_dark-MockCam-0-1000"),
        ("isr-MockCam-0-1001", "cp_dark-MockCam-0-1001"),
        ("cp_dark-MockCam-0-1000", "combine-MockCam-0"),
        ("cp_dark-MockCam-0-1001", "combine-MockCam-0"),
        ("_init", "combine-MockCam-0"),
    }
    assert all(earlier < later for earlier, later in pairs)


def test_files_carry_size_and_location_or_the_port_that_makes_them() -> None:
    graph = expand(document(), job_order(1, 1))
    by_name = {each.lfn: each for each in map(graph.file, range(len(graph.files)))}
    raw = by_name["raw-MockCam-0-1000+u0000000f4240"]
    assert (raw.size, raw.location, raw.port) == (508, "inputs/raw/all/raw_1000_0.json", "")
    made = by_name["combine_record-MockCam-0"]
    assert (made.size, made.location, made.port) == (None, None, "_record")
    assert len(by_name) == len(graph.files)


def test_ids_written_out_by_a_loader_mean_the_same() -> None:
    plain = expand(document(), job_order(2, 2))

    def long(value: Any, scope: str = "") -> Any:
        if isinstance(value, list):
            return [long(each, scope) for each in value]
        if not isinstance(value, dict):
            return value
        inner = f"{scope}/{value['id']}" if scope and "id" in value else value.get("id", scope)
        out = {k: long(v, inner if "class" in value else scope) for k, v in value.items()}
        if "id" in value:
            out["id"] = "#" + inner
        for key in ("source", "outputSource"):
            if key in out:
                out[key] = f"#{scope}/{out[key]}"
        return out

    graph = document()
    graph["$graph"] = [long(each) for each in graph["$graph"]]
    assert list(expand(graph, job_order(2, 2)).jobs()) == list(plain.jobs())


def regroup_document(hinted: bool = True) -> dict[str, Any]:
    """Two makers; readers of members chosen by index lists."""
    out: dict[str, Any] = {
        "class": "ExpressionTool",
        "id": "regroup",
        "requirements": [{"class": "InlineJavascriptRequirement"}],
    }
    out |= {"inputs": {"pool": "Any", "index": "Any"}, "outputs": {"members": "Any"}, "expression": "${return 1;}"}
    if hinted:
        out["hints"] = [{"class": "rubin:Regroup"}]
    maker: dict[str, Any] = {
        "class": "CommandLineTool",
        "id": "make",
        "baseCommand": "touch",
        "arguments": ["$(inputs.name)"],
    }
    maker |= {
        "inputs": {"name": "string"},
        "outputs": {"out": {"type": "File", "outputBinding": {"glob": "$(inputs.name)"}}},
    }
    reader: dict[str, Any] = {"class": "CommandLineTool", "id": "read", "baseCommand": ["cat"], "outputs": []}
    reader |= {"inputs": {"files": {"type": "File[]", "inputBinding": {"position": 1, "prefix": "-n"}}}}
    main: dict[str, Any] = {
        "class": "Workflow",
        "id": "main",
        "inputs": {"names": "Any", "index": "Any"},
        "outputs": [],
        "steps": {
            "read": {"run": "#read", "in": {"files": "regroup/members"}, "scatter": "files", "out": []},
            "regroup": {"run": "#regroup", "in": {"pool": "make_all/out", "index": "index"}, "out": ["members"]},
            "make_all": {"run": "#nest", "in": {"names": "names"}, "scatter": "names", "out": ["out"]},
        },
    }
    nest: dict[str, Any] = {
        "class": "Workflow",
        "id": "nest",
        "inputs": {"names": "Any"},
        "outputs": {"out": {"type": "File[]", "outputSource": "make/out"}},
        "steps": {"make": {"run": "#make", "in": {"name": "names"}, "scatter": "name", "out": ["out"]}},
    }
    return {"cwlVersion": "v1.2", "$graph": [main, nest, maker, reader, out]}


REGROUP_ORDER = {"names": [["a", "b"], ["c"]], "index": [[2, 0], [1]]}


def test_our_regroup_picks_members_of_the_flattened_pool() -> None:
    graph = expand(regroup_document(), REGROUP_ORDER)
    readers = [each for each in graph.jobs() if each.tool == "read"]
    assert [each.command for each in readers] == [("cat", "-n", "c", "a"), ("cat", "-n", "b")]
    assert [names(graph, each.inputs) for each in readers] == [{"a", "c"}, {"b"}]
    assert len(set(graph.ids)) == 5


def test_an_index_out_of_range_is_found() -> None:
    assert codes(regroup_document(), {**REGROUP_ORDER, "index": [[3]]}) == {"index-out-of-range"}


def test_another_expression_tool_is_refused() -> None:
    assert codes(regroup_document(hinted=False), REGROUP_ORDER) == {"unsupported-expression"}


def test_link_merges_are_honoured() -> None:
    graph = regroup_document()
    main = graph["$graph"][0]
    main["inputs"]["more"] = "Any"
    main["steps"]["more"] = {"run": "#make", "in": {"name": "more"}, "out": ["out"]}
    main["steps"]["read"]["in"]["files"] = {"source": ["regroup/members", "more/out"], "linkMerge": "merge_flattened"}
    del main["steps"]["read"]["scatter"]
    order = {"names": [["a"]], "index": [0], "more": "z"}
    assert next(each for each in expand(graph, order).jobs() if each.tool == "read").command == ("cat", "-n", "a", "z")


def changed(**of_tool: Any) -> dict[str, Any]:
    graph = copy.deepcopy(document())
    tool = next(each for each in graph["$graph"] if each["id"] == "isr")
    tool.update(of_tool)
    return graph


@pytest.mark.parametrize(
    ("tool", "code"),
    [
        ({"arguments": ["${return 1;}"]}, "unsupported-expression"),
        ({"arguments": ["$(inputs._quantum.nothing)"]}, "unsupported-expression"),
        ({"stdout": "log.txt"}, "unsupported-stream"),
        ({"outputs": [{"id": "out", "type": "string", "outputBinding": {"glob": "x"}}]}, "unsupported-output"),
    ],
)
def test_what_a_job_cannot_express_is_a_finding(tool: dict[str, Any], code: str) -> None:
    assert codes(changed(**tool), job_order()) == {code}


def test_a_pattern_glob_is_refused() -> None:
    outputs = [{"id": "out", "type": "File", "outputBinding": {"glob": "*.fits"}}]
    assert codes(changed(outputs=outputs), job_order()) == {"unsupported-expression"}


def test_two_makers_of_one_file_are_found() -> None:
    order = job_order(2, 1)
    order["isr"][0][1]["outputs"]["out"] = order["isr"][0][0]["outputs"]["out"]
    assert codes(document(), order) == {"two-producers"}


def test_a_data_id_that_stands_twice_is_found() -> None:
    order = job_order(2, 1)
    order["isr"][0][1]["data_id"] = order["isr"][0][0]["data_id"]
    assert codes(document(), order) == {"duplicate-job"}


def test_two_locations_of_one_name_are_found() -> None:
    order = job_order(2, 1)
    order["isr"][0][1]["inputs"]["raw"]["basename"] = order["isr"][0][0]["inputs"]["raw"]["basename"]
    assert codes(document(), order) == {"name-clash"}


def test_a_missing_input_and_unlike_lengths_are_found() -> None:
    order = job_order(2, 1)
    del order["_graph"]
    assert codes(document(), order) == {"missing-input"}
    order = job_order(2, 1)
    order["isr"][0].pop()
    assert codes(document(), order) == {"scatter-mismatch"}


@pytest.mark.parametrize(
    "text", ["$(inputs.a + 1)", "${ return 1; }", "$(inputs['a'].map(f))", "$(parseInt(inputs.a))"]
)
def test_javascript_is_not_taken_for_a_reference(text: str) -> None:
    with pytest.raises(UnsupportedError):
        compile_text(text)


def test_references_and_escapes_are_evaluated_by_the_specification() -> None:
    inputs = {"a": ["x", 'y"z'], "b c": 3}
    scope = Scope(1, {key: column_of([value], FileTable(Findings())) for key, value in inputs.items()})

    def value(text: str) -> Any:
        return scope.evaluate(compile_text(text)).values(1)[0]

    assert value("$(inputs.a[1])") == 'y"z'
    assert value("$(inputs['b c'])") == 3
    assert value('n=$(inputs["b c"]) 5% \\$(inputs.a) $HOME') == "n=3 5% $(inputs.a) $HOME"
    assert value("$(inputs.a.length)") == 2
