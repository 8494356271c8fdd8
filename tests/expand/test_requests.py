"""What tools say of requests, clusters and shards, and the names that they make themselves."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from compiler.diagnostics import CompileError
from compiler.expand import expand
from compiler.jobs import Job, JobGraph, Request
from tests.expand.small_dark import document, job_order

CLUSTER = {"class": "rubin:Cluster", "name": "chain", "number": "$(inputs._quantum.cluster)"}


def job(graph: JobGraph, id: str) -> Job:
    return graph.job(graph.ids.index(id))


def numbered(order: dict[str, Any], combine: int = -1) -> dict[str, Any]:
    """The job order with a cluster for each detector's isr and cpDark."""
    order = copy.deepcopy(order)
    for tool in ("isr", "cp_dark"):
        for detector, records in enumerate(order[tool]):
            for record in records:
                record["cluster"] = detector
    for record in order["combine"]:
        record["cluster"] = combine
    return order


def clustered(order: dict[str, Any], **more: Any) -> JobGraph:
    return expand(document(patterns=True, hints=[CLUSTER]), order, **more)


def codes(document: dict[str, Any], order: dict[str, Any]) -> set[str]:
    with pytest.raises(CompileError) as caught:
        expand(document, order)
    return {each.code for each in caught.value.findings}


def test_names_that_the_document_says_once_are_those_that_records_say_one_by_one() -> None:
    by_pattern = expand(document(patterns=True), job_order(3, 2, patterns=True))
    by_record = expand(document(), job_order(3, 2))
    assert by_pattern.files.names == by_record.files.names
    assert list(by_pattern.jobs()) == list(by_record.jobs())


def test_a_pattern_means_the_text_of_a_value_even_if_a_name_would_escape_it() -> None:
    graph = expand(document(patterns=True), job_order(1, 1, "My Cam", patterns=True))
    assert "isr-My+20Cam-0-1000" in graph.ids
    assert "isr_out-My Cam-0-1000" in graph.files.names


def test_hints_become_requests() -> None:
    hints = [
        {"class": "ToolTimeLimit", "timelimit": 60},
        {"class": "urn:rubincwl:Retry", "count": 2, "unlessExit": [1, 2], "memoryMultiplier": 2, "memoryMaxMiB": 9000},
        {
            "class": "rubin:Job",
            "priority": 7,
            "queue": "long",
            "accountingGroup": "drp",
            "accountingUser": "me",
            "preemptible": False,
            "environment": {"B": "2", "A": 1},
            "gpus": 1,
        },
    ]
    graph = expand(document(patterns=True, hints=hints), job_order(1, 1, patterns=True))
    assert job(graph, "combine-MockCam-0").request == Request(
        memory_mib=3000,
        walltime_s=60,
        gpus=1,
        retries=2,
        unless_exit=(1, 2),
        memory_multiplier=2.0,
        memory_max_mib=9000,
        priority=7,
        queue="long",
        accounting_group="drp",
        accounting_user="me",
        preemptible=False,
        environment=(("A", "1"), ("B", "2")),
    )
    assert job(graph, "_init").request == Request()


def test_what_varies_stands_in_the_records_and_makes_few_kinds() -> None:
    hints = [{"class": "ResourceRequirement", "ramMin": "$(inputs._quantum.request.memory_mib)", "tmpdirMin": 0.5}]
    order = job_order(2, 2, patterns=True)
    for tool in ("isr", "cp_dark"):
        for record in (each for row in order[tool] for each in row):
            record["request"] = {"memory_mib": 4000 + record["data_id"]["exposure"] % 2}
    for record in order["combine"]:
        record["request"] = {"memory_mib": None}
    graph = expand(document(patterns=True, hints=hints), order)
    asked = {id: (each.memory_mib, each.disk_mib) for id, each in ((j.id, j.request) for j in graph.jobs())}
    assert asked["isr-MockCam-1-1001"] == (4001, 1)
    assert asked["cp_dark-MockCam-0-1000"] == (4000, 1)
    assert asked["combine-MockCam-0"] == (Request().memory_mib, 1)
    assert len(graph.requests) == len(set(graph.requests)) == 4


def test_an_amount_that_is_none_is_a_finding() -> None:
    hints = [{"class": "ResourceRequirement", "ramMin": "plenty"}]
    assert codes(document(hints=hints), job_order()) == {"unsupported-expression"}


def test_a_step_asks_for_its_tool_and_the_tool_for_itself() -> None:
    graph = document()
    for process in graph["$graph"]:
        for step in process.get("steps", ()):
            if step["id"] in ("isr", "combine"):
                step["hints"] = [{"class": "ResourceRequirement", "ramMin": 5000, "coresMin": 1.5}]
        if process["id"] in ("isr", "combine"):
            process["hints"][1] = {"class": "ResourceRequirement", "coresMin": 4}
    jobs = expand(graph, job_order(1, 1))
    assert job(jobs, "combine-MockCam-0").request == Request(cores=4, memory_mib=5000)


def test_requirements_come_before_hints_and_no_time_limit_is_none() -> None:
    graph = document(hints=[{"class": "ToolTimeLimit", "timelimit": 0}])
    combine = next(process for process in graph["$graph"] if process["id"] == "combine")
    combine["requirements"] = {"ResourceRequirement": {"coresMin": 2, "ramMin": 2500.5}}
    jobs = expand(graph, job_order(1, 1))
    assert job(jobs, "combine-MockCam-0").request == Request(cores=2, memory_mib=2501)


def test_calls_of_one_cluster_are_one_job_whose_command_names_each() -> None:
    graph = clustered(numbered(job_order(2, 2, patterns=True)))
    assert graph.ids == ["_init", "chain-c0", "chain-c1", "combine-MockCam-0", "combine-MockCam-1"]
    one = job(graph, "chain-c1")
    assert one.command == (
        *("python3", "quantum_runner.pyz", "quanta", "--graph", "graph.qg", "--butler", "butler.yaml"),
        *("--task", "isr", "instrument=MockCam", "detector=1", "exposure=1000"),
        *("--task", "isr", "instrument=MockCam", "detector=1", "exposure=1001"),
        *("--task", "cpDark:v2", "instrument=MockCam", "detector=1", "exposure=1000"),
        *("--task", "cpDark:v2", "instrument=MockCam", "detector=1", "exposure=1001"),
    )
    assert [label for label, _ in one.quanta] == ["isr", "isr", "cpDark:v2", "cpDark:v2"]
    assert one.request.memory_mib == 2048


def test_what_passes_inside_a_cluster_is_a_result_unless_it_is_not_to_be_kept() -> None:
    def leaving(graph: JobGraph) -> set[str]:
        return {graph.files.names[n].partition("-")[0] for n in job(graph, "chain-c0").outputs}

    order = numbered(job_order(1, 2, patterns=True))
    always = {"cp_dark_out", "cp_dark_metadata", "isr_metadata", "isr_record", "cpDark+3av2_record"}
    assert leaving(clustered(order)) == always | {"isr_out"}
    assert leaving(clustered(order, keep=lambda label, port: False)) == always
    assert leaving(clustered(order, keep=lambda label, port: (label, port) == ("isr", "out"))) == always | {"isr_out"}


def test_each_cluster_may_carry_a_shard_of_the_graph() -> None:
    order = numbered(job_order(1, 2, patterns=True))
    for tool in ("isr", "cp_dark", "combine"):
        for detector, records in enumerate(order[tool]):
            for record in records if isinstance(records, list) else [records]:
                record["graph"] = {"class": "File", "location": f"runtime/shards/{detector}.qg"}
    graph = document(patterns=True, hints=[CLUSTER])
    for process in graph["$graph"]:
        if process["id"] in ("isr", "cp_dark", "combine"):
            process["inputs"] = [each for each in process["inputs"] if each["id"] != "_graph"]
            words = process["arguments"]
            words[words.index("$(inputs._graph.path)")] = "$(inputs._quantum.graph.path)"
        for step in process.get("steps", ()):
            if step["id"] in ("isr", "cp_dark", "combine"):
                step["in"] = [each for each in step["in"] if each["id"] != "_graph"]
    jobs = expand(graph, order)
    one = job(jobs, "chain-c1")
    assert one.command[3:5] == ("--graph", "1.qg")
    assert {jobs.files.names[n] for n in one.inputs} >= {"1.qg", "quantum_runner.pyz"}
    assert not {"0.qg", "graph.qg"} & {jobs.files.names[n] for n in one.inputs}
    order["isr"][1][0]["graph"] = order["isr"][0][0]["graph"]
    assert codes(graph, order) == {"unlike-cluster"}


def test_a_cluster_that_is_no_number_is_a_finding() -> None:
    order = numbered(job_order(1, 2, patterns=True))
    order["isr"][0][0]["cluster"] = "first"
    assert codes(document(patterns=True, hints=[CLUSTER]), order) == {"unsupported-expression"}


def test_only_quanta_are_clustered() -> None:
    tool = {
        "class": "CommandLineTool",
        "baseCommand": "touch",
        "hints": [{**CLUSTER, "number": 0}],
        "inputs": {"name": {"type": "string", "inputBinding": {}}},
        "outputs": {"out": {"type": "File", "outputBinding": {"glob": "$(inputs.name)"}}},
    }
    main = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "inputs": {"names": "string[]"},
        "outputs": [],
        "steps": {"make": {"run": tool, "scatter": "name", "in": {"name": "names"}, "out": ["out"]}},
    }
    assert [each.command for each in expand(main, {"names": ["a", "b"]}).jobs()] == [("touch", "a"), ("touch", "b")]


def test_data_ids_of_one_task_have_the_same_dimensions() -> None:
    order = job_order(2, 1)
    del order["isr"][0][1]["data_id"]["exposure"]
    assert codes(document(), order) == {"unsupported-expression"}
