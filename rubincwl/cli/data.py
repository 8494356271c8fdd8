"""The verbs that make, convert and move data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rubincwl.cli.verb import Report, Verb

if TYPE_CHECKING:
    from providers.base import Access, Problem

FILE = click.Path(path_type=Path)


@click.command("demo-data", cls=Verb)
@click.argument("kind", required=False)
@click.option("-o", "--output", "out", type=FILE, help="Folder to make.")
@click.option("--list", "show", is_flag=True, help="Tell the kinds, a line each.")
@click.option("--exposures", type=int, help="How many exposures.")
@click.option("--detectors", type=int, help="How many detectors of the camera.")
@click.option("--images", type=int, help="Keep only so many pairs of exposure and detector.")
@click.option("--patches", type=int, help="How many patches of the sky, where the kind has any.")
@click.option("--bands", type=int, help="How many filters, where the kind has patches.")
@click.option("--fail", metavar="CONDITION", help="Quanta that fail: 'exposure = 1001 AND detector = 2'; real kinds.")
@click.option("--fail-exception", metavar="CLASS", help="What they raise.")
@click.option("--fail-task", metavar="LABEL", help="The task whose quanta fail; the first, if not given.")
@click.pass_obj
def demo_data(report: Report, /, kind: str | None, out: Path | None, show: bool, **options: Any) -> None:
    """Make a pipeline and a quantum graph of KIND to try things with.

    Real, by the Rubin middleware (extra lsst), with a repository: dark, single-frame. Synthetic, without it:
    dark-synthetic, single-frame-synthetic, tract, and the published workloads talk, tract-9615, rc2.
    """
    from compiler.demo_data import KINDS, make_demo_data

    if show:
        for name, each in KINDS.items():
            report.say(f"{name:<24}{each.what}")
        report.result = {"kinds": {name: each.what for name, each in KINDS.items()}}
        return
    if kind is None or out is None:
        raise click.UsageError("KIND and -o OUT are needed; --list tells the kinds")
    with report.stage(f"make {kind}"):
        made = make_demo_data(kind, out, **options)
    report.result = dict(made)
    report.say(f"{made['n_quanta']:,} quanta of {kind}")
    for name in ("pipeline", "graph", "repo"):
        if name in made:
            report.say(f"  {name:<10}{made[name]}")


@click.command("export-graph", cls=Verb)
@click.argument("graph", type=FILE)
@click.option("-o", "--output", "out", type=FILE, required=True, help="File to write: .ndjson, or .ndjson.zst.")
@click.pass_obj
def export_graph(report: Report, /, graph: Path, out: Path) -> None:
    """Write GRAPH in the neutral interchange format, which needs no Rubin software to read."""
    from compiler.diagnostics import Findings
    from compiler.frontend.interchange import write_interchange
    from compiler.frontend.quantum_graph import read_quantum_graph
    from compiler.output_folder import whole_file

    findings = Findings()
    with report.stage("read the quantum graph"):
        read = read_quantum_graph(graph, findings)
    report.findings(findings)
    with report.stage("write"), whole_file(out) as draft:
        write_interchange(read, draft)
    report.result = {"output": str(out), "quanta": read.n_quanta, "datasets": read.n_datasets}
    report.say(f"{read.n_quanta:,} quanta, {read.n_datasets:,} datasets written to {out}")


@click.command("upload", cls=Verb)
@click.argument("graph", type=FILE)
@click.option("--repo", type=FILE, required=True, help="The butler repository whose files GRAPH names.")
@click.option("--to", "url", metavar="URL", required=True, help="Where to copy them: s3://bucket/prefix.")
@click.option("--target", metavar="NAME", help="The target of --config whose settings say how the store is reached.")
@click.option("--config", type=FILE, help="A submit file of bps, with our keys beside.")
@click.pass_obj
def upload(report: Report, /, graph: Path, repo: Path, url: str, target: str | None, config: Path | None) -> None:
    """Copy the files that GRAPH takes from REPO to an object store; then compile with --inputs-at URL.

    A file that is there with the same size is left alone; nothing is deleted. Called again, it goes on.
    """
    from compiler.delivery import datastore_root
    from compiler.diagnostics import Findings
    from compiler.frontend.quantum_graph import read_quantum_graph
    from compiler.upload import upload as copy

    if config is not None and target is None:
        raise click.UsageError("--config says how stores of targets are reached: name one with --target")
    access = _access(report, target, config, url)
    findings = Findings()
    with report.stage("read the quantum graph"):
        read = read_quantum_graph(graph, findings)
    report.findings(findings)
    with report.progress("upload") as advance:
        done = copy(read, datastore_root(repo), url, advance, access)
    report.result = {
        "url": url,
        "copied": done.copied,
        "there_already": done.skipped,
        "bytes": done.bytes,
        "bytes_there_already": done.bytes_there,
        "elsewhere": done.elsewhere,
    }
    report.say(
        f"{done.copied:,} files ({done.bytes:,} bytes) copied to {url}, "
        f"{done.skipped:,} ({done.bytes_there:,} bytes) there already"
    )
    if done.elsewhere:
        report.say(f"{done.elsewhere} inputs are no files of the repository and stay where they are")


def _access(report: Report, target: str | None, config: Path | None, url: str) -> Access | Problem | None:
    """How the target's settings reach the store; None for what its client finds by itself."""
    if target is None:
        return None
    from compiler.diagnostics import Findings
    from compiler.frontend.config import read_config
    from compiler.lowering import check_target

    findings = Findings()
    configuration = read_config(config, findings)
    findings.raise_errors()
    provider = check_target(target, configuration.targets(target, {}), findings)
    report.findings(findings)
    return provider.access(url)
