"""Graphs brought down the whole road to written jobs, and the second proof of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from compiler.analysis.requests import Clustering, Requests
from compiler.certificate.jobs import JobsProof
from compiler.diagnostics import Diagnostic, Findings
from compiler.driver import silent
from compiler.expand import expand
from compiler.frontend.config import Settings
from compiler.jobs import JobGraph
from compiler.lowering import TABLE, lower_to, prove_jobs
from compiler.rubin import QuantumGraph
from compiler.translate import translate
from compiler.translate.plan import Runtime

Document = dict[str, Any]


def clusters(graph: QuantumGraph, groups: Sequence[Sequence[int]]) -> Clustering:
    """The clustering with these groups of quanta, and every other quantum alone."""
    of = np.arange(graph.n_quanta) + graph.n_quanta
    for number, group in enumerate(groups):
        of[list(group)] = number
    _, first, inverse = np.unique(of, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return Clustering(rank[inverse], tuple(task.label for task in graph.tasks))


def cut(graph: QuantumGraph, random: Random, largest: int) -> Clustering:
    """Pieces of a line of quanta in which data flows, which never wait for each other in a circle."""
    waiting = {
        quantum: {int(graph.producer[d]) for d in graph.reads.dataset[graph.reads.of(quantum)]} - {-1}
        for quantum in range(graph.n_quanta)
    }
    line: list[int] = []
    while waiting:
        line.append(random.choice([quantum for quantum, before in waiting.items() if not before & waiting.keys()]))
        del waiting[line[-1]]
    groups = []
    while line:
        size = random.randint(1, largest)
        groups.append(line[:size])
        line = line[size:]
    return clusters(graph, groups)


def jobs_of(
    graph: QuantumGraph,
    clustering: Clustering | None = None,
    keep: Callable[[str, str], bool] = lambda label, port: False,
) -> JobGraph:
    """The jobs of a graph; without a clustering, one a quantum."""
    runtime = Runtime(Requests.default(graph), clustering or Clustering.single(graph))
    workflow = translate(graph, runtime=runtime)
    return expand(workflow.document, workflow.job_order, "graph", keep)


def lowered(jobs: JobGraph, out: Path, **settings: Any) -> list[Diagnostic]:
    """Write the jobs with their table into `out`; raises `CompileError` for what Pegasus cannot run."""
    findings = Findings()
    lower_to("aws", jobs, Settings(settings), out, findings, silent)
    return list(findings)


def proof_of(graph: QuantumGraph, out: Path) -> JobsProof:
    return prove_jobs(graph, out)


def table_of(out: Path) -> list[dict[str, Any]]:
    """The rows of the table."""
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(out / TABLE).to_pylist()
    return rows


def write_rows(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Replace the table's rows."""
    import pyarrow as pa
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(out / TABLE)
    pyarrow.parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), out / TABLE)


def document_of(out: Path, file: str = "workflow.yml") -> Document:
    found: Document = json.loads((out / file).read_text())
    return found


def write_document(out: Path, document: Document, file: str = "workflow.yml") -> None:
    (out / file).write_text(json.dumps(document))
