"""The verbs that plan, make, look at and remove a cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rubincwl.cli.compiling import target_option
from rubincwl.cli.verb import Report, Verb

if TYPE_CHECKING:
    from compiler.frontend.config import Settings
    from providers import Problem, Provider
    from providers.provisioning.base import Cloud, ClusterPlan, Resource

FILE = click.Path(path_type=Path)


@click.group("provision")
def provision() -> None:
    """Plan, make, look at and remove a cluster on aws, gcp or an OpenStack on-prem.

    Nothing is kept on this machine: all that is made carries the cluster's name, and is found again by it.
    """


@dataclass(frozen=True)
class _Asked:
    """The target that the options name, with its settings."""

    provider: Provider
    settings: Settings
    name: str | None

    def plan(self, limit: int | None = None) -> ClusterPlan:
        from compiler.clusters import plan_cluster
        from compiler.diagnostics import Findings

        return plan_cluster(self.provider, self.settings, Findings(), self.name, limit)

    @property
    def cluster(self) -> str:
        """The cluster's name, from the option or the settings."""
        given = self.settings.values.get("cluster")
        name = self.name or (given.get("name") if isinstance(given, dict) else None)
        if not name:
            raise click.UsageError("which cluster? give --name, or a configuration that names it")
        return str(name)

    def cloud(self) -> Cloud:
        from compiler.diagnostics import Diagnostic, ToolError
        from providers import ProviderUnavailableError

        try:
            return self.provider.cloud()
        except ProviderUnavailableError as reason:
            raise ToolError([Diagnostic("missing-extra", str(reason))]) from reason


def _of_cluster(verb: Callable[..., None]) -> Callable[..., None]:
    """The options of all these verbs."""
    options = (
        target_option(required=True, help="Where: aws, gcp, onprem."),
        click.option("--config", type=FILE, help="The configuration; the cluster is in targets: NAME: cluster."),
        click.option("--name", help="Name of the cluster, in place of the one in the configuration."),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


_yes = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")


@provision.command("plan", cls=Verb)
@_of_cluster
@click.option("--ask-cloud", is_flag=True, help="Ask the cloud too whether it would work (quotas, image, role); reads.")
@click.pass_obj
def plan(report: Report, /, target: str, config: Path | None, name: str | None, ask_cloud: bool) -> None:
    """Tell which machines there would be and what they could cost; touch nothing."""
    from providers.provisioning.documents import plan_document

    asked = _asked(report, target, config, name)
    planned = asked.plan()
    report.result = {"plan": plan_document(planned)}
    _show_plan(report, planned)
    if ask_cloud:
        with _cloud_calls(), report.stage("ask the cloud"):
            _refuse(report, asked, asked.cloud().preflight(planned))
        report.say("the cloud sees nothing in the way")


@provision.command("apply", cls=Verb)
@_of_cluster
@_yes
@click.pass_obj
def apply(report: Report, /, target: str, config: Path | None, name: str | None, yes: bool) -> None:
    """Make what is missing of the cluster, after showing the plan and asking.

    Repeated, it changes nothing. After a failure or an interruption it goes on where it ended.
    """
    from providers.provisioning.apply import RefusedError
    from providers.provisioning.apply import apply as make
    from providers.provisioning.documents import plan_document
    from providers.provisioning.standing import stand

    asked = _asked(report, target, config, name)
    cloud = asked.cloud()
    planned = asked.plan(cloud.user_data_limit)
    report.result = {"plan": plan_document(planned)}
    _show_plan(report, planned)
    with _cloud_calls(), report.stage("look at what is there"):
        standing = stand(planned, cloud.find(planned.name))
    there, missing = len(standing.kept), len(standing.missing)
    report.say(f"{there} of its machines are there, {missing} are to be started")
    if standing.doors:
        report.say("others may come in than the settings say now; that is changed")
    if not standing.settled:
        _ask(report, yes, f"Start {missing} machines on {target}?" if missing else f"Change this on {target}?")
    with _cloud_calls(), _interrupted("apply again finishes it, destroy removes it"):
        try:
            done = make(cloud, planned, _progress(report), time.sleep)
        except RefusedError as refused:
            _refuse(report, asked, refused.problems)
            raise
    report.result |= {
        "changed": done.changed,
        "complete": done.complete,
        "made": [_resource(each) for each in done.made],
        "removed": [_resource(each) for each in done.removed],
        "nodes": [_resource(each) for each in done.standing.alive],
    }
    _warn(report, done.standing.differences)
    _say_applied(report, planned, done.standing.kept, done.changed, done.complete)
    _failed(done.failures)
    if not done.complete:
        _failed((_incomplete(len(done.standing.missing)),))


@provision.command("status", cls=Verb)
@_of_cluster
@click.pass_obj
def status(report: Report, /, target: str, config: Path | None, name: str | None) -> None:
    """Tell what is there of the cluster, how long it will last and what it has cost."""
    from providers.provisioning.settings import seconds
    from providers.provisioning.status import rates_of
    from providers.provisioning.status import status as look
    from rubincwl.cli.cluster_tables import show_status, status_document

    asked = _asked(report, target, config, name)
    given = asked.settings.values.get("cluster") or {}
    rates = rates_of(asked.provider.prices(), given.get("prices", {}))
    lease_s = seconds(given.get("lease", "12h")) if given else None
    with _cloud_calls(), report.stage("look at what is there"):
        found = look(asked.cloud(), asked.cluster, rates, lease_s, time.time)
    report.result = {"name": asked.cluster} | status_document(found)
    show_status(report, asked.cluster, found)


@provision.command("destroy", cls=Verb)
@_of_cluster
@_yes
@click.pass_obj
def destroy(report: Report, /, target: str, config: Path | None, name: str | None, yes: bool) -> None:
    """Remove all of the cluster, after showing what is there and asking: machines, firewall rules, keys, volumes,
    addresses and secrets, whoever made them and from where."""
    from providers.provisioning.destroy import destroy as remove
    from providers.provisioning.destroy import in_order

    asked = _asked(report, target, config, name)
    cloud = asked.cloud()
    with _cloud_calls(), report.stage("look at what is there"):
        there = in_order(cloud.find(asked.cluster))
    for each in there:
        report.say(f"  {each.kind:<10}{each.name}{f' ({each.machine}, {each.state})' if each.kind == 'node' else ''}")
    if there:
        _ask(report, yes, f"Remove these {len(there)} for good?")
    else:
        report.say(f"nothing of '{asked.cluster}' is in sight on {target}; looking again")
    with _interrupted("destroy again removes the rest"):
        done = remove(cloud, asked.cluster, _progress(report), time.sleep)
    report.result = {
        "name": asked.cluster,
        "complete": done.complete,
        "removed": [_resource(each) for each in done.removed],
        "left": [_resource(each) for each in done.left],
    }
    if done.complete:
        report.say(f"nothing of '{asked.cluster}' is left on {target}; {len(done.removed)} things were removed")
    left = ", ".join(f"{each.kind} {each.name}" for each in done.left)
    _failed(done.failures, f"left: {left}" if left else None)


@provision.command("export", cls=Verb)
@_of_cluster
@click.option("--format", "form", type=click.Choice(["terraform", "packer", "policies"]), required=True)
@click.option("-o", "--output", "out", type=FILE, required=True, help="Folder for the files; those in it are replaced.")
@click.pass_obj
def export(report: Report, /, target: str, config: Path | None, name: str | None, form: Any, out: Path) -> None:
    """Write the plan for Terraform or Packer, or the policies that submitter and machines need; touch nothing."""
    from compiler.output_folder import whole_file
    from providers.provisioning.export import exported

    try:
        files = exported(_asked(report, target, config, name).plan(), form)
    except KeyError:
        raise click.UsageError(f"{target} has no export for {form}") from None
    for each, text in files.items():
        with whole_file(out / each) as draft:
            draft.write_text(text, encoding="utf-8")
        report.say(f"  {out / each}")
    report.result = {"output": str(out), "files": list(files)}


def _asked(report: Report, target: str, config: Path | None, name: str | None) -> _Asked:
    """The target's settings, with all that is wrong with them told."""
    from compiler.diagnostics import Findings
    from compiler.frontend.config import read_config
    from compiler.lowering import check_target

    if target == "cwl":
        raise click.UsageError("the target cwl has no machines")
    findings = Findings()
    configuration = read_config(config, findings)
    findings.raise_errors()
    settings = configuration.targets(target, {})
    provider = check_target(target, settings, findings)
    if "provisioning" not in provider.capabilities:
        findings.error("no-provisioning", f"no machines can be made at {target}")
        findings.raise_errors()
    report.findings(each for each in findings if each.severity != "note")
    return _Asked(provider, settings, name)


def _ask(report: Report, yes: bool, question: str) -> None:
    if yes:
        return
    if report.as_json or not _somebody_there():
        raise click.UsageError("there is nobody to ask: give --yes")
    click.confirm(question, abort=True, err=True)


def _somebody_there() -> bool:
    return sys.stdin.isatty()


def _progress(report: Report) -> Callable[[str], None]:
    def tell(text: str) -> None:
        if not report.as_json and report.verbosity >= 0:
            click.echo(text, err=True)

    return tell


@contextmanager
def _cloud_calls() -> Iterator[None]:
    """A cloud that fails is a service that failed, not a bug of ours."""
    from compiler.diagnostics import Diagnostic, ToolError
    from providers.provisioning.base import CloudError

    try:
        yield
    except CloudError as reason:
        raise ToolError([Diagnostic("cloud-failed", str(reason))]) from reason


@contextmanager
def _interrupted(way_out: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"stopped; what was made stays and costs: {way_out}", err=True)
        raise


def _refuse(report: Report, asked: _Asked, problems: tuple[Problem, ...]) -> None:
    """Raise for what is wrong; tell what is only worth knowing."""
    from compiler.clusters import placed
    from compiler.diagnostics import Findings

    findings = Findings(list(placed(problems, asked.settings)))
    findings.raise_errors()
    report.findings(findings)


def _warn(report: Report, problems: tuple[Problem, ...]) -> None:
    from compiler.diagnostics import Diagnostic

    report.findings(Diagnostic(each.code, each.message, help=each.help, severity="warning") for each in problems)


def _failed(problems: tuple[Problem, ...], more: str | None = None) -> None:
    """Raise what failed as a failure of the cloud, if anything did."""
    from compiler.diagnostics import Diagnostic, ToolError

    if problems:
        found = [Diagnostic(each.code, each.message, help=each.help) for each in problems]
        raise ToolError([*found, Diagnostic("left-behind", more, severity="warning")] if more else found)


def _incomplete(missing: int) -> Problem:
    from providers import Problem

    help = "provision status shows what is there; apply again"
    what = f"{missing} machines of the plan are not there" if missing else "others may still come in than planned"
    return Problem("incomplete", what, help)


def _show_plan(report: Report, planned: ClusterPlan) -> None:
    from rubincwl.cli.cluster_tables import show_plan

    show_plan(report, planned)


def _say_applied(
    report: Report, planned: ClusterPlan, nodes: tuple[Resource, ...], changed: bool, complete: bool
) -> None:
    if complete:
        report.say(
            f"'{planned.name}' is complete" if changed else f"'{planned.name}' was complete; nothing was changed"
        )
    for each in nodes:
        if each.role == "head" and each.address:
            report.say(f"the head is at {each.address}; it sets itself up for some minutes before it takes jobs")


def _resource(each: Resource) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "id": each.id,
        "name": each.name,
        "role": each.role or None,
        "state": each.state or None,
        "machine": each.machine or None,
        "market": each.market,
        "zone": each.zone or None,
        "address": each.address or None,
    }
