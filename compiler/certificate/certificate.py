"""The certificate itself: what was proved, as a record and as JSON."""

from __future__ import annotations

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from compiler.certificate.canonical import VERSION
from compiler.certificate.compare import Comparison, compare
from compiler.certificate.evaluate import evaluate
from compiler.certificate.javascript import JavaScript, find_node
from compiler.certificate.ledger import Ledger
from compiler.diagnostics import Diagnostic
from compiler.rubin import QuantumGraph


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
    with _no_collection():
        try:
            evaluation = evaluate(document, job_order, ledger, javascript)
        finally:
            javascript.close()
        # What could not be read at all is told; that every quantum is then missing would only bury it.
        comparison = compare(evaluation, graph, ledger) if evaluation.ran else Comparison()
    return Certificate(
        ledger.findings(),
        ledger.counts,
        tuple(sorted(evaluation.unproved)),
        comparison,
        _hash(document),
        _hash(job_order),
        {"cwl": "v1.2", "rubincwl": _version()},
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the garbage collector: it would walk a growing job order again and again, a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _version() -> str:
    try:
        return version("rubincwl")
    except PackageNotFoundError:
        return "not installed"
