"""From a workflow to the files of a target: expand, ask the provider for its facts, write what the backend knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.diagnostics import Diagnostic, Findings
from compiler.frontend.config import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from compiler.certificate.jobs import JobsProof
    from compiler.jobs import JobGraph
    from compiler.rubin import QuantumGraph

TABLE = "quanta.parquet"
"""Which job runs which quantum: see `compiler.quanta_table`."""


def lower_to(
    target: str,
    jobs: JobGraph,
    settings: Settings,
    out: Path,
    findings: Findings,
    observe: Callable[[str], AbstractContextManager[None]],
) -> None:
    """Write the Pegasus files of a workflow's jobs for the provider `target` into the folder `out`.

    Beside them stands ``quanta.parquet``, the table of what each job runs. Raises `CompileError` for every error in
    the settings, and for what Pegasus cannot run.
    """
    from compiler.backends import pegasus
    from compiler.quanta_table import write_table
    from providers import load_provider

    ours, theirs = _divide(settings.values)
    with observe(f"lower to Pegasus on {target}"):
        own = Findings()
        chosen = pegasus.read_settings(ours, own)
        own.items.extend(pegasus.lower(jobs, provider=load_provider(target, theirs), settings=chosen, out=out))
    findings.items.extend(_placed(each, target, settings) for each in own)
    findings.raise_errors()
    with observe("write the table of quanta"):
        write_table(out / TABLE, jobs, pegasus.ids_of(jobs))


def prove_jobs(graph: QuantumGraph, out: Path) -> JobsProof:
    """Hold the jobs that were written into the folder `out` against the quantum graph."""
    from compiler.backends.pegasus.reading import read_workflow
    from compiler.certificate.jobs import certify_jobs

    return certify_jobs(graph, out / TABLE, read_workflow(out))


def _divide(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings that Pegasus needs anywhere, and those that are the provider's own."""
    from compiler.backends import pegasus

    known = {each.name for each in fields(pegasus.Settings)}
    ours = {key: value for key, value in values.items() if key in known}
    return ours, {key: value for key, value in values.items() if key not in known}


def _placed(finding: Diagnostic, target: str, settings: Settings) -> Diagnostic:
    """The finding at the line of the configuration whose value alone brings it about."""
    if finding.place is not None or finding.severity != "error":
        return finding
    for key, place in settings.places.items():
        if finding.message in _complaints(key, settings.values[key], target):
            return replace(finding, place=place)
    return finding


def _complaints(key: str, value: Any, target: str) -> set[str]:
    from compiler.backends import pegasus
    from providers import load_provider

    own = Findings()
    ours, theirs = _divide({key: value})
    pegasus.read_settings(ours, own)
    return {each.message for each in (*own, *load_provider(target, theirs).problems())}
