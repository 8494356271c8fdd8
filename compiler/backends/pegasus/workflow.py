"""A workflow's jobs as Pegasus will know them: ids, transformations, files that jobs add or do not name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from compiler.backends.pegasus.arguments import Arguments, arguments_of
from compiler.backends.pegasus.collecting import COLLECT, RECORDS
from compiler.backends.pegasus.program import Program, programs_of
from compiler.backends.pegasus.quoting import job_ids, json_string, strange_names, workflow_name
from compiler.diagnostics import Findings
from compiler.jobs import JobGraph

RECORD = "_record"
"""The output port of a quantum's record: a job writes those of all its quanta into one file."""
CHECKPOINT = "_checkpoint.tar"
"""With which files end in which a job of several quanta keeps what is done when it fails."""


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
        gathers = [(COLLECT, program) for _, program in named if program.file is not None and self.recorded.any()]
        yield from dict.fromkeys((*named, *gathers[:1]))

    @cached_property
    def file_names(self) -> list[str]:
        """Shape (files,): logical names as they stand between the quotes of JSON."""
        names = self.jobs.files.names
        return [json_string(name)[1:-1] for name in names] if self.strange else names

    @cached_property
    def strange(self) -> list[int]:
        """Files whose names Pegasus' tools would trip over."""
        return strange_names(self.jobs.files.names)

    @cached_property
    def arguments(self) -> Arguments:
        return arguments_of(self.jobs, self.programs)


def abstract(jobs: JobGraph) -> Abstract:
    """Plan how the jobs are said in Pegasus; see `compiler.backends.pegasus.documents` for the documents."""
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
    return Abstract(jobs, programs, heads, names, tools.tolist(), ids, recorded, hidden)


def unsafe_arguments(job: str, reason: str, findings: Findings) -> None:
    """Tell that a job's command cannot get through to it."""
    message = f"arguments of job {job!r}: {reason}"
    findings.error("unsafe-arguments", message, help="change the data id, or split the job")
