"""The verbs that compile and prove."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rubincwl.cli.verb import Report, Verb

if TYPE_CHECKING:
    from compiler.certificate import Certificate
    from compiler.driver import Choices
    from compiler.inputs import Verified

FILE = click.Path(path_type=Path)
OF_TARGETS = ("bucket", "prefix", "region", "container", "setup_script", "inputs_at")
"""Settings of targets that are options too."""


def _targets() -> tuple[str, ...]:
    from providers import known_providers

    return ("cwl", *known_providers())


def _known(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Refuse a target that no package brings, and name the one that was probably meant."""
    from compiler.diagnostics import closest

    if value not in _targets():
        near = closest(value, _targets())
        help = f"did you mean '{near}'?" if near else f"known are {', '.join(_targets())}"
        raise click.BadParameter(f"there is no target '{value}': {help}", ctx, param)
    return value


def target_option(**options: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option ``--target``, which takes providers of other packages too."""

    def begun(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        return [each for each in _targets() if each.startswith(incomplete)]

    return click.option("--target", metavar="NAME", callback=_known, shell_complete=begun, **options)


def _of_targets(verb: Callable[..., None]) -> Callable[..., None]:
    """The options that say where a workflow is to run."""
    options = (
        click.option("--inputs-at", metavar="URL", multiple=True, help="Where the repository's files are; repeatable."),
        click.option("--bucket", help="Bucket for staging and outputs."),
        click.option("--prefix", help="Key prefix in the bucket."),
        click.option("--region", help="Region of the cloud."),
        click.option("--container", metavar="IMAGE", help="Image with the science environment, for the target's jobs."),
        click.option("--setup-script", metavar="PATH", help="Script on the workers (or file:///... here) for it."),
        click.option("--config", type=FILE, help="A submit file of bps, with our keys beside; options go before it."),
        click.option("--verify-inputs", is_flag=True, help="Look for every input in the stores before all else."),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


def _choices(report: Report, target: str, options: Mapping[str, Any], **more: Any) -> Choices:
    """What the options and the configuration say; tells what is wrong with it."""
    from compiler.diagnostics import Findings
    from compiler.driver import PORTABLE, Choices
    from compiler.frontend.config import read_config

    given = {name: options[name] for name in OF_TARGETS if options[name]}
    if "inputs_at" in given:
        first, *others = given["inputs_at"]
        given["inputs_at"] = [first, *others] if others else first
    if target == PORTABLE and given:
        raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} says nothing to the target cwl")
    findings = Findings()
    configuration = read_config(options["config"], findings)
    findings.raise_errors()
    report.findings(findings)
    verify = bool(options["verify_inputs"])
    return Choices(target, configuration.targets(target, given), configuration, verify_inputs=verify, **more)


@click.command("compile", cls=Verb)
@click.argument("pipeline")
@click.argument("graph", type=FILE)
@click.option("-o", "--output", "out", type=FILE, required=True, help="Folder to write; made, or replaced if ours.")
@target_option(required=True, help="cwl alone, or also aws, gcp, onprem: for Pegasus there.")
@click.option("--repo", type=FILE, help="The butler repository on this machine: OUT/inputs will point to it.")
@_of_targets
@click.option("--cwl-container", metavar="IMAGE", help="Image that the CWL's tools hint at; some engines start it.")
@click.option("--overwrite", is_flag=True, help="Replace OUT even if it holds the results of a run.")
@click.pass_obj
def compile_(report: Report, /, pipeline: str, graph: Path, out: Path, target: str, **options: Any) -> None:
    """Compile PIPELINE and GRAPH to CWL, prove it, and lower it to the target.

    PIPELINE is a pipeline's YAML, GRAPH a quantum graph: .qg, or the interchange format.
    """
    from compiler.driver import compile_folder

    more = {"repo": options["repo"], "container": options["cwl_container"], "overwrite": options["overwrite"]}
    choices = _choices(report, target, options, **more)
    with _told_in_full(report):
        done = compile_folder(pipeline, graph, out, choices, report.stage)
    report.findings(done.findings)
    report.result = {"output": str(out), "summary": done.summary, "certificate": done.proofs()}
    _tell_inputs(report, done.verified)
    _tell(report, done.certificate)
    if done.jobs is not None:
        report.say(done.summary["clusters"]["said"])
        if inside := done.summary["jobs"]["inside_types"]:
            told = ", ".join(f"{count:,} {name}" for name, count in inside.items())
            report.say(
                f"left inside their jobs, since no other reads them: {told}; keep: [{', '.join(inside)}] delivers them"
            )
        report.say(
            f"proved: {done.jobs.jobs:,} jobs run each of the {done.jobs.quanta:,} quanta once, and wait as they do"
        )
    if done.head_node is not None:
        report.say(done.head_node.said())
    report.say(f"written to {out}:")
    for size, what in _contents(out):
        report.say(f"  {size:>12,}  {what}")


@click.command("check", cls=Verb)
@click.argument("pipeline")
@click.argument("graph", type=FILE)
@click.option("--against", type=FILE, metavar="OUT", help="Prove the folder of an earlier compile again.")
@target_option(default="cwl", help="Tell also what a compile for it would.")
@click.option("--repo", type=FILE, help="The butler repository on this machine, of which inputs are verified.")
@_of_targets
@click.pass_obj
def check(report: Report, /, pipeline: str, graph: Path, against: Path | None, target: str, **options: Any) -> None:
    """Tell every finding in PIPELINE and GRAPH and prove their translation; write nothing."""
    from compiler import driver

    choices = _choices(report, target, options, repo=options["repo"])
    with _told_in_full(report):
        done = driver.check(pipeline, graph, against, report.stage, choices)
    report.findings(done.findings)
    report.result = {"certificate": done.proofs()}
    _tell_inputs(report, done.verified)
    _tell(report, done.certificate)
    if done.jobs is not None:
        report.say(
            f"proved: {done.jobs.jobs:,} jobs run each of the {done.jobs.quanta:,} quanta once, and wait as they do"
        )
    if done.head_node is not None:
        report.say(done.head_node.said())


@contextmanager
def _told_in_full(report: Report) -> Iterator[None]:
    """Findings name some of the inputs that are not as they should be; ``--json`` holds them all."""
    from compiler.inputs import InputsError

    try:
        yield
    except InputsError as error:
        report.result = {"inputs": error.verified.to_json()}
        raise


def _tell_inputs(report: Report, verified: Verified | None) -> None:
    if verified is None:
        return
    shown = report.result["inputs"] = verified.to_json()
    sums = f", {shown['checksums']:,} with their SHA-256" if shown["checksums"] else ""
    report.say(f"verified: {shown['files']:,} inputs, {shown['bytes']:,} bytes{sums}")
    for each in shown["places"]:
        report.say(f"  {each['good']:>9,} of {each['files']:,} at {each['url']}")


def _contents(out: Path) -> Iterator[tuple[int, str]]:
    """Size and name of each file; of the shards, which may be thousands, of all together."""
    shards = 0
    size = 0
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        if "shards" in path.relative_to(out).parts:
            shards, size = shards + 1, size + path.stat().st_size
        else:
            yield path.stat().st_size, str(path.relative_to(out))
    if shards:
        yield size, f"runtime/shards, {shards:,} files"


def _tell(report: Report, certificate: Certificate) -> None:
    shown = certificate.to_json()
    verdict = "proved" if certificate.proved else "partly proved"
    report.say(f"{verdict}: evaluating the CWL gives back the quantum graph")
    for name in ("quanta", "datasets", "inputs", "edges"):
        value = shown[name]
        counts = value if isinstance(value, int) else ", ".join(f"{n:,} {what}" for what, n in value.items())
        report.say(f"  {name:<9}{counts}")
    report.say(f"  {'hash':<9}{shown['hash']}")
