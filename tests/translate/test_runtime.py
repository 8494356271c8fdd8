"""What quanta ask for, which run together and what they carry, as the document and the job order say it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiler.analysis.requests import Clustering, Request, Requests
from compiler.diagnostics import CompileError
from compiler.rubin import QuantumGraph
from compiler.translate import translate
from compiler.translate.plan import Runtime
from tests.shapes import dark, shape


def tool(document: dict[str, Any], id: str) -> dict[str, Any]:
    return next(each for each in document["$graph"] if each["id"] == id)


def hint(document: dict[str, Any], id: str, name: str) -> dict[str, Any] | None:
    return next((each for each in tool(document, id)["hints"] if each["class"] == name), None)


def records(value: Any) -> list[dict[str, Any]]:
    """The records of nested arrays, depth first."""
    return [each for one in value for each in records(one)] if isinstance(value, list) else [value]


def asking(graph: QuantumGraph, *kinds: Request) -> Runtime:
    """Kinds dealt out to quanta in turn."""
    return Runtime(Requests(kinds, (np.arange(graph.n_quanta) % len(kinds)).astype(np.int32)))


def test_file_names_that_follow_from_the_data_id_stand_in_the_document_once() -> None:
    found = translate(dark())
    glob = tool(found.document, "isr")["outputs"]["cpDarkIsr"]["outputBinding"]["glob"]
    assert glob == "cpDarkIsr-$(inputs._quantum.data_id.exposure)-$(inputs._quantum.data_id.detector)"
    assert all("outputs" not in each for each in records(found.job_order["isr__quanta"]))


def test_names_with_letters_that_need_an_escape_stand_in_the_records() -> None:
    graph = shape("isr(filter): raw[filter] -> post", {"filter": ["r", "g~1"]})
    found = translate(graph)
    assert tool(found.document, "isr")["outputs"]["post"]["outputBinding"]["glob"] == "$(inputs._quantum.outputs.post)"
    assert [each["outputs"]["post"] for each in records(found.job_order["isr__quanta"])] == ["post-g+7e1", "post-r"]


def test_a_task_that_writes_several_datasets_on_a_connection_names_them_in_its_records() -> None:
    graph = shape("split(visit): raw[visit] -> part[visit, piece]", {"visit": (1,), "piece": (7, 8)})
    (one,) = records(translate(graph).job_order["split__quanta"])
    assert one["outputs"] == {"part": ["part-1-7", "part-1-8"]}


def test_what_all_quanta_of_a_task_ask_for_is_said_once() -> None:
    graph = dark()
    request = Request(
        cores=4, memory_mib=8000, disk_mib=500, walltime_s=3600, retries=2, unless_exit=(1, 2), gpus=1,
        queue="long", environment=(("OMP_NUM_THREADS", "4"),), preemptible=False,
    )  # fmt: skip
    found = translate(graph, runtime=asking(graph, request))
    resources = hint(found.document, "isr", "ResourceRequirement")
    assert resources == {"class": "ResourceRequirement", "coresMin": 4, "ramMin": 8000, "tmpdirMin": 500}
    assert hint(found.document, "isr", "ToolTimeLimit") == {"class": "ToolTimeLimit", "timelimit": 3600}
    retry = hint(found.document, "isr", "rubin:Retry")
    assert retry is not None
    assert (retry["count"], retry["unlessExit"]) == (2, [1, 2])
    assert hint(found.document, "isr", "rubin:Job") == {
        "class": "rubin:Job", "gpus": 1, "queue": "long", "environment": {"OMP_NUM_THREADS": "4"}, "preemptible": False,
    }  # fmt: skip
    assert all("request" not in each for each in records(found.job_order["isr__quanta"]))


def test_numbers_that_differ_within_a_task_stand_in_its_records() -> None:
    graph = dark()
    found = translate(graph, runtime=asking(graph, Request(memory_mib=2000), Request(memory_mib=9000)))
    resources = hint(found.document, "isr", "ResourceRequirement")
    assert resources is not None
    assert resources["ramMin"] == "$(inputs._quantum.request.memory_mib)"
    assert resources["coresMin"] == 1
    asked = [each["request"] for each in records(found.job_order["isr__quanta"])]
    assert {tuple(each.items()) for each in asked} == {(("memory_mib", 2000),), (("memory_mib", 9000),)}


def test_words_that_differ_within_a_task_are_refused_with_its_name() -> None:
    graph = dark()
    with pytest.raises(CompileError, match=r"varying-setting.*queue"):
        translate(graph, runtime=asking(graph, Request(queue="short"), Request(queue="long")))


def test_a_plain_request_leaves_no_words_beyond_the_standard_requirement() -> None:
    graph = dark()
    found = translate(graph, runtime=asking(graph, Request()))
    classes = [each["class"] for each in tool(found.document, "isr")["hints"]]
    assert classes == ["rubin:Task", "ResourceRequirement"]


def test_each_quantum_says_its_cluster_and_its_tool_what_users_call_it() -> None:
    graph = dark(exposures=2, detectors=2)
    of = np.array([0, 0, 1, 1, 0, 0, 1, 1, 2, 3], dtype=np.int32)
    clustering = Clustering(of, ("images", "images", "cpCombine"), whole={"images": {"walltimeS": 7200}})
    found = translate(graph, runtime=Runtime(clustering=clustering))
    assert hint(found.document, "isr", "rubin:Cluster") == {
        "class": "rubin:Cluster", "name": "images", "number": "$(inputs._quantum.cluster)", "walltimeS": 7200,
    }  # fmt: skip
    assert sorted(each["cluster"] for each in records(found.job_order["cpCombine__quanta"])) == [2, 3]


def test_quanta_of_a_graph_in_shards_carry_theirs_and_the_init_job_has_its_own() -> None:
    graph = dark(exposures=2, detectors=2)
    shards = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], dtype=np.int32)
    found = translate(graph, runtime=Runtime(shards=shards))
    assert "_graph" not in tool(found.document, "isr")["inputs"]
    carried = {each["graph"]["location"] for each in records(found.job_order["cpDark__quanta"])}
    assert carried == {"runtime/shards/000/shard-000001.qg"}
    assert "_graph" not in found.job_order  # nothing is initialised here
