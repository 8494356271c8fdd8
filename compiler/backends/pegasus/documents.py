"""The documents that a workflow becomes: one, or a main one with sub-workflows when it is large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.backends.pegasus.collecting import COLLECT, Gathering, Source, gatherings
from compiler.backends.pegasus.layout import OUT, STAGING_VARIABLE
from compiler.backends.pegasus.levels import lists_of
from compiler.backends.pegasus.lines import JobLines, gathering_lines, parent_line, subworkflow_line
from compiler.backends.pegasus.partition import Limits, Part, partition
from compiler.backends.pegasus.replicas import Replicas, write_replicas
from compiler.backends.pegasus.workflow import Abstract
from compiler.diagnostics import Findings
from compiler.jobs import Rows
from compiler.jobs.graph import Ints
from providers.base import COMPUTE, LOCAL

VERSION = "5.0.4"
"""Of the workflow's format, as Pegasus.api 5.1.3 writes it."""
WORKFLOW, REPLICAS = "workflow.yml", "replicas.yml"
RESOLVED = "resolved/"
"""Where plan.sh puts catalogs of a partitioned workflow in which the output folder's name stands."""


@dataclass(frozen=True, eq=False)
class Document:
    """One abstract workflow, with a replica catalog of its own."""

    file: str
    replicas: str
    name: str
    jobs: Ints
    """Numbers, ascending."""
    gatherings: tuple[Gathering, ...]
    """The jobs that gather its records, the last one last; none if there are no records."""
    parts: tuple[Part, ...] = ()
    """Of the main workflow of a partitioned one: its sub-workflows."""

    def ids(self) -> list[str]:
        """Of the jobs that are not in the job graph."""
        return [each.name for each in self.parts] + [each.id for each in self.gatherings]


def documents_of(plan: Abstract, limits: Limits) -> tuple[Document, ...]:
    """The documents of a workflow, the main one first."""
    parts = partition(plan.jobs, limits)
    elsewhere = np.zeros(len(plan.jobs), dtype=bool)
    made = []
    for part in parts:
        elsewhere[part.jobs] = True
        found = gatherings(_sources(plan, part.jobs), f"{COLLECT}-{part.name}")
        name = f"{plan.name}-{part.name}"
        made.append(Document(f"{part.name}.yml", f"{part.name}.{REPLICAS}", name, part.jobs, found))
    jobs = np.flatnonzero(~elsewhere).astype(np.int32)
    below = [(part.name, each.gatherings[-1].output) for part, each in zip(parts, made, strict=True) if each.gatherings]
    main = Document(WORKFLOW, REPLICAS, plan.name, jobs, gatherings([*_sources(plan, jobs), *below]), parts)
    return main, *made


def _sources(plan: Abstract, jobs: Ints) -> list[Source]:
    return [(plan.ids[job], plan.records(job)) for job in jobs[plan.recorded[jobs]].tolist()]


class Writer:
    """Writes documents with their replica catalogs, one after the other."""

    def __init__(self, plan: Abstract, documents: tuple[Document, ...], replicas: Replicas) -> None:
        self._plan = plan
        self._documents = documents
        self._replicas = replicas
        self._lines = JobLines(plan)
        jobs = plan.jobs
        number = np.zeros(len(jobs), dtype=np.int32)
        for n, document in enumerate(documents):
            number[document.jobs] = n
        self._number = number
        followers = Rows.from_pairs(jobs.edges.item, jobs.edges.row, len(jobs))
        together = number[followers.row] == number[followers.item]
        self._within = Rows.from_pairs(followers.row[together], followers.item[together], len(jobs))
        self._apart = (followers.row[~together], followers.item[~together])
        before = jobs.inputs.item < jobs.files.existing
        self._existing = Rows.from_pairs(number[jobs.inputs.row[before]], jobs.inputs.item[before], len(documents))

    def write(self, out: Path, findings: Findings) -> None:
        """Stream every document into the folder `out`: one line a job, one a parent, one a replica."""
        for n, document in enumerate(self._documents):
            with (out / document.file).open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as stream:
                stream.write(f'{{"pegasus":"{VERSION}","name":"{document.name}",{self._metadata(n)}"jobs":[')
                dependencies = self._dependencies(document)
                for lines, end in (
                    (self._jobs(document, findings), '\n],"jobDependencies":['),
                    (dependencies, "\n]}\n"),
                ):
                    separator = "\n"
                    for line in lines:
                        stream.write(separator)
                        stream.write(line)
                        separator = ",\n"
                    stream.write(end)
            write_replicas(out / document.replicas, self._replicas_of(n, document))

    def _metadata(self, number: int) -> str:
        """Of the main workflow: how many quanta its jobs run, and where it stands what they run."""
        calls = self._plan.jobs.calls
        quanta = sum(batch.last - batch.first for batch in calls.batches if calls.tools[batch.tool].label is not None)
        return f'"metadata":{{"quanta":"{quanta}","table":"quanta.parquet"}},' if quanta and not number else ""

    def _replicas_of(self, number: int, document: Document) -> Iterator[str]:
        yield from self._replicas.lines(self._plan.jobs.files.names, self._existing.of(number).tolist())
        for part in document.parts:
            file = f"{part.name}.yml"
            yield from Replicas([((LOCAL, f"file://{OUT}/pegasus/{file}"),)]).lines([file], [0])

    def _jobs(self, document: Document, findings: Findings) -> Iterator[str]:
        yield from self._lines.of(document.jobs, findings)
        names = self._plan.file_names
        for part, below in zip(document.parts, self._documents[1:], strict=False):
            arguments = [
                # A catalog of its own: each planner reads what its documents need, not the whole night.
                f"-Dpegasus.catalog.replica.file={OUT}/pegasus/{RESOLVED}{below.replicas}",
                *("--output-sites", f"${{{STAGING_VARIABLE}}}"),
                *("--staging-site", f"{COMPUTE}=${{{STAGING_VARIABLE}}}"),
            ]
            made = [names[file] for file in part.outputs.tolist()] + [each.output for each in below.gatherings[-1:]]
            inputs = [names[file] for file in part.inputs.tolist()]
            yield subworkflow_line(part.name, below.file, f"{len(part.jobs)} jobs", arguments, inputs, made)
        if document.gatherings:
            jobs = self._plan.jobs
            yield from gathering_lines(document.gatherings, jobs.requests[int(jobs.request[0])])

    def _dependencies(self, document: Document) -> Iterator[str]:
        """Parents with their children, in the order of the jobs."""
        ids = self._plan.ids
        gathering = {source: each.id for each in document.gatherings for source, _ in each.sources}
        across = self._across(document)
        for job, found in zip(document.jobs.tolist(), lists_of(self._within, document.jobs), strict=True):
            id = ids[job]
            yield from _parent(id, [ids[child] for child in found] + across.get(id, []), gathering)
        for part in document.parts:
            yield from _parent(part.name, across.get(part.name, []), gathering)
        for each in document.gatherings:
            yield from _parent(each.id, [], gathering)

    def _across(self, document: Document) -> dict[str, list[str]]:
        """Of the main document: jobs and sub-workflows with the sub-workflows that wait for them, by id."""
        found: dict[str, list[str]] = {}
        if not document.parts:
            return found
        earlier, later = self._apart
        parts, ids = [part.name for part in document.parts], self._plan.ids
        main = self._number[earlier] == 0
        for rows, names in ((earlier[main], ids), (self._number[earlier[~main]] - 1, parts)):
            to = self._number[later[main if names is ids else ~main]] - 1
            pairs = Rows.from_pairs(rows, to, len(names))
            for row in np.flatnonzero(np.diff(pairs.start)).tolist():
                found[names[row]] = [parts[part] for part in pairs.of(row).tolist()]
        return found


def _parent(id: str, children: Iterable[str], gathering: dict[str, str]) -> Iterator[str]:
    found = [*children, gathering[id]] if id in gathering else list(children)
    if found:
        yield parent_line(id, found)
