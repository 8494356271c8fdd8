"""From a workflow to the files of a target: expand, ask the provider for its facts, write what the backend knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.diagnostics import CompileError, Diagnostic, Findings
from compiler.frontend.config import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from compiler.backends.pegasus import HeadNodeProof, Known
    from compiler.certificate.jobs import JobsProof
    from compiler.jobs import JobGraph
    from compiler.rubin import QuantumGraph
    from providers import Provider

TABLE = "quanta.parquet"
"""Which job runs which quantum: see `compiler.quanta_table`."""


_FOR_ALL = frozenset({"partition_jobs", "partition_files"})
"""What the configuration says for all targets, and no target for itself."""


def lower_to(
    target: str,
    jobs: JobGraph,
    settings: Settings,
    out: Path,
    findings: Findings,
    observe: Callable[[str], AbstractContextManager[None]],
    known: Known | None = None,
) -> HeadNodeProof:
    """Write the Pegasus files of a workflow's jobs for the provider `target` into the folder `out`.

    Beside them stands ``quanta.parquet``, the table of what each job runs. Raises `CompileError` for every error in
    the settings, and for what Pegasus cannot run. `known`: what was found out of existing files. Returns the proof
    that no payload passes the submit host.
    """
    from compiler.backends import pegasus
    from compiler.quanta_table import write_table
    from providers import load_provider

    ours, theirs = _divide(settings.values)
    with observe(f"lower to Pegasus on {target}"):
        own = Findings()
        chosen = pegasus.read_settings(ours, own)
        provider = load_provider(target, theirs)
        own.items.extend(
            pegasus.lower(jobs, provider=provider, settings=chosen, out=out, known=known or pegasus.Known())
        )
    findings.items.extend(map(settings.placed, own))
    findings.raise_errors()
    with observe("write the table of quanta"):
        write_table(out / TABLE, jobs, pegasus.ids_of(jobs))
    return pegasus.read_proof(out)


def prove_head_node(out: Path) -> HeadNodeProof:
    """Look again at whether payload passes the submit host, by the Pegasus files in the folder `out`."""
    from compiler.backends import pegasus

    return pegasus.prove_head_node(out)


def check_target(target: str, settings: Settings, findings: Findings, *, jobs: bool = False) -> Provider:
    """The provider `target` with its `settings`; raises `CompileError` with all that is wrong with them.

    `jobs`: are to run with them, so they must be able to fetch from where the inputs are.
    """
    from compiler.backends import pegasus
    from compiler.frontend.targets import check_settings
    from providers import ProviderUnavailableError, UnknownProviderError, load_provider

    ours, theirs = _divide(settings.values)
    own = Findings()
    try:
        provider = load_provider(target, theirs)
    except UnknownProviderError as error:
        help = f"did you mean '{error.closest}'?" if error.closest else f"known are {', '.join(error.known)}"
        raise CompileError([Diagnostic("unknown-target", f"no provider '{target}'", help=help)]) from error
    except ProviderUnavailableError as error:
        raise CompileError([Diagnostic("provider-unavailable", str(error))]) from error
    check_settings(target, {**theirs, **{key: ours[key] for key in ours if key not in _FOR_ALL}}, own)
    if not own.errors:
        for problem in provider.problems():
            own.error(problem.code, problem.message, help=problem.help, setting=problem.setting)
        chosen = pegasus.read_settings(ours, own)
        if jobs and not own.errors:
            pegasus.tell_unreachable(provider, chosen, own)
    findings.items.extend(map(settings.placed, own))
    findings.raise_errors()
    return provider


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
