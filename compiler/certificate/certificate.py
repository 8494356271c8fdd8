"""The certificate itself: what was proved, as a record and as JSON."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from compiler.certificate.align import align
from compiler.certificate.batches import Batches
from compiler.certificate.canonical import VERSION, GraphColumns
from compiler.certificate.columns import OddError
from compiler.certificate.compare import Comparison, compare, counted
from compiler.certificate.evaluate import Program, compiled
from compiler.certificate.folder import json_pieces
from compiler.certificate.javascript import JavaScript, find_node
from compiler.certificate.ledger import Ledger
from compiler.collection import no_collection
from compiler.diagnostics import Diagnostic
from compiler.rubin import QuantumGraph

EXPLAINED = 500_000
"""Quanta of the largest graph whose differences are looked for call by call, at 70 µs and 4 kB a quantum."""

_SMALLER = f"all differences are told for graphs of up to {EXPLAINED} quanta"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What evaluating a workflow showed about it and a quantum graph."""

    findings: tuple[Diagnostic, ...]
    """Every difference, the first of each kind in full; empty if there is none."""
    counts: Counter[str]
    """Findings by code."""
    unproved: tuple[str, ...]
    """Steps whose expressions were not evaluated for want of a JavaScript engine."""
    comparison: Comparison
    workflow_hash: str
    job_order_hash: str
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Whether the workflow is shown to do exactly what the graph says."""
        return not self.findings and not self.unproved

    def to_json(self) -> dict[str, Any]:
        """As schemas/certificate.schema.json defines it: the same input gives the same bytes."""
        shown = self.comparison
        return {
            "certificate": 1,
            "proved": self.proved,
            "unproved": list(self.unproved),
            "findings": {code: self.counts[code] for code in sorted(self.counts)},
            "quanta": shown.quanta,
            "datasets": shown.datasets,
            "inputs": shown.inputs,
            "edges": shown.edges,
            "canonical": VERSION,
            "hash": shown.hash,
            "graph_hash": shown.graph_hash,
            "workflow_hash": self.workflow_hash,
            "job_order_hash": self.job_order_hash,
            "versions": self.versions,
        }


def certify(
    document: dict[str, Any],
    job_order: dict[str, Any],
    graph: QuantumGraph,
    find_node: Callable[[], Path | None] = find_node,
) -> Certificate:
    """Evaluate a CWL document (plain objects, as read from its text) with its job order, and compare with the graph.

    Differences are findings of the certificate, never exceptions. `find_node` answers with the JavaScript engine.
    """
    ledger = Ledger()
    javascript = JavaScript(find_node)
    unproved: list[str] = []
    comparison = Comparison()
    with no_collection():
        try:
            # What cannot be read at all is told; that every quantum is then missing would only bury it.
            program = compiled(document, ledger, javascript)
            if program is not None:
                comparison = _judged(program, job_order, GraphColumns(graph), ledger, javascript, unproved)
        finally:
            javascript.close()
    return Certificate(
        ledger.findings(),
        ledger.counts,
        tuple(sorted(unproved)),
        comparison,
        _hash(document),
        _hash(job_order),
        {"cwl": "v1.2", "rubincwl": _version()},
    )


def _judged(
    program: Program,
    job_order: Any,
    columns: GraphColumns,
    ledger: Ledger,
    javascript: JavaScript,
    unproved: list[str],
) -> Comparison:
    """Prove it in columns, or find out call by call what is wrong."""
    odd = "its document is not in order"
    if not ledger.counts:
        try:
            return proved(program, job_order, columns, javascript)
        except OddError as problem:
            odd = str(problem)
        except RecursionError:
            odd = "the job order is nested too deeply"
    if columns.graph.n_quanta > EXPLAINED:
        text = f"the workflow is not shown to be the quantum graph: {odd}"
        ledger.error("unexplained-difference", text, help=_SMALLER)
        return counted(columns)
    evaluation = program.interpret(job_order)
    unproved += evaluation.unproved
    return compare(evaluation, columns, ledger)


def proved(program: Program, job_order: Any, columns: GraphColumns, javascript: JavaScript) -> Comparison:
    """Prove all calls of a step at once; raises `OddError` for whatever is not plainly right."""
    batches = Batches(javascript)
    batches.run(program, job_order)
    return align(batches, columns)


def _hash(content: Any) -> str:
    total = hashlib.sha256()
    for piece in json_pieces(content):
        total.update(piece)
    return f"sha256:{total.hexdigest()}"


def _version() -> str:
    try:
        return version("rubincwl")
    except PackageNotFoundError:
        return "not installed"
