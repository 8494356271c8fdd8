"""Jobs become what Pegasus 5.1 plans: an abstract workflow, catalogs, properties and a script that plans them."""

from __future__ import annotations

from pathlib import Path

from compiler.backends.pegasus import catalogs
from compiler.backends.pegasus.catalogs import Known
from compiler.backends.pegasus.check import check_planning
from compiler.backends.pegasus.documents import RESOLVED, Writer, documents_of
from compiler.backends.pegasus.faults import find_clashes, find_faults
from compiler.backends.pegasus.partition import Limits
from compiler.backends.pegasus.plan_script import write_plan_script
from compiler.backends.pegasus.settings import Settings, read_settings
from compiler.backends.pegasus.worker_script import WORKER_SCRIPT, worker_script
from compiler.backends.pegasus.workflow import abstract
from compiler.diagnostics import Diagnostic, Findings
from compiler.jobs import JobGraph
from providers.base import Provider

__all__ = ["Known", "Settings", "ids_of", "lower", "read_settings"]

_NAMED_AT_MOST = 5


def lower(jobs: JobGraph, *, provider: Provider, settings: Settings, out: Path) -> list[Diagnostic]:
    """Write the Pegasus files of `jobs` into the folder `out`, whose parent holds ``runtime/``; returns all findings.

    ``workflow.yml`` depends on the jobs alone; provider and settings show in the catalogs and properties. What they
    leave open stands as a placeholder, told by a warning, and ``plan.sh`` refuses it. With an error among the findings
    the folder is not fit to be planned.
    """
    findings = Findings()
    for problem in provider.problems():
        findings.error(problem.code, problem.message, help=problem.help)
    out.mkdir(parents=True, exist_ok=True)
    _write_worker_script(out / WORKER_SCRIPT, settings, findings)
    plan = abstract(jobs)
    replicas = catalogs.replicas_of(plan, provider, settings, findings)
    catalogs.write_transformations(out / "transformations.yml", plan, provider, settings, findings)
    catalogs.write_sites(out / "sites.yml", provider, settings)
    find_faults(plan, findings)
    if findings.errors:
        return list(findings)  # jobs that wait for each other cannot even be put in an order
    documents = documents_of(plan, Limits(settings.partition_jobs, settings.partition_files))
    find_clashes(plan, documents, findings)
    Writer(plan, documents, replicas).write(out, findings)
    folder = RESOLVED if len(documents) > 1 else ""
    properties = catalogs.properties_of(folder)
    catalogs.write_properties(out / "pegasus.properties", properties)
    findings.items.extend(check_planning(properties, (), {}))
    write_plan_script(out / "plan.sh", folder)
    _warn_of_placeholders(out, [each.replicas for each in documents], provider, findings)
    return list(findings)


def ids_of(jobs: JobGraph) -> list[str]:
    """Shape (jobs,): the ids of jobs as ``workflow.yml`` spells them."""
    return abstract(jobs).ids


def _write_worker_script(path: Path, settings: Settings, findings: Findings) -> None:
    """What PegasusLite sources: ours, then the user's set-up script, whose text it takes if that is on this machine."""
    setup = f". {settings.setup_script}" if settings.setup_script else ""
    if settings.setup_script and settings.setup_script.startswith("file://"):
        file = Path(settings.setup_script.removeprefix("file://"))
        if not file.is_file():
            findings.error("no-setup-script", f"no file {str(file)!r} to set the science stack up")
            return
        setup = file.read_text()
    path.write_text(worker_script(setup))


def _warn_of_placeholders(out: Path, replicas: list[str], provider: Provider, findings: Findings) -> None:
    files = [out / name for name in ("sites.yml", *replicas, "transformations.yml", "pegasus.properties")]
    for mark, names in catalogs.marks_in(files, (*provider.placeholders(), catalogs.INPUTS_MARK)).items():
        some = names if len(names) < _NAMED_AT_MOST else [*names[: _NAMED_AT_MOST - 1], f"{len(names)} files in all"]
        findings.warning(
            "placeholder",
            f"{mark.mark} in {', '.join(some)} stands for {mark.meaning}",
            help=f"set {mark.setting} and compile again; plan.sh refuses until then",
        )
