"""Large workflows become sub-workflows: within their limits, in an order, with every file that crosses declared."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.backends.pegasus.check import check_workflow
from compiler.backends.pegasus.partition import Limits, Part, line_of, partition
from compiler.jobs import JobGraph, Tool
from tests.backends.small import WHOLE, Call, by_hand, dark, loaded, lowered, validator, written_by_api

SMALL = {"partition_jobs": 4}


@st.composite
def job_graphs(draw: st.DrawFn) -> JobGraph:
    """Jobs that make one file each and read some of those before, told in any order, behind an init job."""
    count = draw(st.integers(1, 25))
    names = draw(st.permutations(range(count)))
    init, tool = Tool("_init", is_init=True), Tool("t")
    calls = [Call(init, "_init", ("x",), [], {"out": "schema"})]
    for n in range(count):
        reads = {f"f{names[m]}" for m in draw(st.sets(st.integers(0, n - 1), max_size=3))} if n else set()
        reads |= draw(st.sets(st.sampled_from(["schema", "raw"])))
        calls.append(Call(tool, f"j{names[n]}", ("x",), sorted(reads), {"out": f"f{names[n]}"}))
    return by_hand([calls[0], *sorted(calls[1:], key=lambda call: call.id)], [("raw", "s3://survey/raw")])


limits = st.builds(Limits, st.integers(1, 8), st.integers(1, 30))


def number(parts: tuple[Part, ...], jobs: JobGraph) -> list[int]:
    """For each job its part, -1 for one that stays in the main workflow."""
    found = np.full(len(jobs), -1)
    for n, part in enumerate(parts):
        assert (found[part.jobs] == -1).all(), "a job stands in two parts"
        found[part.jobs] = n
    return found.tolist()


@given(job_graphs(), limits)
def test_every_job_but_the_init_job_is_in_one_part_and_parts_run_in_order(jobs: JobGraph, limits: Limits) -> None:
    parts = partition(jobs, limits)
    if not parts:
        assert len(jobs) <= limits.jobs
        return
    part = number(parts, jobs)
    assert [jobs.ids[job] for job in range(len(jobs)) if part[job] == -1] == ["_init"]
    for job in range(len(jobs)):
        assert all(part[earlier] <= part[job] for earlier in jobs.edges.of(job).tolist())


@given(job_graphs(), limits)
def test_no_part_holds_more_than_it_may_unless_it_is_one_job(jobs: JobGraph, limits: Limits) -> None:
    for part in partition(jobs, limits):
        files = sum(len(jobs.inputs.of(job)) + len(jobs.outputs.of(job)) for job in part.jobs.tolist())
        assert 1 <= len(part.jobs) <= limits.jobs
        assert files <= limits.files or len(part.jobs) == 1


@given(job_graphs(), limits)
def test_what_crosses_is_what_one_makes_and_another_reads(jobs: JobGraph, limits: Limits) -> None:
    parts = partition(jobs, limits)
    part = number(parts, jobs)
    maker = {file: part[job] for job in range(len(jobs)) for file in jobs.outputs.of(job).tolist()}
    pairs = {(part[job], file) for job in range(len(jobs)) for file in jobs.inputs.of(job).tolist() if file in maker}
    across = {(reader, file) for reader, file in pairs if maker[file] != reader}
    assert {(n, file) for n, each in enumerate(parts) for file in each.inputs.tolist()} == across
    given_away = {(maker[file], file) for _, file in across if maker[file] >= 0}
    assert {(n, file) for n, each in enumerate(parts) for file in each.outputs.tolist()} == given_away


@given(job_graphs())
def test_in_the_line_every_job_stands_once_behind_those_it_waits_for(jobs: JobGraph) -> None:
    line = line_of(jobs.edges).tolist()
    assert sorted(line) == list(range(len(jobs)))
    place = {job: n for n, job in enumerate(line)}
    assert all(place[earlier] < place[job] for job in line for earlier in jobs.edges.of(job).tolist())


def test_chains_stay_whole() -> None:
    jobs = dark(1, 9)  # three jobs a detector, next to each other in the line, far apart in the graph
    parts = partition(jobs, Limits(jobs=7))
    assert sum(len(part.outputs) for part in parts) == 0
    assert [len(part.jobs) for part in parts] == [6, 6, 6, 6, 3]


def documents(folder: Path) -> dict[str, Any]:
    main = loaded(folder, "workflow.yml")
    below = [job["file"] for job in main["jobs"] if job["type"] == "pegasusWorkflow"]
    return {"workflow.yml": main, **{name: loaded(folder, name) for name in below}}


def replicas(folder: Path, name: str) -> set[str]:
    file = "replicas.yml" if name == "workflow.yml" else name.replace(".yml", ".replicas.yml")
    return {each["lfn"] for each in loaded(folder, file)["replicas"]}


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    assert lowered(tmp_path, dark(3, 2), WHOLE, inputs_at="s3://survey/repo", **SMALL) == []
    return tmp_path


def test_the_parts_hold_the_jobs_of_the_undivided_workflow_as_they_were(parted: Path, tmp_path: Path) -> None:
    lowered(tmp_path / "whole", dark(3, 2), WHOLE, inputs_at="s3://survey/repo")
    whole = loaded(tmp_path / "whole", "workflow.yml")
    told = [
        job for each in documents(parted).values() for job in each["jobs"] if job["name" if "name" in job else "id"]
    ]
    ours = {job["id"]: job for job in told if not job["id"].startswith(("_collect", "part"))}
    assert ours == {job["id"]: job for job in whole["jobs"] if job["id"] != "_collect"}


def test_each_document_is_sound_by_our_check_and_by_pegasus_schema(parted: Path) -> None:
    tools = {f"rubincwl::{each['name']}" for each in loaded(parted, "transformations.yml")["transformations"]}
    main = loaded(parted, "workflow.yml")
    handed = {
        job["file"]: {u["lfn"] for u in job["uses"] if u["type"] == "input"} for job in main["jobs"] if "file" in job
    }
    assert len(handed) > 2
    for name, document in documents(parted).items():
        known = replicas(parted, name) | handed.get(name, set()) - {name}
        assert check_workflow(document, tools, known) == []
        assert [str(each) for each in validator("wf-5.0.yml").iter_errors(document)] == []


def test_a_sub_workflow_is_said_as_pegasus_api_says_it(parted: Path) -> None:
    from Pegasus.api import File, SubWorkflow

    job = next(each for each in loaded(parted, "workflow.yml")["jobs"] if each.get("file") == "part-2.yml")
    catalog = "${RUBINCWL_OUT}/pegasus/resolved/part-2.replicas.yml"
    made = SubWorkflow("part-2.yml", _id="part-2", node_label=job["nodeLabel"])
    made.add_planner_args(
        output_sites=["${RUBINCWL_STAGING}"],
        staging_sites={"compute": "${RUBINCWL_STAGING}"},
        **{"pegasus.catalog.replica.file": catalog},
    )
    for use in job["uses"][1:]:
        if use["type"] == "input":
            made.add_inputs(File(use["lfn"]))
        else:
            made.add_outputs(File(use["lfn"]), stage_out=False, register_replica=False)
    (expected,) = written_by_api("w", [made])["jobs"]
    for each in (job, expected):
        each["uses"].sort(key=lambda use: use["lfn"])
    assert job == expected
    assert list(job) == list(expected)


def test_a_part_waits_for_those_whose_files_it_reads_and_its_planner_knows_its_inputs(parted: Path) -> None:
    main = loaded(parted, "workflow.yml")
    jobs = {job["id"]: job for job in main["jobs"]}
    told = {(each["id"], child) for each in main["jobDependencies"] for child in each["children"]}
    maker = {u["lfn"]: id for id, job in jobs.items() for u in job["uses"] if u["type"] == "output"}
    by_file = {(maker[u["lfn"]], id) for id, job in jobs.items() for u in job["uses"] if u["lfn"] in maker}
    assert told == {(a, b) for a, b in by_file if a != b}
    makers = {
        use["lfn"]: job["id"] if name == "workflow.yml" else name.removesuffix(".yml")
        for name, document in documents(parted).items()
        for job in document["jobs"]
        for use in job["uses"]
        if use["type"] == "output" and job["type"] == "job"
    }
    across = {
        (makers[use["lfn"]], part)
        for name, document in documents(parted).items()
        for job in document["jobs"]
        for use in job["uses"]
        if use["lfn"] in makers and makers[use["lfn"]] != (part := name.removesuffix(".yml")) != "workflow"
    }
    assert len(across) > 2
    assert across <= told


def test_records_of_all_parts_are_gathered_into_one_file(parted: Path) -> None:
    found = documents(parted)
    main = found.pop("workflow.yml")
    last = main["jobs"][-1]
    tops = {document["jobs"][-1]["uses"][-1]["lfn"] for document in found.values()}
    assert {use["lfn"] for use in last["uses"] if use["type"] == "input"} == tops
    gathered = {u["lfn"] for d in found.values() for u in d["jobs"][-1]["uses"] if u["type"] == "input"}
    assert gathered == {f"{id}_records.jsonl" for id in dark(3, 2).ids if id != "_init"}
    (result,) = [use for use in last["uses"] if use["type"] == "output"]
    assert (result["lfn"], result["stageOut"]) == ("_collect_records.jsonl", True)


def test_each_catalog_holds_what_its_document_needs(parted: Path) -> None:
    everywhere: set[str] = set()
    for name, document in documents(parted).items():
        used = {u["lfn"] for job in document["jobs"] for u in job["uses"] if u["type"] == "input"}
        assert replicas(parted, name) <= used
        everywhere |= replicas(parted, name)
    assert {f"part-{n}.yml" for n in (1, 2, 3, 4)} < everywhere


def test_a_tree_gathers_what_one_job_would_fetch_too_slowly(tmp_path: Path) -> None:
    lowered(tmp_path, dark(1, 150))
    jobs = {job["id"]: job for job in loaded(tmp_path, "workflow.yml")["jobs"]}
    gathering = [job for id, job in jobs.items() if id.startswith("_collect")]
    assert [job["id"] for job in gathering] == ["_collect-1-1", "_collect-1-2", "_collect-1-3", "_collect"]
    counts = [sum(use["type"] == "input" for use in job["uses"]) for job in gathering]
    assert counts == [200, 200, 50, 3]
    children = {each["id"]: each["children"] for each in loaded(tmp_path, "workflow.yml")["jobDependencies"]}
    assert all(children[job["id"]] == ["_collect"] for job in gathering[:-1])


def test_plan_puts_the_folder_into_the_catalogs_of_sub_workflows(parted: Path) -> None:
    from tests.backends.test_pegasus_catalogs import plan

    assert plan(parted).returncode == 0
    found = sorted(each.name for each in (parted / "pegasus" / "resolved").iterdir())
    assert {"part-1.replicas.yml", "replicas.yml", "sites.yml", "transformations.yml"} < set(found)
    for name in found:
        text = (parted / "pegasus" / "resolved" / name).read_text()
        assert "${" not in text
        assert str(parted) in text or name == "replicas.yml"


def test_plan_refuses_placeholders_in_the_catalog_of_a_sub_workflow(tmp_path: Path) -> None:
    from tests.backends.test_pegasus_catalogs import plan

    findings = lowered(tmp_path, dark(3, 2), WHOLE, **SMALL)
    assert [each.code for each in findings] == ["placeholder"]
    done = plan(tmp_path)
    assert done.returncode == 2
    assert "part-1.replicas.yml" in done.stderr


def test_a_job_called_as_a_sub_workflow_is_told(tmp_path: Path) -> None:
    tool = Tool("t")
    calls = [Call(tool, id, ("x",), [], {"out": id}) for id in ("part-1", "b", "c")]
    findings = lowered(tmp_path, by_hand(calls, []), WHOLE, partition_jobs=1)
    assert {each.code for each in findings} == {"duplicate-id"}


@pytest.mark.parametrize("given", [{"partition_jobs": 0}, {"partition_files": "many"}, {"partition_jobs": True}])
def test_limits_that_are_no_numbers_are_told(given: dict[str, Any]) -> None:
    from compiler.backends.pegasus import read_settings
    from compiler.diagnostics import Findings

    findings = Findings()
    read_settings(given, findings)
    assert [each.code for each in findings] == ["bad-setting"]


def test_a_partition_is_the_same_every_time(parted: Path, tmp_path: Path) -> None:
    lowered(tmp_path / "again", dark(3, 2), WHOLE, inputs_at="s3://survey/repo", **SMALL)
    for name, document in documents(parted).items():
        assert json.dumps(document) == json.dumps(loaded(tmp_path / "again", name))
    sizes = [len(part.jobs) for part in partition(dark(3, 2), Limits(jobs=4))]
    assert all(a <= 4 for a, _ in pairwise([*sizes, 0]))
