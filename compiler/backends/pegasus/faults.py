"""The check of `compiler.backends.pegasus.check`, done on columns before anything is written.

What it finds is what `check_workflow` would find in the document; a test holds the two against each other. A document
of a million quanta cannot be looked at job by job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from compiler.backends.pegasus import profiles
from compiler.backends.pegasus.collecting import COLLECT
from compiler.backends.pegasus.documents import Document
from compiler.backends.pegasus.levels import levels_of
from compiler.backends.pegasus.quoting import LONGEST_NODE_ALLOWED, node_name
from compiler.backends.pegasus.workflow import Abstract, unsafe_arguments
from compiler.diagnostics import Findings, Origin
from compiler.jobs import JobGraph

_FILE = "workflow.yml"
_NAMED_AT_MOST = 5


def find_faults(plan: Abstract, findings: Findings) -> None:
    """Everything wrong with the jobs, but for the length of arguments."""
    _files(plan, findings)
    _commands(plan, findings)
    _profiles(plan, findings)
    if _handing_over(plan.jobs, findings):
        _cycles(plan.jobs, findings)


def find_clashes(plan: Abstract, documents: Iterable[Document], findings: Findings) -> None:
    """Ids of jobs, and of DAGMan's nodes, that are one; those of jobs that documents add are among them."""
    names = [name.replace(".", "_").replace("+", "_").replace("=", "_") + "_" for name in plan.names]
    added = [id for each in documents for id in each.ids()]
    nodes = [names[tool] + id for tool, id in zip(plan.tools, plan.ids, strict=True)]
    nodes += [node_name(COLLECT, id) for id in added]
    for id in _twice([*plan.ids, *added]):
        _error(findings, "duplicate-id", f"two jobs have the id {id!r}, so one is lost", id)
    for node in _twice(nodes):
        _error(findings, "duplicate-node", f"two jobs become the DAGMan node {node!r}, so one is lost")
    if max(map(len, nodes), default=0) > LONGEST_NODE_ALLOWED:
        for node in nodes:
            if len(node) > LONGEST_NODE_ALLOWED:
                message = f"files called after the node {node[:40]!r}... would have too long names"
                _error(findings, "long-name", message)


def _error(findings: Findings, code: str, message: str, job: str = "") -> None:
    findings.error(code, message, Origin(_FILE, job))


def _files(plan: Abstract, findings: Findings) -> None:
    """Letters of file names, and names that two files have."""
    files = plan.jobs.files
    for place in plan.strange:
        _error(findings, "bad-file-name", f"the file name {files.names[place]!r} is not of A-Z a-z 0-9 . _ + -")
    ours = [*map(plan.records, np.flatnonzero(plan.recorded).tolist()), *plan.checkpoints()]
    names = [*files.names, *ours] if ours else files.names
    before = set(files.names[: files.existing]) if (twice := _twice(names)) else set()
    for name in sorted(twice):
        if name not in before:
            _error(findings, "two-producers", f"{name!r} is made by two jobs")
        elif name in files.names[files.existing :] or name in ours:
            _error(findings, "replica-of-output", f"{name!r} is made by a job and has a replica: Pegasus would drop it")
        else:
            _error(findings, "duplicate-replica", f"two files that exist are called {name!r}")


def _twice(names: Sequence[str]) -> list[str]:
    """Names that stand more than once; hashes are compared first, as a set of millions of names is a large thing."""
    hashes = np.fromiter(map(hash, names), dtype=np.int64, count=len(names))
    ordered = np.sort(hashes)
    equal = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(equal):
        return []
    suspects = np.flatnonzero(np.isin(hashes, equal)).tolist()
    return [name for name, times in Counter(names[place] for place in suspects).items() if times > 1]


def _commands(plan: Abstract, findings: Findings) -> None:
    jobs = plan.jobs
    refused = dict(reversed(plan.arguments.refused))
    told: set[int] = set()
    for call in sorted(refused):
        job = int(jobs.job_of_call[call])
        if job not in told:
            told.add(job)
            unsafe_arguments(jobs.ids[job], refused[call], findings)


def _profiles(plan: Abstract, findings: Findings) -> None:
    jobs = plan.jobs
    kinds, first = np.unique(jobs.request, return_index=True)
    for kind, job in zip(kinds.tolist(), first.tolist(), strict=True):
        for code, message in profiles.problems(profiles.profiles_of(jobs.requests[kind])):
            _error(findings, code, f"job {plan.ids[job]!r}: {message}", plan.ids[job])


def _handing_over(jobs: JobGraph, findings: Findings) -> bool:
    """Whether every file that is read is there or made by one call; what is not is told."""
    files, reads, writes = jobs.files, jobs.calls.reads.item, jobs.calls.writes.item
    size = max(len(files), int(reads.max(initial=-1)) + 1, int(writes.max(initial=-1)) + 1)
    makers = np.bincount(writes, minlength=size)
    read = np.zeros(size, dtype=bool)
    read[reads] = True
    twice = np.flatnonzero(makers[files.existing :] > 1) + files.existing
    there = np.flatnonzero(makers[: files.existing])
    lost = np.flatnonzero(read[files.existing :] & (makers[files.existing :] == 0)) + files.existing
    for code, places, message in (
        ("two-producers", twice, "{!r} is made by two calls"),
        ("replica-of-output", there, "{!r} is made by a job and has a replica: Pegasus would drop the job"),
        ("missing-replica", lost, "no job makes the input {!r} and no replica of it is known"),
    ):
        for place in places.tolist():
            name = files.names[place] if place < len(files) else f"file {place}"
            _error(findings, code, message.format(name))
    return not (len(twice) or len(there) or len(lost))


def _cycles(jobs: JobGraph, findings: Findings) -> None:
    cyclic: NDArray[np.int64] = np.flatnonzero(levels_of(jobs.edges) < 0)
    if len(cyclic):
        names = ", ".join(repr(jobs.ids[job]) for job in cyclic[:_NAMED_AT_MOST].tolist())
        _error(findings, "cycle", f"{len(cyclic)} jobs wait for each other, among them {names}")
