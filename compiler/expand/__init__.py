"""CWL and a job order become jobs: every scatter unrolled, every command line evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from compiler.collection import no_collection
from compiler.diagnostics import Findings
from compiler.expand.document import Processes
from compiler.expand.files import FileTable
from compiler.expand.ledger import Ledger
from compiler.expand.workflow import Runner
from compiler.jobs import Calls, Files, JobGraph, group

__all__ = ["expand", "expand_calls"]


def expand(
    document: Mapping[str, Any],
    job_order: Mapping[str, Any],
    name: str = "workflow",
    keep: Callable[[str, str], bool] = lambda label, port: True,
) -> JobGraph:
    """Every job that `document` (CWL v1.2 as plain data) makes of `job_order`, and the files between them.

    Scatters (dotproduct), nested workflows, File and File[] links and regroups are unrolled; parameter references
    are evaluated with each file standing under its base name. Calls whose tools say that they belong to one cluster
    share a job; `keep` is asked with a task's label and a port whether a file leaves a job that alone uses it. Raises
    `CompileError` with every finding: what a job graph cannot express (``unsupported-...``), a missing input, two
    makers of one file, two jobs of one name.
    """
    with no_collection():
        files, calls = expand_calls(document, job_order)
        return group(name, files, calls, keep)


def expand_calls(document: Mapping[str, Any], job_order: Mapping[str, Any]) -> tuple[Files, Calls]:
    """Every call of a tool, before they are grouped into jobs; raises as `expand` does."""
    findings = Findings()
    processes = Processes(document, findings)
    findings.raise_errors()
    ledger = Ledger(findings, FileTable(findings))
    main = processes.main()
    Runner(processes, ledger, findings).run_main(main, job_order)
    findings.raise_errors()
    done = ledger.finish()
    findings.raise_errors()
    return done
