"""Our own check finds what Pegasus' planner refuses, and what it takes in silence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from compiler.backends.pegasus.check import check_planning, check_workflow
from compiler.backends.pegasus.documents import VERSION
from compiler.backends.pegasus.profiles import KEYS

Workflow = dict[str, Any]


def workflow() -> Workflow:
    def job(id: str, reads: str, makes: str) -> dict[str, Any]:
        uses = [{"lfn": reads, "type": "input"}, {"lfn": makes, "type": "output", "stageOut": True}]
        base = {"type": "job", "namespace": "n", "name": "t", "id": id, "arguments": ["-i", reads], "uses": uses}
        return {**base, "profiles": {"pegasus": {"memory": 2048, "cores": 1}, "dagman": {"RETRY": "3"}}}

    jobs = [job("a", "raw", "x"), job("b", "x", "y"), job("c", "y", "z")]
    edges = [{"id": "a", "children": ["b"]}, {"id": "b", "children": ["c"]}]
    return {"pegasus": VERSION, "name": "w", "jobs": jobs, "jobDependencies": edges}


def found(document: Workflow, tools: tuple[str, ...] = ("n::t",), replicas: tuple[str, ...] = ("raw",)) -> set[str]:
    return {each.code for each in check_workflow(document, tools, replicas)}


def test_a_good_workflow_has_no_findings() -> None:
    assert found(workflow()) == set()


def mutation(change: Callable[[Workflow], object]) -> Workflow:
    document = copy.deepcopy(workflow())
    change(document)
    return document


def job(document: Workflow, place: int) -> dict[str, Any]:
    each: dict[str, Any] = document["jobs"][place]
    return each


REFUSED_BY_THE_PLANNER = {
    "an unknown key": ("unknown-key", lambda w: job(w, 0).update(colour="blue")),
    "an unknown namespace": ("unknown-profile", lambda w: job(w, 0)["profiles"].update(slurm={"x": 1})),
    "memory that is no number": ("bad-profile", lambda w: job(w, 0)["profiles"]["pegasus"].update(memory="2 GB")),
    "a cycle of dependencies": ("cycle", lambda w: w["jobDependencies"].append({"id": "c", "children": ["a"]})),
    "a cycle of files": ("cycle", lambda w: job(w, 0)["uses"].append({"lfn": "z", "type": "input"})),
    "a job that waits for itself": ("cycle", lambda w: w["jobDependencies"].append({"id": "a", "children": ["a"]})),
    "an unknown child": ("unknown-job", lambda w: w["jobDependencies"][0]["children"].append("q")),
    "an unknown parent": ("unknown-job", lambda w: w["jobDependencies"].append({"id": "q", "children": ["a"]})),
    "two producers": ("two-producers", lambda w: job(w, 1)["uses"].append({"lfn": "z", "type": "output"})),
    "input and output in one": ("duplicate-use", lambda w: job(w, 0)["uses"].append({"lfn": "x", "type": "input"})),
    "no arguments": ("missing-key", lambda w: job(w, 0).pop("arguments")),
    "an unknown type of use": ("bad-type", lambda w: job(w, 0)["uses"][0].update(type="both")),
}
TAKEN_IN_SILENCE = {
    "two jobs of one id": ("duplicate-id", lambda w: job(w, 2).update(id="a")),
    "two jobs of one node": ("duplicate-node", lambda w: (job(w, 0).update(id="a.b"), job(w, 1).update(id="a_b"))),
    "retry that is no number": ("bad-profile", lambda w: job(w, 0)["profiles"]["dagman"].update(RETRY="many")),
    "an unknown profile": ("unknown-profile", lambda w: job(w, 0)["profiles"]["pegasus"].update(memroy=1)),
    "a wrong version": ("wrong-version", lambda w: w.update(pegasus="4.9")),
    "no name": ("no-name", lambda w: w.pop("name")),
    "a negative size": ("bad-size", lambda w: job(w, 0)["uses"][0].update(size=-1)),
    "negative memory": ("bad-profile", lambda w: job(w, 0)["profiles"]["pegasus"].update(memory=-1)),
    "a variable of the planner's": ("variable", lambda w: job(w, 0).update(arguments=["${HOME}"])),
    "a quote that stays open": ("open-quote", lambda w: job(w, 0).update(arguments=["it's"])),
    "arguments too long": ("long-arguments", lambda w: job(w, 0).update(arguments=["x" * 200_000])),
    "a request past Pegasus": ("bad-profile", lambda w: job(w, 0)["profiles"].update(condor={"request_memory": 1})),
    "a file name with a slash": ("bad-file-name", lambda w: job(w, 2)["uses"][1].update(lfn="d/z")),
    "a file name with a space": ("bad-file-name", lambda w: job(w, 2)["uses"][1].update(lfn="z z")),
    "an id with a dot": ("bad-id", lambda w: job(w, 2).update(id="c.1")),
    "an id too long": ("long-name", lambda w: job(w, 2).update(id="c" * 250)),
    "an unknown key of the workflow": ("unknown-key", lambda w: w.update(steps=[])),
}


@pytest.mark.parametrize("what", [*REFUSED_BY_THE_PLANNER, *TAKEN_IN_SILENCE])
def test_a_fault_is_found(what: str) -> None:
    code, change = {**REFUSED_BY_THE_PLANNER, **TAKEN_IN_SILENCE}[what]
    assert code in found(mutation(change))


def test_a_missing_transformation_is_found_once() -> None:
    findings = check_workflow(workflow(), (), ("raw",))
    assert [each.code for each in findings] == ["missing-transformation"]


def test_a_missing_replica_is_found() -> None:
    assert found(workflow(), replicas=()) == {"missing-replica"}


def test_a_replica_of_what_a_job_makes_is_found() -> None:
    assert found(workflow(), replicas=("raw", "y")) == {"replica-of-output"}


def test_all_faults_are_told_at_once() -> None:
    document = mutation(lambda w: (w.pop("name"), job(w, 0).update(colour=1), job(w, 1)["uses"][0].update(size=-3)))
    assert found(document) == {"no-name", "unknown-key", "bad-size"}


def test_a_finding_names_file_and_job() -> None:
    (finding,) = check_workflow(mutation(lambda w: job(w, 1).update(colour=1)), ("n::t",), ("raw",))
    assert str(finding) == "workflow.yml: b: error[unknown-key]: a job has no key 'colour'"


@pytest.mark.parametrize("option", [["--cluster", "horizontal"], ["--cluster=horizontal"], ["-C", "label,horizontal"]])
def test_horizontal_clusters_without_a_size_are_found(option: list[str]) -> None:
    assert [each.code for each in check_planning({}, option, {})] == ["no-cluster-size"]
    assert check_planning({"pegasus.clusters.size": "8"}, option, {}) == []
    assert check_planning({}, option, {"pegasus": {"clusters.num": 4}}) == []
    assert check_planning({}, ["--cluster", "label"], {}) == []


def test_properties_that_pegasus_would_misread_are_found() -> None:
    codes = [each.code for each in check_planning({"dagman.retry": "many", "pegasus.memory": "2 GB"}, (), {})]
    assert codes == ["bad-profile", "bad-profile"]


def test_the_profiles_we_know_are_those_of_pegasus_api() -> None:
    from Pegasus.api.mixins import ProfileMixin

    for namespace, known in KEYS.items():
        function = getattr(ProfileMixin, f"add_{namespace}_profile")
        cells = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))
        declared = cells["map_p"].cell_contents.values()
        assert known == {each if isinstance(each, str) else each[0] for each in declared}


def test_the_version_we_write_is_that_of_pegasus_api() -> None:
    from Pegasus.api import workflow as pegasus

    assert VERSION == pegasus.PEGASUS_VERSION
