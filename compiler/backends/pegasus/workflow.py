"""The abstract workflow, written job by job as JSON (which is YAML) in the form that Pegasus.api defines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from compiler.backends.pegasus.program import NAMESPACE, Program, program_of
from compiler.backends.pegasus.quoting import job_ids, quote_arguments, workflow_name
from compiler.diagnostics import Findings
from compiler.jobs import Job, JobGraph

VERSION = "5.0.4"
"""Of the workflow's format, as Pegasus.api 5.1.3 writes it."""
COLLECT = "_collect"
COLLECTION = "_collect.tar"
RECORD, METADATA = "_record", "_metadata"
"""Output ports of the quantum runner's jobs that the final job gathers."""

Plain = dict[str, Any]


@dataclass(frozen=True)
class Abstract:
    """A workflow's jobs with what Pegasus needs to know of them beyond the job graph."""

    jobs: JobGraph
    ids: tuple[str, ...]
    """Pegasus' ids, in the order of the jobs; the final job's stands last if there is one."""
    programs: tuple[Program, ...]
    collected: tuple[int, ...]
    """Places of the files that the final job gathers; none means no final job."""

    @property
    def name(self) -> str:
        return workflow_name(self.jobs.name)

    @property
    def runner(self) -> int | None:
        """The place of the quantum runner among the files."""
        return next((p.file for p in self.programs if p.file is not None), None)


def abstract(jobs: JobGraph) -> Abstract:
    """Plan how the jobs are said in Pegasus; a graph of quanta gets a final job for their records and metadata."""
    programs = tuple(program_of(job, jobs) for job in jobs.jobs)
    staged = any(p.file is not None for p in programs)
    collected = tuple(place for place, file in enumerate(jobs.files) if staged and file.port in (RECORD, METADATA))
    named = [(job.tool, job.id) for job in jobs.jobs]
    if collected:
        named.append((COLLECT, COLLECT))
    return Abstract(jobs, tuple(job_ids(named)), programs, collected)


def job_entries(plan: Abstract, findings: Findings) -> Iterator[Plain]:
    """Every job as Pegasus.api would say it; arguments that cannot get through are findings."""
    for job, id, program in zip(plan.jobs.jobs, plan.ids, plan.programs, strict=False):
        yield _entry(plan.jobs, job, id, program, findings)
    if plan.collected:
        yield {
            "type": "job",
            "namespace": NAMESPACE,
            "name": COLLECT,
            "id": plan.ids[-1],
            "nodeLabel": "gathers records and metadata",
            "arguments": ["collect", "--output", COLLECTION],
            "uses": [
                *({"lfn": plan.jobs.files[place].lfn, "type": "input"} for place in plan.collected),
                {"lfn": COLLECTION, "type": "output", "stageOut": True, "registerReplica": False},
            ],
            "profiles": {"pegasus": {"memory": 2048, "cores": 1}},
        }


def dependency_entries(plan: Abstract) -> Iterator[Plain]:
    """Parents with their children, in the order of the jobs."""
    children: list[list[str]] = [[] for _ in plan.jobs.jobs]
    for earlier, later in plan.jobs.edges():
        children[earlier].append(plan.ids[later])
    if plan.collected:
        for parent in sorted({plan.jobs.producer[place] for place in plan.collected}):
            children[parent].append(plan.ids[-1])
    for id, found in zip(plan.ids, children, strict=False):
        if found:
            yield {"id": id, "children": found}


def write_workflow(
    path: Path, name: str, jobs: Iterator[Mapping[str, Any]], dependencies: Iterator[Mapping[str, Any]]
) -> None:
    """Stream the document: one line a job, one a parent."""
    encode = msgspec.json.encode
    with path.open("wb") as stream:
        stream.write(b'{"pegasus":%b,"name":%b,' % (encode(VERSION), encode(name)))
        for key, entries, end in (("jobs", jobs, b","), ("jobDependencies", dependencies, b"}\n")):
            stream.write(b"%b:[" % encode(key))
            separator = b"\n"
            for entry in entries:
                stream.write(separator + encode(entry))
                separator = b",\n"
            stream.write(b"\n]" + end)


def _entry(jobs: JobGraph, job: Job, id: str, program: Program, findings: Findings) -> Plain:
    try:
        arguments = quote_arguments(program.arguments)
    except ValueError as reason:
        findings.error(
            "unsafe-arguments", f"arguments of job {job.id!r}: {reason}", help="change the data id, or split the job"
        )
        arguments = []
    return {
        "type": "job",
        "namespace": NAMESPACE,
        "name": job.tool,
        "id": id,
        "nodeLabel": _label(job),
        "arguments": arguments,
        "uses": [
            # No sizes: the planner has no use for them, and as numbers Pegasus' own schema does not allow them.
            *({"lfn": jobs.files[place].lfn, "type": "input"} for place in job.inputs if place != program.file),
            *(_output(jobs, place) for place in job.outputs),
        ],
        "profiles": {"pegasus": {"memory": job.memory_mib, "cores": max(1, math.ceil(job.cores))}},
    }


def _label(job: Job) -> str:
    if not job.quanta:
        return job.id
    label, data_id = job.quanta[0]
    more = f" and {len(job.quanta) - 1} more" if len(job.quanta) > 1 else ""
    return f"{label}{{{', '.join(f'{k}: {v}' for k, v in data_id)}}}{more}"


def _output(jobs: JobGraph, place: int) -> Mapping[str, Any]:
    file = jobs.files[place]
    # Records are gathered by the final job; on their own they would be one more transfer a quantum.
    return {"lfn": file.lfn, "type": "output", "stageOut": file.port != RECORD, "registerReplica": False}
