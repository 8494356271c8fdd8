"""The verbs that compile and prove."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rubincwl.cli.verb import Report, Verb

if TYPE_CHECKING:
    from compiler.certificate import Certificate

FILE = click.Path(path_type=Path)
TARGETS = ("aws", "cwl")


@click.command("compile", cls=Verb)
@click.argument("pipeline")
@click.argument("graph", type=FILE)
@click.option("-o", "--output", "out", type=FILE, required=True, help="Folder to write; made, or replaced if ours.")
@click.option("--target", type=click.Choice(TARGETS), required=True, help="CWL alone, or for Pegasus on a cloud too.")
@click.option("--repo", type=FILE, help="The butler repository on this machine: OUT/inputs will point to it.")
@click.option("--inputs-at", metavar="URL", help="Where the target finds the repository's files: s3://bucket/prefix.")
@click.option("--bucket", help="Bucket for staging and outputs.")
@click.option("--prefix", help="Key prefix in the bucket.")
@click.option("--region", help="Region of the cloud.")
@click.option("--container", metavar="IMAGE", help="Image with the science environment, for the target's jobs.")
@click.option("--setup-script", metavar="PATH", help="Script on the workers (or file:///... here) instead of an image.")
@click.option("--config", type=FILE, help="A submit file of bps, with our keys beside; options go before it.")
@click.option("--cwl-container", metavar="IMAGE", help="Image that the CWL's tools hint at; some engines start it.")
@click.option("--overwrite", is_flag=True, help="Replace OUT even if it holds the results of a run.")
@click.pass_obj
def compile_(report: Report, /, pipeline: str, graph: Path, out: Path, target: str, **options: Any) -> None:
    """Compile PIPELINE and GRAPH to CWL, prove it, and lower it to the target.

    PIPELINE is a pipeline's YAML, GRAPH a quantum graph: .qg, or the interchange format.
    """
    from compiler.diagnostics import Findings
    from compiler.driver import Choices, compile_folder
    from compiler.frontend.config import read_config

    named = ("bucket", "prefix", "region", "container", "setup_script", "inputs_at")
    given = {name: str(options[name]) for name in named if options[name] is not None}
    if target == "cwl" and given:
        raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} says nothing to the target cwl")
    findings = Findings()
    configuration = read_config(options["config"], findings)
    findings.raise_errors()
    report.findings(findings)
    choices = Choices(
        target=target,
        settings=configuration.targets(target, given),
        configuration=configuration,
        repo=options["repo"],
        container=options["cwl_container"],
        overwrite=options["overwrite"],
    )
    done = compile_folder(pipeline, graph, out, choices, report.stage)
    report.findings(done.findings)
    report.result = {"output": str(out), "summary": done.summary, "certificate": done.proofs()}
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
    report.say(f"written to {out}:")
    for size, what in _contents(out):
        report.say(f"  {size:>12,}  {what}")


@click.command("check", cls=Verb)
@click.argument("pipeline")
@click.argument("graph", type=FILE)
@click.option("--against", type=FILE, metavar="OUT", help="Prove the folder of an earlier compile again.")
@click.option("--config", type=FILE, help="A submit file of bps, with our keys beside, to be checked too.")
@click.pass_obj
def check(report: Report, /, pipeline: str, graph: Path, against: Path | None, config: Path | None) -> None:
    """Tell every finding in PIPELINE and GRAPH and prove their translation; write nothing."""
    from compiler import driver
    from compiler.diagnostics import Findings
    from compiler.frontend.config import read_config

    told = Findings()
    configuration = read_config(config, told)
    told.raise_errors()
    done = driver.check(pipeline, graph, against, report.stage, configuration)
    report.findings((*told, *done.findings))
    report.result = {"certificate": done.proofs()}
    _tell(report, done.certificate)
    if done.jobs is not None:
        report.say(
            f"proved: {done.jobs.jobs:,} jobs run each of the {done.jobs.quanta:,} quanta once, and wait as they do"
        )


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
