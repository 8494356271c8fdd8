"""Jobs become what Pegasus 5.1 plans: an abstract workflow, catalogs, properties and a script that plans them."""

from __future__ import annotations

from pathlib import Path

from compiler.backends.pegasus import catalogs
from compiler.backends.pegasus.check import check_planning
from compiler.backends.pegasus.documents import RESOLVED, Writer, documents_of
from compiler.backends.pegasus.faults import find_clashes, find_faults
from compiler.backends.pegasus.head_node import HeadNodeProof, prove_head_node, read_proof, write_proof
from compiler.backends.pegasus.layout import Layout, layout_of
from compiler.backends.pegasus.partition import Limits
from compiler.backends.pegasus.plan_script import write_plan_script
from compiler.backends.pegasus.quoting import BOTH_QUOTES
from compiler.backends.pegasus.replicas import INPUTS_MARK, NOTHING, Known, replicas_of, tell_unreachable
from compiler.backends.pegasus.settings import Settings, read_settings
from compiler.backends.pegasus.sites import write_sites
from compiler.backends.pegasus.worker_script import (
    BEFORE,
    BEFORE_SCRIPT,
    SHARED_RUNNER,
    WORKER_SCRIPT,
    shared_runner,
    worker_script,
)
from compiler.backends.pegasus.workflow import Abstract, abstract
from compiler.diagnostics import Diagnostic, Findings
from compiler.jobs import JobGraph
from providers.base import Provider

__all__ = [
    "HeadNodeProof",
    "Known",
    "Settings",
    "ids_of",
    "lower",
    "prove_head_node",
    "read_proof",
    "read_settings",
    "tell_unreachable",
]

_NAMED_AT_MOST = 5


def lower(
    jobs: JobGraph, *, provider: Provider, settings: Settings, out: Path, known: Known = NOTHING
) -> list[Diagnostic]:
    """Write the Pegasus files of `jobs` into the folder `out`, whose parent holds ``runtime/``; returns all findings.

    ``workflow.yml`` depends on the jobs alone; provider and settings show in the catalogs and properties. What they
    leave open stands as a placeholder, told by a warning, and ``plan.sh`` refuses it. With an error among the findings
    the folder is not fit to be planned. `known`: what was found out of existing files.
    """
    findings = Findings()
    for problem in provider.problems():
        findings.error(problem.code, problem.message, help=problem.help, setting=problem.setting)
    out.mkdir(parents=True, exist_ok=True)
    layout = layout_of(provider.handover, settings.container)
    plan = abstract(jobs)
    _write_scripts(out, plan, layout, settings, findings)
    replicas = replicas_of(plan, provider, settings, findings, known)
    catalogs.write_transformations(out / "transformations.yml", plan, provider, settings, findings)
    write_sites(out / "sites.yml", provider, settings, jobs.requests)
    find_faults(plan, findings)
    if findings.errors:
        return list(findings)  # jobs that wait for each other cannot even be put in an order
    documents = documents_of(plan, Limits(settings.partition_jobs, settings.partition_files))
    find_clashes(plan, documents, findings)
    Writer(plan, documents, replicas).write(out, findings)
    folder = RESOLVED if len(documents) > 1 else ""
    properties = catalogs.properties_of(provider.handover, layout, folder)
    catalogs.write_properties(out / "pegasus.properties", properties)
    findings.items.extend(check_planning(properties, (), {}))
    write_plan_script(out / "plan.sh", layout.staging, folder, provider.credentials())
    proof = prove_head_node(out, provider.handover, Path(out.name))
    findings.items.extend(proof.findings)
    write_proof(out, proof)
    _warn_of_placeholders(out, [each.replicas for each in documents], provider, findings)
    _warn_of_science(provider, settings, findings)
    return list(findings)


def ids_of(jobs: JobGraph) -> list[str]:
    """Shape (jobs,): the ids of jobs as ``workflow.yml`` spells them."""
    return abstract(jobs).ids


def _write_scripts(out: Path, plan: Abstract, layout: Layout, settings: Settings, findings: Findings) -> None:
    """What sets the science stack up: ours, then the user's script, whose text it takes if that is on this machine.

    PegasusLite sources it; without it the quantum runner itself becomes a script that begins with it.
    """
    setup = f". {settings.setup_script}" if settings.setup_script else ""
    if settings.setup_script and settings.setup_script.startswith("file://"):
        file = Path(settings.setup_script.removeprefix("file://"))
        if not file.is_file():
            message = f"no file {str(file)!r} to set the science stack up"
            findings.error("no-setup-script", message, setting="setup_script")
            return
        setup = file.read_text()
    carried = layout.configuration == "condorio"
    if carried:
        (out / BEFORE_SCRIPT).write_text(BEFORE)
        (out / BEFORE_SCRIPT).chmod(0o755)
    if layout.lite:
        (out / WORKER_SCRIPT).write_text(worker_script(setup, carried))
        return
    if any(BOTH_QUOTES in each for each in plan.arguments.own):
        message = "a data id with both kinds of quotes would not reach a job through HTCondor alone"
        findings.error("unsafe-arguments", message, help="hand files over in another way than a shared folder")
    if plan.runner is not None:
        runner = out.parent / plan.jobs.files.locations[plan.runner]
        (out / SHARED_RUNNER).write_bytes(shared_runner(runner.read_bytes(), setup))
        (out / SHARED_RUNNER).chmod(0o755)


def _warn_of_placeholders(out: Path, replicas: list[str], provider: Provider, findings: Findings) -> None:
    files = [out / name for name in ("sites.yml", *replicas, "transformations.yml", "pegasus.properties")]
    for mark, names in catalogs.marks_in(files, (*provider.placeholders(), INPUTS_MARK)).items():
        some = names if len(names) < _NAMED_AT_MOST else [*names[: _NAMED_AT_MOST - 1], f"{len(names)} files in all"]
        findings.warning(
            "placeholder",
            f"{mark.mark} in {', '.join(some)} stands for {mark.meaning}",
            help=f"say {mark.setting} in targets: {provider.name} and compile again; plan.sh refuses until then",
        )


def _warn_of_science(provider: Provider, settings: Settings, findings: Findings) -> None:
    """Workers that bring nothing of their own need to be told where the science stack is."""
    if settings.container or settings.setup_script:
        return
    usual = {"container": "container: docker://IMAGE", "setup-script": "setup_script: /path/on/the/workers"}
    findings.warning(
        "no-science-stack",
        f"nothing is said of how the science stack reaches a worker of {provider.name}: it must be there",
        help=f"usual for {provider.name} is {usual[provider.science]}",
    )
