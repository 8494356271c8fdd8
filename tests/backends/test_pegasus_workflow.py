"""The abstract workflow: equal to what Pegasus.api writes, valid by Pegasus' schema, the job graph as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.backends.pegasus.quoting import job_ids, quote_arguments
from compiler.backends.pegasus.retries import attributes_of
from compiler.jobs import JobGraph, Request
from tests.backends.small import WHOLE, dark, loaded, lowered, validator, written_by_api


def say(job: Any, request: Request) -> None:
    from Pegasus.api import Namespace

    job.add_pegasus_profile(memory=str(request.memory_mib), cores=request.cores)
    for key, value in attributes_of(request).items():
        job.add_profiles(Namespace.CONDOR, key=key, value=value)


def as_pegasus_api_writes(jobs: JobGraph) -> dict[str, Any]:
    """The same jobs, said with Pegasus.api's objects."""
    from Pegasus.api import File, Job

    made_jobs, records = [], []
    ids = job_ids([job.tool for job in jobs.jobs()], jobs.ids)
    for job, id in zip(jobs.jobs(), ids, strict=True):
        data_id = ", ".join(f"{k}: {v}" for k, v in job.quanta[0][1]) if job.quanta else ""
        more = f" and {len(job.quanta) - 1} more" if len(job.quanta) > 1 else ""
        label = f"{job.quanta[0][0]}{{{data_id}}}{more}" if job.quanta else job.id
        words = list(job.command[2:])
        made = Job(job.tool, _id=id, node_label=label, namespace="rubincwl")
        made.add_inputs(*(File(f.lfn) for f in map(jobs.file, job.inputs) if f.lfn != "quantum_runner.pyz"))
        for file in map(jobs.file, job.outputs):
            if file.port != "_record":
                made.add_outputs(File(file.lfn), stage_out=True, register_replica=False)
        if job.quanta:
            records.append(File(f"{id}_records.jsonl"))
            words[5:5] = ["--records", records[-1].lfn]
            made.add_outputs(records[-1], stage_out=False, register_replica=False)
        if len(job.quanta) > 1:
            words[7:7] = ["--checkpoint", f"{id}_checkpoint.tar"]
            made.add_checkpoint(f"{id}_checkpoint.tar", stage_out=False, register_replica=False)
        made.add_args(*quote_arguments(words))
        if job.quanta:
            said = [" ".join(quote_arguments([label, *(f"{k}={v}" for k, v in data)])) for label, data in job.quanta]
            made.add_metadata(quanta=str(len(said)), **{f"quantum.{place}": each for place, each in enumerate(said)})
        say(made, job.request)
        made_jobs.append(made)
    last = Job("_collect", _id="_collect", node_label="gathers records", namespace="rubincwl")
    last.add_args("collect", "--output", "_collect_records.jsonl", *(each.lfn for each in records))
    say(last, Request())
    last.add_inputs(*records)
    last.add_outputs(File("_collect_records.jsonl"), stage_out=True, register_replica=False)
    quanta = sum(len(job.quanta) for job in jobs.jobs())
    return written_by_api("dark", [*made_jobs, last], quanta=str(quanta), table="quanta.parquet")


def unordered(workflow: dict[str, Any]) -> dict[str, Any]:
    """Pegasus.api keeps uses and children in sets."""
    jobs = [{**job, "uses": sorted(job["uses"], key=lambda use: use["lfn"])} for job in workflow["jobs"]]
    children = {each["id"]: set(each["children"]) for each in workflow["jobDependencies"] if each["children"]}
    rest = {key: value for key, value in workflow.items() if key != "x-pegasus"}
    return {**rest, "jobs": jobs, "jobDependencies": children}


@pytest.mark.parametrize("cluster", [False, True])
def test_the_streamed_workflow_is_what_pegasus_api_would_write(tmp_path: Path, cluster: bool) -> None:
    jobs = dark(3, 4, cluster=cluster)
    lowered(tmp_path, jobs)
    assert unordered(loaded(tmp_path, "workflow.yml")) == unordered(as_pegasus_api_writes(jobs))


def test_yaml_reads_the_same_as_json(tmp_path: Path) -> None:
    lowered(tmp_path, dark(instrument="Caméra 'A'"))
    text = (tmp_path / "pegasus" / "workflow.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == json.loads(text)


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("workflow.yml", "wf-5.0.yml"),
        ("sites.yml", "sc-5.0.yml"),
        ("replicas.yml", "rc-5.0.yml"),
        ("transformations.yml", "tc-5.0.yml"),
    ],
)
def test_what_is_written_is_valid_by_pegasus_own_schemas(tmp_path: Path, name: str, schema: str) -> None:
    lowered(tmp_path, dark(2, 2, "My Cam.v2"), WHOLE, inputs_at="s3://survey/repo", container="docker://lsst/stack")
    content, by_schema = loaded(tmp_path, name), validator(schema)
    assert [error.message for error in by_schema.iter_errors(content)] == []
    assert not by_schema.is_valid({**content, "pegasus": "five"}), "the schema looks at nothing"


def test_the_jobs_and_edges_are_those_of_the_job_graph_and_a_final_one(tmp_path: Path) -> None:
    jobs = dark(2, 3)
    lowered(tmp_path, jobs)
    workflow = loaded(tmp_path, "workflow.yml")
    assert [job["id"] for job in workflow["jobs"]] == [*jobs.ids, "_collect"]
    told = {(each["id"], child) for each in workflow["jobDependencies"] for child in each["children"]}
    maker = {use["lfn"]: job["id"] for job in workflow["jobs"] for use in job["uses"] if use["type"] == "output"}
    by_file = {
        (maker[use["lfn"]], job["id"])
        for job in workflow["jobs"]
        for use in job["uses"]
        if use["type"] == "input" and use["lfn"] in maker
    }
    assert told == by_file
    ours = {(a, b) for a, b in told if b != "_collect"}
    assert ours == {(jobs.ids[a], jobs.ids[b]) for b in range(len(jobs)) for a in jobs.edges.of(b)}
    assert {a for a, b in told if b == "_collect"} == {job.id for job in jobs.jobs() if job.quanta}


def test_the_final_job_takes_the_records_of_every_job_and_nothing_else(tmp_path: Path) -> None:
    jobs = dark(2, 1)
    lowered(tmp_path, jobs)
    last = loaded(tmp_path, "workflow.yml")["jobs"][-1]
    taken = {use["lfn"] for use in last["uses"] if use["type"] == "input"}
    assert taken == {f"{job.id}_records.jsonl" for job in jobs.jobs() if job.quanta}


def test_the_runner_is_the_executable_and_no_input(tmp_path: Path) -> None:
    lowered(tmp_path)
    workflow = loaded(tmp_path, "workflow.yml")
    assert all(use["lfn"] != "quantum_runner.pyz" for job in workflow["jobs"] for use in job["uses"])
    assert workflow["jobs"][0]["arguments"][0] == "init"
    for each in loaded(tmp_path, "transformations.yml")["transformations"]:
        (site,) = each["sites"]
        assert (site["type"], site["pfn"]) == ("stageable", "file://${RUBINCWL_OUT}/runtime/quantum_runner.pyz")


@pytest.mark.parametrize("cluster", [False, True])
def test_what_leaves_a_job_is_staged_out_but_for_records_and_nothing_is_registered(
    tmp_path: Path, cluster: bool
) -> None:
    jobs = dark(2, 2, cluster=cluster)
    lowered(tmp_path, jobs)
    for job, told in zip(jobs.jobs(), loaded(tmp_path, "workflow.yml")["jobs"], strict=False):
        made = {use["lfn"]: use for use in told["uses"] if use["type"] == "output"}
        assert not any(use["registerReplica"] for use in made.values())
        kept = {file.lfn for file in map(jobs.file, job.outputs) if file.port != "_record"}
        assert {lfn for lfn, use in made.items() if use["stageOut"]} == kept
        assert set(made) - kept == ({f"{job.id}_records.jsonl"} if job.quanta else set())


def test_jobs_of_several_quanta_have_a_checkpoint_each_and_others_none(tmp_path: Path) -> None:
    jobs = dark(2, 2, cluster=True)
    lowered(tmp_path, jobs)
    several = {f"{job.id}_checkpoint.tar": job.id for job in jobs.jobs() if len(job.quanta) > 1}
    told = [(job, use) for job in loaded(tmp_path, "workflow.yml")["jobs"] for use in job["uses"]]
    kept = {use["lfn"]: job for job, use in told if use["type"] == "checkpoint"}
    assert {name: job["id"] for name, job in kept.items()} == several != {}
    for name, job in kept.items():
        assert job["arguments"][job["arguments"].index("--checkpoint") + 1] == name


def test_the_workflow_does_not_depend_on_provider_or_settings(tmp_path: Path) -> None:
    lowered(tmp_path / "open")
    lowered(tmp_path / "whole", None, WHOLE, inputs_at="s3://survey/repo", container="docker://lsst/stack", retries=5)
    one, other = (tmp_path / name / "pegasus" / "workflow.yml" for name in ("open", "whole"))
    assert one.read_bytes() == other.read_bytes()


def test_it_tells_no_time_host_user_or_folder(tmp_path: Path) -> None:
    import getpass
    import platform

    lowered(tmp_path, None, WHOLE, inputs_at="s3://survey/repo")
    for path in (tmp_path / "pegasus").iterdir():
        text = path.read_text()
        for word in ("x-pegasus", "createdOn", str(tmp_path), platform.node(), f"/{getpass.getuser()}"):
            assert word not in text, path.name
