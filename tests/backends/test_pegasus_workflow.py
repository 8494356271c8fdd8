"""The abstract workflow: equal to what Pegasus.api writes, valid by Pegasus' schema, the job graph as it was."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from compiler.backends.pegasus.quoting import job_ids, quote_arguments
from compiler.jobs import JobGraph
from tests.backends.small import WHOLE, dark, loaded, lowered

SCHEMA = Path(__file__).parent / "pegasus_schema"


def as_pegasus_api_writes(jobs: JobGraph) -> dict[str, Any]:
    """The same jobs, said with Pegasus.api's objects."""
    from Pegasus.api import File, Job, Workflow

    workflow = Workflow("dark")
    ids = job_ids([*((job.tool, job.id) for job in jobs.jobs), ("_collect", "_collect")])
    for job, id in zip(jobs.jobs, ids, strict=False):
        data_id = ", ".join(f"{k}: {v}" for k, v in job.quanta[0][1]) if job.quanta else ""
        label = f"{job.quanta[0][0]}{{{data_id}}}" if job.quanta else job.id
        made = Job(job.tool, _id=id, node_label=label, namespace="rubincwl").add_args(*quote_arguments(job.command[2:]))
        made.add_inputs(*(File(jobs.files[p].lfn) for p in job.inputs if jobs.files[p].lfn != "quantum_runner.py"))
        for file in (jobs.files[p] for p in job.outputs):
            made.add_outputs(File(file.lfn), stage_out=file.port != "_record", register_replica=False)
        made.add_pegasus_profile(memory=str(job.memory_mib), cores=int(job.cores))
        workflow.add_jobs(made)
    last = Job("_collect", _id="_collect", node_label="gathers records and metadata", namespace="rubincwl")
    last.add_args("collect", "--output", "_collect.tar").add_pegasus_profile(memory="2048", cores=1)
    last.add_inputs(*(File(f.lfn) for f in jobs.files if f.port in ("_record", "_metadata")))
    last.add_outputs(File("_collect.tar"), stage_out=True, register_replica=False)
    workflow.add_jobs(last)
    stream = StringIO()
    workflow.write(stream, _format="json")
    written: dict[str, Any] = json.loads(stream.getvalue())
    return written


def unordered(workflow: dict[str, Any]) -> dict[str, Any]:
    """Pegasus.api keeps uses and children in sets."""
    jobs = [{**job, "uses": sorted(job["uses"], key=lambda use: use["lfn"])} for job in workflow["jobs"]]
    children = {each["id"]: set(each["children"]) for each in workflow["jobDependencies"] if each["children"]}
    rest = {key: value for key, value in workflow.items() if key != "x-pegasus"}
    return {**rest, "jobs": jobs, "jobDependencies": children}


def test_the_streamed_workflow_is_what_pegasus_api_would_write(tmp_path: Path) -> None:
    jobs = dark(3, 4)
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
    schemas = {each.name: yaml.safe_load(each.read_text()) for each in SCHEMA.glob("*.yml")}
    registry = Registry().with_resources([(n, Resource.from_contents(each)) for n, each in schemas.items()])
    validator = Draft7Validator(schemas[schema], registry=registry)
    content = loaded(tmp_path, name)
    assert [error.message for error in validator.iter_errors(content)] == []
    assert not validator.is_valid({**content, "pegasus": "five"}), "the schema looks at nothing"


def test_the_jobs_and_edges_are_those_of_the_job_graph_and_a_final_one(tmp_path: Path) -> None:
    jobs = dark(2, 3)
    lowered(tmp_path, jobs)
    workflow = loaded(tmp_path, "workflow.yml")
    assert [job["id"] for job in workflow["jobs"]] == [*(job.id for job in jobs.jobs), "_collect"]
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
    assert ours == {(jobs.jobs[a].id, jobs.jobs[b].id) for a, b in jobs.edges()}
    assert {a for a, b in told if b == "_collect"} == {job.id for job in jobs.jobs if job.quanta}


def test_the_final_job_takes_records_and_metadata_and_no_payload(tmp_path: Path) -> None:
    jobs = dark(2, 1)
    lowered(tmp_path, jobs)
    last = loaded(tmp_path, "workflow.yml")["jobs"][-1]
    taken = {use["lfn"] for use in last["uses"] if use["type"] == "input"}
    assert taken == {file.lfn for file in jobs.files if file.port in ("_record", "_metadata")}


def test_the_runner_is_the_executable_and_no_input(tmp_path: Path) -> None:
    lowered(tmp_path)
    workflow = loaded(tmp_path, "workflow.yml")
    assert all(use["lfn"] != "quantum_runner.py" for job in workflow["jobs"] for use in job["uses"])
    assert workflow["jobs"][0]["arguments"][0] == "init"
    for each in loaded(tmp_path, "transformations.yml")["transformations"]:
        (site,) = each["sites"]
        assert (site["type"], site["pfn"]) == ("stageable", "file://${RUBINCWL_OUT}/runtime/quantum_runner.py")


def test_datasets_are_staged_out_and_records_are_not_and_nothing_is_registered(tmp_path: Path) -> None:
    jobs = dark()
    lowered(tmp_path, jobs)
    port = {file.lfn: file.port for file in jobs.files}
    for job in loaded(tmp_path, "workflow.yml")["jobs"][:-1]:
        for use in job["uses"]:
            if use["type"] == "output":
                assert use["stageOut"] is (port[use["lfn"]] != "_record")
                assert use["registerReplica"] is False


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


def test_twenty_thousand_jobs_are_written_in_seconds(tmp_path: Path) -> None:
    import time

    jobs = dark(100, 100)
    start = time.process_time()
    assert {each.code for each in lowered(tmp_path, jobs)} == {"placeholder"}
    assert time.process_time() - start < 10, "expected about 1.5 s"
