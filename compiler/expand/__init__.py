"""CWL and a job order become jobs: every scatter unrolled, every command line evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.diagnostics import Findings
from compiler.expand.document import Processes
from compiler.expand.ledger import Ledger
from compiler.expand.workflow import Runner
from compiler.jobs import JobGraph

__all__ = ["expand"]


def expand(document: Mapping[str, Any], job_order: Mapping[str, Any], name: str = "workflow") -> JobGraph:
    """Every job that `document` (CWL v1.2 as plain data) makes of `job_order`, and the files between them.

    Scatters (dotproduct), nested workflows, File and File[] links and regroups are unrolled; parameter references
    are evaluated with each file standing under its base name. Raises `CompileError` with every finding: what a job
    graph cannot express (``unsupported-...``), a missing input, two makers of one file, two jobs of one name.
    """
    findings = Findings()
    processes = Processes(document, findings)
    findings.raise_errors()
    ledger = Ledger(findings)
    main = processes.main()
    runner = Runner(processes, ledger, findings)
    runner.run_main(main, job_order)
    findings.raise_errors()
    return ledger.graph(name)
