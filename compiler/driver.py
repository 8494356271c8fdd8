"""The whole road on one page: read, check, translate, prove, expand, lower, write."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from compiler.collection import no_collection
from compiler.diagnostics import BugError, CompileError, Findings
from compiler.frontend.config import Configuration, Settings
from compiler.lock import Ingredient, lock
from compiler.output_folder import MARK, whole_folder
from compiler.preparation import prepare
from compiler.shards import can_shard
from compiler.summary import json_text, summarise, summarise_jobs, target_of

if TYPE_CHECKING:
    from compiler.backends.pegasus import HeadNodeProof
    from compiler.certificate import Certificate
    from compiler.certificate.jobs import JobsProof
    from compiler.inputs import Verified
    from compiler.preparation import Prepared
    from compiler.rubin import Pipeline, QuantumGraph
    from compiler.translate import Workflow
    from providers import MachineType
    from providers.provisioning.base import ClusterPlan

Observe = Callable[[str], AbstractContextManager[Any]]
"""Entered with the name of each stage as it begins; may give a function that is then called with the numbers of things
done and of all."""

PORTABLE = "cwl"
"""The target that is CWL alone; every other is a provider's name."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user may choose beside the pipeline and the graph."""

    target: str = PORTABLE
    settings: Settings = field(default_factory=Settings)
    """Of the target: bucket, region and the like, as its provider names them."""
    configuration: Configuration = field(default_factory=Configuration)
    """What quanta ask for, which run together, which results are kept: the same for all targets."""
    repo: Path | None = None
    """The repository on this machine, to which ``inputs`` then points."""
    container: str | None = None
    """Image that every tool of the CWL document hints at. Off by default: some engines start it on such a hint."""
    overwrite: bool = False
    """Whether a folder that holds the results of a run may be replaced."""
    verify_inputs: bool = False
    """Whether every input is looked for, where jobs will take it from, before anything else is done."""


@dataclass(frozen=True)
class Compiled:
    """What a compile made."""

    out: Path
    certificate: Certificate
    summary: dict[str, Any]
    findings: Findings
    """Warnings and notes; errors are raised."""
    jobs: JobsProof | None = None
    """The second proof, for targets with jobs."""
    verified: Verified | None = None
    """Where the inputs are, if they were looked for."""
    head_node: HeadNodeProof | None = None
    """That no payload passes the submit host, for targets with jobs."""

    def proofs(self) -> dict[str, Any]:
        """As ``certificate.json``."""
        return _proofs(self.certificate, self.jobs)


@dataclass(frozen=True)
class Checked:
    """What a check showed."""

    certificate: Certificate
    jobs: JobsProof | None
    """The second proof, if jobs were there to be held against the graph."""
    findings: Findings
    verified: Verified | None = None
    """Where the inputs are, if they were looked for."""
    head_node: HeadNodeProof | None = None
    """That no payload passes the submit host, for targets with jobs."""

    def proofs(self) -> dict[str, Any]:
        """As ``certificate.json``."""
        return _proofs(self.certificate, self.jobs)


def silent(stage: str) -> AbstractContextManager[None]:
    """An observer that says nothing."""
    return nullcontext()


def compile_folder(
    pipeline: Path | str, graph: Path | str, out: Path | str, choices: Choices | None = None, observe: Observe = silent
) -> Compiled:
    """Compile into the folder `out`, which is there whole or, if anything is wrong, as it was.

    Raises `CompileError` with every finding of the stage that failed, and `BugError` if the certificate does not hold.
    """
    choices = choices or Choices()
    findings = Findings()
    out = Path(out)
    configuration = choices.configuration.for_target(choices.target)
    choices.configuration.tell_one_target_only(findings)
    machines, cluster = _target(choices, findings)
    with no_collection(), whole_folder(out, choices.overwrite) as draft:
        plan, quanta = read(pipeline, graph, findings, observe)
        verified = _verify(choices, quanta, findings, observe)
        prepared = prepare(quanta, configuration, findings, observe, sharded=can_shard(Path(graph)))
        _check_machines(machines, choices.target, quanta, prepared, findings)
        with observe("translate"):
            from compiler.translate import translate

            description = plan.description or None
            workflow = translate(quanta, description=description, container=choices.container, runtime=prepared.runtime)
        with observe("write"):
            _write(workflow, prepared, quanta, Path(graph), draft, choices.repo)
        workflow = replace(workflow, job_order={})  # large, and written
        with observe("prove"):
            from compiler.certificate import certify, read_folder

            # What was written is proved, not what was meant to be written.
            document, job_order = read_folder(draft)
            certificate = _hold(certify(document, job_order, quanta), findings)
        lowered = proof = head_node = None
        if choices.target != PORTABLE:
            from compiler.lowering import lower_to, prove_jobs
            from compiler.verification import known_of

            name = quanta.output_run or Path(pipeline).stem
            with observe("expand"):
                from compiler.expand import expand

                jobs = expand(document, job_order, name, prepared.keep)
            del document, job_order
            known = None if verified is None else known_of(verified)
            folder = draft / "pegasus"
            head_node = lower_to(choices.target, jobs, choices.settings, folder, findings, observe, known)
            lowered = summarise_jobs(quanta, jobs)
            del jobs  # large, and written
            with observe("prove the jobs"):
                proof = _hold_jobs(prove_jobs(quanta, folder))
        if cluster is not None:
            from compiler.clusters import FOLDER, write_cluster

            write_cluster(cluster, draft / FOLDER)
        (draft / "certificate.json").write_text(json_text(_proofs(certificate, proof)))
        summary = summarise(plan, quanta, workflow, lowered, prepared, choices.target, findings)
        (draft / "summary.json").write_text(json_text(summary), encoding="utf-8")
        (draft / MARK).write_text(json_text(_lock(plan, Path(graph), draft, choices)), encoding="utf-8")
    return Compiled(out, certificate, summary, findings, proof, verified, head_node)


def check(
    pipeline: Path | str,
    graph: Path | str,
    against: Path | str | None = None,
    observe: Observe = silent,
    choices: Choices | None = None,
) -> Checked:
    """Prove the translation of a pipeline and a graph, or the folder `against` of an earlier compile; writes nothing.

    For a target other than CWL alone everything is told that a compile would tell. A folder that is not the graph's is
    a finding of the certificate, jobs that are not its quanta are findings of the second proof. Raises as
    `compile_folder` does.
    """
    from compiler.certificate import certify

    choices = choices or Choices()
    if choices.target != PORTABLE and against is None:
        with TemporaryDirectory(prefix="rubincwl-check-") as folder:
            done = compile_folder(pipeline, graph, Path(folder) / "out", choices, observe)
        return Checked(done.certificate, done.jobs, done.findings, done.verified, done.head_node)
    findings = Findings()
    choices.configuration.tell_one_target_only(findings)
    with no_collection():
        plan, quanta = read(pipeline, graph, findings, observe)
        verified = _verify(choices, quanta, findings, observe)
        if against is not None:
            return replace(_check_again(Path(against), quanta, findings, observe), verified=verified)
        prepared = prepare(quanta, choices.configuration, findings, observe, sharded=can_shard(Path(graph)))
        with observe("translate"):
            from compiler.translate import translate

            workflow = translate(quanta, description=plan.description or None, runtime=prepared.runtime)
        with observe("prove"):
            certificate = _hold(certify(workflow.document, workflow.job_order, quanta), findings)
    return Checked(certificate, None, findings, verified)


def _check_again(out: Path, quanta: QuantumGraph, findings: Findings, observe: Observe) -> Checked:
    """All proofs of what an earlier compile wrote."""
    from compiler.certificate import certify, read_folder

    with observe("prove"):
        certificate = certify(*read_folder(out), quanta)
    findings.items.extend(certificate.findings)
    proof = head_node = None
    if (out / "pegasus").is_dir():
        from compiler.lowering import prove_head_node, prove_jobs

        with observe("prove the jobs"):
            proof = prove_jobs(quanta, out / "pegasus")
            head_node = prove_head_node(out / "pegasus")
        findings.items.extend((*proof.findings, *head_node.findings))
    elif (target := target_of(out)) not in (None, PORTABLE):
        message = f"'{out / 'pegasus'}' is missing, and so is every proof of what runs on {target}"
        findings.error("missing-file", message, help="compile again")
    findings.raise_errors()
    return Checked(_hold(certificate, findings), proof, findings, head_node=head_node)


def read(
    pipeline: Path | str, graph: Path | str, findings: Findings, observe: Observe = silent
) -> tuple[Pipeline, QuantumGraph]:
    """Both inputs, checked against each other; the faults of both files are raised together."""
    from compiler.frontend.consistency import check_consistency
    from compiler.frontend.pipeline import read_pipeline
    from compiler.frontend.quantum_graph import read_quantum_graph

    plan, quanta = None, None
    with observe("read the pipeline"):
        try:
            plan = read_pipeline(pipeline, findings)
        except CompileError as error:
            findings.items.extend(error.findings)
    with observe("read the quantum graph"):
        try:
            quanta = read_quantum_graph(graph, findings)
        except CompileError as error:
            findings.items.extend(each for each in error.findings if each not in findings.items)
    if plan is not None and quanta is not None:
        findings.items.extend(check_consistency(plan, quanta))
    findings.raise_errors()
    assert plan is not None
    assert quanta is not None
    return plan, quanta


def _target(choices: Choices, findings: Findings) -> tuple[tuple[MachineType, ...], ClusterPlan | None]:
    """Machines of the target, and the cluster that its settings ask for; both are checked before anything is done."""
    from compiler.clusters import SETTING, plan_cluster
    from compiler.lowering import check_target

    if choices.target == PORTABLE:
        return (), None
    provider = check_target(choices.target, choices.settings, findings, jobs=True)
    asked = choices.settings.values.get(SETTING) is not None
    return provider.machines(), plan_cluster(provider, choices.settings, findings) if asked else None


def _check_machines(
    machines: tuple[MachineType, ...], target: str, quanta: QuantumGraph, prepared: Prepared, findings: Findings
) -> None:
    """Whether the target has a machine for every quantum."""
    from compiler.analysis.resources import check_fits

    check_fits(quanta, prepared.reasons, machines, target, findings)
    findings.raise_errors()


def _verify(choices: Choices, quanta: QuantumGraph, findings: Findings, observe: Observe) -> Verified | None:
    """Look for the inputs, if that is asked for."""
    if not choices.verify_inputs:
        return None
    from compiler.lowering import check_target
    from compiler.verification import verify_repository, verify_target

    with observe("verify the inputs") as advance:
        if choices.target == PORTABLE:
            verified = verify_repository(choices.repo, quanta, advance)
        else:
            provider = check_target(choices.target, choices.settings, Findings())
            verified = verify_target(provider, choices.settings, quanta, advance)
    findings.items.extend(verified.findings)
    return verified


def _proofs(certificate: Certificate, jobs: JobsProof | None) -> dict[str, Any]:
    return certificate.to_json() | ({} if jobs is None else {"jobs": jobs.to_json()})


def _hold(certificate: Certificate, findings: Findings) -> Certificate:
    """The certificate, if it holds; what it leaves unproved is a warning."""
    if certificate.findings:
        raise BugError("the workflow is not the quantum graph that it was made from", certificate.findings)
    if certificate.unproved:
        steps = ", ".join(certificate.unproved)
        help = "pip install 'rubincwl[engines]' brings a JavaScript engine"
        findings.warning("partly-unproved", f"the JavaScript of these steps was not evaluated: {steps}", help=help)
    return certificate


def _hold_jobs(proof: JobsProof) -> JobsProof:
    """The proof of the jobs, if it holds."""
    if proof.findings:
        raise BugError("the jobs are not the quantum graph that they were made from", list(proof.findings))
    return proof


def _write(
    workflow: Workflow, prepared: Prepared, quanta: QuantumGraph, graph: Path, draft: Path, repo: Path | None
) -> None:
    """The workflow, its job order, what jobs carry, and why quanta ask for what they do."""
    from compiler.analysis import resources
    from compiler.delivery import link_inputs
    from compiler.runtime.bundle import write_runner
    from compiler.runtime.quantum_runner import butler_config
    from compiler.shards import write_shards
    from compiler.translate.order import INIT_SHARD, RUNTIME, shard_name

    (draft / "workflow.cwl").write_text(workflow.document_text(), encoding="utf-8")
    (draft / "job.json").write_bytes(workflow.job_order_bytes())
    runtime = draft / "runtime"
    runtime.mkdir()
    write_runner(runtime / RUNTIME["_runner"])
    shutil.copyfile(graph, runtime / RUNTIME["_graph"])
    (runtime / RUNTIME["_butler"]).write_text(butler_config())
    if (shards := prepared.runtime.shards) is not None:
        names = {n: shard_name(n) for n in range(int(shards.max(initial=-1)) + 1)} | {-1: INIT_SHARD}
        write_shards(graph, quanta, shards, runtime, names)
    resources.write_requests(prepared.reasons, quanta, draft / resources.FILE)
    if repo is not None:
        link_inputs(draft, repo)


def _lock(plan: Pipeline, graph: Path, draft: Path, choices: Choices) -> dict[str, Any]:
    from compiler.clusters import files_of

    ingredients = [Ingredient("import" if n else "pipeline", Path(name)) for n, name in enumerate(plan.sources)]
    ingredients.append(Ingredient("graph", graph))
    ingredients.append(Ingredient("runner", draft / "runtime" / "quantum_runner.pyz"))
    ingredients += [Ingredient("config", path) for path in choices.configuration.files()]
    values = choices.settings.values
    script = str(values.get("setup_script") or "")
    if script.startswith("file://"):  # any other path is one on the workers
        ingredients.append(Ingredient("setup-script", Path(script.removeprefix("file://"))))
    ingredients += [Ingredient("key", path) for path in files_of(choices.settings)]
    settings = {"target": choices.target, "cwl_container": choices.container, **values}
    return lock(ingredients, settings)
