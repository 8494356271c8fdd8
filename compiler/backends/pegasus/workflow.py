"""The abstract workflow, written job by job as JSON (which is YAML) in the form that Pegasus.api defines.

Everything is text from the start: what many jobs have in common is encoded once, and a job's line is joined from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.backends.pegasus.arguments import Arguments, arguments_of, length_of
from compiler.backends.pegasus.collecting import COLLECT, Gathering, gatherings
from compiler.backends.pegasus.labels import labels_of
from compiler.backends.pegasus.profiles import profiles_of
from compiler.backends.pegasus.program import NAMESPACE, Program, programs_of
from compiler.backends.pegasus.quoting import LONGEST_ARGUMENTS, job_ids, json_string, strange_names, workflow_name
from compiler.diagnostics import Findings
from compiler.jobs import JobGraph, Request, Rows

VERSION = "5.0.4"
"""Of the workflow's format, as Pegasus.api 5.1.3 writes it."""
RECORD = "_record"
"""The output port of a quantum's record: a job writes those of all its quanta into one file."""
RECORDS = "_records.jsonl"
CHECKPOINT = "_checkpoint.tar"
"""Endings of files that jobs of the quantum runner write; its verb ``collect`` looks for the first."""


@dataclass(frozen=True)
class Abstract:
    """A workflow's jobs with what Pegasus needs to know of them beyond the job graph."""

    jobs: JobGraph
    programs: tuple[Program, ...]
    """Of each batch of calls."""
    heads: NDArray[np.int32]
    """Shape (jobs,): the first call of each job."""
    names: tuple[str, ...]
    """Of the tools: their transformations."""
    tools: list[int]
    """Shape (jobs,): the tool of each job's first call."""
    ids: list[str]
    """Pegasus' ids of the jobs."""
    recorded: NDArray[np.bool_]
    """Shape (jobs,): whether the quantum runner writes a file of records."""
    hidden: NDArray[np.bool_]
    """Shape (files,): files that no job names to Pegasus: scripts that are executables, records of single quanta."""
    gatherings: tuple[Gathering, ...]
    """The jobs that gather those records, the last one last; none if there are no records."""

    @property
    def name(self) -> str:
        return workflow_name(self.jobs.name)

    @property
    def runner(self) -> int | None:
        """The number of the quantum runner among the files."""
        return next((p.file for p in self.programs if p.file is not None), None)

    def records(self, job: int) -> str:
        """The name of a job's file of records."""
        return f"{self.ids[job]}{RECORDS}"

    def checkpoints(self) -> list[str]:
        """The files in which jobs of several quanta keep what is done when they fail."""
        several = self.recorded & (np.diff(self.jobs.members.start) > 1)
        return [f"{self.ids[job]}{CHECKPOINT}" for job in np.flatnonzero(several).tolist()]

    def transformations(self) -> Iterator[tuple[str, Program]]:
        """Every transformation that jobs name, with its program; one stands once for each program it has."""
        used = np.unique(self.jobs.calls.batch[self.heads]).tolist()
        named = [(self.names[self.jobs.calls.batches[batch].tool], self.programs[batch]) for batch in used]
        gathers = [(COLLECT, program) for _, program in named if program.file is not None and self.gatherings]
        yield from dict.fromkeys((*named, *gathers[:1]))

    @cached_property
    def file_names(self) -> list[str]:
        """Shape (files,): logical names as they stand between the quotes of JSON."""
        names = self.jobs.files.names
        return [json_string(name)[1:-1] for name in names] if strange_names(names) else names

    @cached_property
    def arguments(self) -> Arguments:
        return arguments_of(self.jobs, self.programs)


def abstract(jobs: JobGraph) -> Abstract:
    """Plan how the jobs are said in Pegasus; a graph of quanta gets final jobs that gather their records."""
    programs = programs_of(jobs)
    heads = jobs.members.item[jobs.members.start[:-1]]
    batches = jobs.calls.batch[heads]
    tools = np.array([each.tool for each in jobs.calls.batches], dtype=np.int32)[batches]
    names = tuple(tool.id for tool in jobs.calls.tools)
    ids = job_ids([names[tool] for tool in tools.tolist()], jobs.ids)
    staged = [program.file is not None for program in programs]
    runs = {batch.tool for batch, runner in zip(jobs.calls.batches, staged, strict=True) if runner}
    hidden = np.zeros(len(jobs.files), dtype=bool)
    hidden[[program.file for program in programs if program.file is not None]] = True
    records = [p for p in jobs.files.ports if p.name == RECORD and p.tool in runs and jobs.calls.tools[p.tool].label]
    for port in records:
        hidden[port.first : port.last] = True
    of_calls = np.isin([batch.tool for batch in jobs.calls.batches], [port.tool for port in records])
    recorded = np.logical_or.reduceat(of_calls[jobs.calls.batch][jobs.members.item], jobs.members.start[:-1])
    made = gatherings([ids[job] for job in np.flatnonzero(recorded).tolist()], RECORDS)
    return Abstract(jobs, programs, heads, names, tools.tolist(), ids, recorded, hidden, made)


def job_lines(plan: Abstract, numbers: Iterable[int], findings: Findings) -> Iterator[str]:
    """The jobs `numbers` as Pegasus.api would say them, each in one line; too long a command is a finding."""
    jobs = plan.jobs
    inputs, outputs = _without(jobs.inputs, plan.hidden), _without(jobs.outputs, plan.hidden)
    heads, members = plan.heads.tolist(), jobs.members
    batches = jobs.calls.batch[plan.heads].tolist()
    firsts = [batch.first for batch in jobs.calls.batches]
    own, names = plan.arguments.own, plan.file_names
    labels = labels_of(jobs, plan.heads)
    profiles = [_json(profiles_of(request)) for request in jobs.requests]
    request, recorded = jobs.request.tolist(), plan.recorded.tolist()
    start = members.start.tolist()
    for job in numbers:
        head, batch = heads[job], batches[job]
        words = [plan.arguments.shared_by(head, batch, firsts[batch])]
        made = [names[file] for file in outputs.of(job).tolist()]
        uses = [_uses([names[file] for file in inputs.of(job).tolist()], _INPUT), _uses(made, _RESULT)]
        if recorded[job]:
            words.append(f'"--records","{plan.records(job)}"')
            uses.append(_uses([plan.records(job)], _PASSED_ON))
            if start[job + 1] - start[job] > 1:
                words.append(f'"--checkpoint","{plan.ids[job]}{CHECKPOINT}"')
                uses.append(_uses([f"{plan.ids[job]}{CHECKPOINT}"], _KEPT))
        words.extend(own[call] for call in members.item[start[job] : start[job + 1]].tolist())
        arguments = ",".join(filter(None, words))
        if (length := length_of(arguments)) > LONGEST_ARGUMENTS:
            unsafe_arguments(jobs.ids[job], f"they are {length} characters long", findings)
        yield _line(
            plan.names[plan.tools[job]],
            plan.ids[job],
            labels[job],
            arguments,
            ",".join(filter(None, uses)),
            profiles[request[job]],
        )


def unsafe_arguments(job: str, reason: str, findings: Findings) -> None:
    """Tell that a job's command cannot get through to it."""
    message = f"arguments of job {job!r}: {reason}"
    findings.error("unsafe-arguments", message, help="change the data id, or split the job")


def gathering_lines(plan: Abstract) -> Iterator[str]:
    """The jobs that gather records, each in one line."""
    profiles = _json(profiles_of(Request()))
    for each in plan.gatherings:
        arguments = ",".join(json.dumps(word) for word in ("collect", "--output", each.output))
        uses = f"{_uses(each.inputs, _INPUT)},{_uses([each.output], _RESULT if each.is_last else _PASSED_ON)}"
        yield _line(COLLECT, each.id, '"gathers records"', arguments, uses, profiles)


def dependency_lines(plan: Abstract) -> Iterator[str]:
    """Parents with their children, each parent in one line, in the order of the jobs."""
    children = children_of(plan.jobs)
    quoted = [f'"{id}"' for id in plan.ids]
    gathering = {job: each.id for each in plan.gatherings for job in each.parents}
    start, item = children.start.tolist(), children.item
    for job, id in enumerate(plan.ids):
        found = [quoted[child] for child in item[start[job] : start[job + 1]].tolist()]
        if id in gathering:
            found.append(f'"{gathering[id]}"')
        if found:
            yield _parent(id, found)
    for each in plan.gatherings:
        if each.id in gathering:
            yield _parent(each.id, [f'"{gathering[each.id]}"'])


def children_of(jobs: JobGraph) -> Rows:
    """The jobs that wait for each job."""
    waits = jobs.edges
    return Rows.from_pairs(waits.item, waits.row, len(jobs))


def write_workflow(path: Path, name: str, jobs: Iterable[str], dependencies: Iterable[str]) -> None:
    """Stream the document: one line a job, one a parent."""
    with path.open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as stream:
        stream.write(f'{{"pegasus":"{VERSION}","name":"{name}","jobs":[')
        for lines, end in ((jobs, '\n],"jobDependencies":['), (dependencies, "\n]}\n")):
            separator = "\n"
            for line in lines:
                stream.write(separator)
                stream.write(line)
                separator = ",\n"
            stream.write(end)


_INPUT = '","type":"input"}'
_RESULT = '","type":"output","stageOut":true,"registerReplica":false}'
_PASSED_ON = '","type":"output","stageOut":false,"registerReplica":false}'
_KEPT = '","type":"checkpoint","stageOut":false,"registerReplica":false}'


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _uses(names: Sequence[str], end: str) -> str:
    """Files of one kind. No sizes: the planner has no use for them, and its schema does not allow numbers."""
    between = end + ',{"lfn":"'
    return f'{{"lfn":"{between.join(names)}{end}' if names else ""


def _line(name: str, id: str, label: str, arguments: str, uses: str, profiles: str) -> str:
    """`label`, `arguments` and `profiles` are JSON already; names and ids hold nothing that it would escape."""
    return (
        f'{{"type":"job","namespace":"{NAMESPACE}","name":"{name}","id":"{id}","nodeLabel":{label},'
        f'"arguments":[{arguments}],"uses":[{uses}],"profiles":{profiles}}}'
    )


def _parent(id: str, children: Sequence[str]) -> str:
    return f'{{"id":"{id}","children":[{",".join(children)}]}}'


def _without(rows: Rows, hidden: NDArray[np.bool_]) -> Rows:
    """The rows without the files that are `hidden`."""
    kept = ~hidden[rows.item]
    start = np.zeros(len(rows.start), dtype=np.int64)
    np.cumsum(np.bincount(rows.row[kept], minlength=len(rows)), out=start[1:])
    return Rows(start, rows.item[kept])
