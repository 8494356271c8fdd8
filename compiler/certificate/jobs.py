"""The second proof: the jobs of a workflow, as they were written, are the quantum graph with some quanta run together.

From the table of quanta and from the written documents it shows that

- every quantum of the graph stands in the table once, with the datasets it reads and writes, and nothing else does;
- each job's arguments name the quanta that the table gives it, in the table's order, which is one in which data flows;
- each job is given what its quanta read and do not make themselves, and hands out all that others read and all that
  is a result;
- jobs wait for each other as their quanta do, no more and no less: the job edges are the quotient of the quantum
  edges, across sub-workflows too.

It shares no code with what groups and writes jobs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compiler.certificate.flow import check_edges, check_order
from compiler.certificate.hashes import command, commands, file_names
from compiler.certificate.job_files import at, check_files
from compiler.certificate.ledger import Ledger
from compiler.certificate.quanta_rows import Table, check_datasets, differences, read_table
from compiler.certificate.written import Written
from compiler.diagnostics import Diagnostic
from compiler.rubin import QuantumGraph


@dataclass(frozen=True, slots=True)
class JobsProof:
    """What the jobs were shown to be."""

    findings: tuple[Diagnostic, ...]
    counts: Counter[str]
    jobs: int
    """Jobs that run quanta."""
    quanta: int
    edges: int
    """Pairs of jobs of which one waits for quanta of the other."""
    documents: int

    def to_json(self) -> dict[str, Any]:
        """As schemas/certificate.schema.json defines it under ``jobs``."""
        return {
            "proved": not self.findings,
            "findings": {code: self.counts[code] for code in sorted(self.counts)},
            "jobs": self.jobs,
            "quanta": self.quanta,
            "edges": self.edges,
            "documents": self.documents,
        }


def certify_jobs(graph: QuantumGraph, path: Path, written: Written) -> JobsProof:
    """Compare a graph, the table of its quanta at `path` and the jobs that were written; differences are findings.

    Raises `CompileError` for a file that is no table of quanta.
    """
    ledger = Ledger()
    edges = 0
    numbers = {id: number for number, id in enumerate(written.ids)}
    if len(numbers) < len(written.ids):
        for id in [id for id, times in Counter(written.ids).items() if times > 1]:
            ledger.error("duplicate-job", f"the id {id!r} stands for several jobs", at(written, numbers[id]))
    for job, what in written.unlike:
        ledger.error("disagreeing-job", f"{written.ids[job]!r}: {what}", at(written, job))
    if written.told != str(len(written.quanta.item)):
        message = f"the metadata tells {written.told} quanta, the arguments of all jobs {len(written.quanta.item)}"
        ledger.error("disagreeing-workflow", message)
    for document, id in written.lost:
        ledger.error("unknown-job", f"dependencies of document {document} name {id!r}, which is no job of it")
    table = None
    if len(numbers) == len(written.ids) and not written.lost:
        table = read_table(graph, path, numbers, ledger)
    if table is not None:
        _check_arguments(graph, written, table, ledger)
        check_order(graph, table, ledger)
        names = file_names(graph)
        check_datasets(graph, path, table, names, ledger)
        handed = check_files(graph, written, table, names, ledger)
        if handed is not None:
            check_edges(written, handed, ledger)
            runs = np.diff(written.quanta.start) > 0
            edges = int(np.count_nonzero(runs[handed[0]] & runs[handed[1]]))
    running = int((np.diff(written.quanta.start) > 0).sum())
    documents = len(set(written.document.tolist()))
    return JobsProof(ledger.findings(), ledger.counts, running, graph.n_quanta, edges, documents)


def _check_arguments(graph: QuantumGraph, written: Written, table: Table, ledger: Ledger) -> None:
    """Whether each job runs the quanta that the table gives it."""
    wanted = commands(graph)[table.order]
    start = np.searchsorted(table.jobs[table.order], np.arange(len(written.ids) + 1))
    told = written.quanta
    same = np.diff(start) == np.diff(told.start)
    if same.all():
        unlike = np.flatnonzero(wanted != told.item)
        same[np.searchsorted(start, unlike, side="right") - 1] = False
    else:
        for job in np.flatnonzero(same).tolist():
            ours, theirs = wanted[start[job] : start[job + 1]], told.item[told.start[job] : told.start[job + 1]]
            same[job] = np.array_equal(ours, theirs)
    for job in np.flatnonzero(~same).tolist():
        quanta = table.order[start[job] : start[job + 1]].tolist()
        lacking, more = differences([command(graph, quantum) for quantum in quanta], written.said(job).quanta)
        what = f"lack {lacking[0]!r}, which is the job's" if lacking else "name the quanta in another order than theirs"
        what = f"name {more[0]!r}, which is not the job's" if more and not lacking else what
        ledger.error("other-arguments", f"the arguments of {written.ids[job]!r} {what}", at(written, job))
    for job in np.flatnonzero(np.diff(told.start) > 0).tolist():
        if written.verbs[job] != "quanta":
            message = f"{written.ids[job]!r} does not run its quanta but says {written.verbs[job]!r}"
            ledger.error("other-arguments", message, at(written, job))
