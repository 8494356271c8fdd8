"""Compares ``rubincwl compile`` with ``bps prepare`` on the same graphs, and tells how large its documents are.

    python -m benchmarks.compile --cache FOLDER [--only NAME ...] [--runs N] [--results FILE]

Graphs are made once (``rubincwl demo-data``) and kept in the cache folder. bps needs the extra ``bps``; without it its
columns stay empty.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, measure, median
from benchmarks.report import RESULTS, Table, circumstances, keep

RUBINCWL = (sys.executable, "-m", "rubincwl")
CWLTOOL = (sys.executable, "-m", "cwltool.main")
PACKAGES = ("cwl-utils", "cwltool", "pegasus-wms.api", "lsst-pipe-base", "lsst-ctrl-bps-htcondor")
# What a user gives, so that nothing stays a placeholder.
TARGET = ("--target", "aws", "--bucket", "benchmark", "--region", "us-east-1")
INPUTS = ("--inputs-at", "s3://benchmark/repo")
_IMAGES = ("--exposures", "2977", "--detectors", "112", "--images")


@dataclass(frozen=True)
class Case:
    """A graph to compile."""

    name: str
    kind: str
    options: tuple[str, ...] = ()
    real: bool = True
    """Whether the middleware made it, so that bps can read it."""
    runs: int = 1
    """How often it is measured, unless the command line says otherwise."""
    compared: bool = True
    """Whether bps is measured too; a large graph takes it many minutes."""


CASES = (
    Case("dark-28", "dark", runs=3),
    Case("single-frame-1020", "single-frame", ("--exposures", "34", "--detectors", "10"), runs=3),
    Case("single-frame-20361", "single-frame", ("--exposures", "112", "--detectors", "61", "--images", "6787")),
    Case("tract-9615", "tract-9615", real=False),
    Case("single-frame-199920", "single-frame", ("--exposures", "595", "--detectors", "112"), compared=False),
    Case("synthetic-200k", "single-frame-synthetic", (*_IMAGES, "66667"), real=False),
    Case("synthetic-1M", "single-frame-synthetic", (*_IMAGES, "333334"), real=False),
)
PEER, REAL, LARGEST = "single-frame-20361", "single-frame-199920", "synthetic-1M"
"""The cases of which the last line tells."""


@dataclass(frozen=True)
class Result:
    """All figures of a case."""

    name: str
    quanta: int
    compiled: Cost
    written: Sequence[int]
    """Bytes of every file of a compile."""
    prepared: Cost | None
    """Of bps, if it could be measured."""
    told: dict[str, Any]
    """What bps_prepare.py printed."""
    validated: Cost
    document: int
    """Bytes of workflow.cwl."""
    job_order: int
    """Bytes of job.json."""
    regroups: int

    def costs(self) -> list[list[str]]:
        """The rows that compare: ours, and that of bps if it was measured."""
        graph = [self.name, f"{self.quanta:,}"]
        files = [f"{len(self.written):,}", _megabytes(sum(self.written))]
        cost = self.compiled
        each = f"{cost.cpu / self.quanta * 1e6:.0f}"
        rows = [
            [*graph, "rubincwl compile", f"{cost.cpu:.1f}", f"{cost.wall:.1f}", each, "", f"{cost.peak:.0f}", *files]
        ]
        if self.prepared is not None:
            files = [f"{self.told['files']:,}", _megabytes(self.told["bytes"])]
            each = f"{self.prepared.cpu / self.quanta * 1e6:.0f}"
            cpu = [f"{self.prepared.cpu:.1f}", f"{self.prepared.wall:.1f}", each, f"{self.told['children_cpu_s']:.1f}"]
            rows.append([*graph, "bps prepare", *cpu, f"{self.prepared.peak:.0f}", *files])
        return rows

    def documents(self) -> list[str]:
        """The row on what was written."""
        row = [self.name, f"{self.document / 1000:.1f}", _megabytes(self.job_order), str(self.regroups)]
        return [*row, f"{self.validated.cpu:.1f}", f"{self.validated.peak:.0f}"]


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.2f}"


def data(case: Case, cache: Path) -> Path:
    """The folder with the case's pipeline and graph, made if it is not there."""
    folder = cache.resolve() / case.name
    if not folder.exists():
        print(f"{case.name}: making the graph", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        measure([*RUBINCWL, "demo-data", case.kind, *case.options, "-o", folder], cache)
    return folder


def run(case: Case, cache: Path, runs: int) -> Result:
    """Measure a case: compile, bps, validate, one after the other, and again."""
    source = data(case, cache)
    inputs = INPUTS if case.real else ()
    graph = next(source.glob("graph.*"))
    with_bps = case.real and case.compared and bps_installed()
    print(f"{case.name}: {runs} times" if runs > 1 else f"{case.name}: once", flush=True)
    with tempfile.TemporaryDirectory(prefix="rubincwl-benchmark-") as scratch:
        here, out = Path(scratch), Path(scratch) / "out"
        compiled, prepared, validated = [], [], []
        for number in range(runs):
            command = [*RUBINCWL, "compile", source / "pipeline.yaml", graph, *TARGET, *inputs, "-q", "-o", out]
            compiled.append(measure(command, here))
            if with_bps:
                prepared.append(_prepare(source, here / f"submit{number}"))
            validated.append(measure([*CWLTOOL, "--validate", out / "workflow.cwl"], here))
        summary = json.loads((out / "summary.json").read_text())
        return Result(
            name=case.name,
            quanta=summary["graph"]["quanta"],
            compiled=median(compiled),
            written=[each.stat().st_size for each in out.rglob("*") if each.is_file()],
            prepared=median([cost for cost, _ in prepared]) if prepared else None,
            told=prepared[-1][1] if prepared else {},
            validated=median(validated),
            document=(out / "workflow.cwl").stat().st_size,
            job_order=(out / "job.json").stat().st_size,
            regroups=len(summary["workflow"]["regroups"]),
        )


def bps_installed() -> bool:
    """Whether the extra ``bps`` is there, with HTCondor's bindings."""
    return all(importlib.util.find_spec(each) for each in ("lsst", "lsst.ctrl", "lsst.ctrl.bps", "htcondor"))


def _prepare(source: Path, submit: Path) -> tuple[Cost, dict[str, Any]]:
    # -P: the script's neighbours are not to be found by names of ours.
    script: list[str | Path] = [sys.executable, "-P", Path(__file__).with_name("bps_prepare.py"), source, submit]
    cost = measure(script, submit.parent)
    shutil.rmtree(submit)
    return cost, json.loads(cost.said.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the graphs between calls")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in CASES], help="measure these only")
    parser.add_argument("--runs", type=int, help="runs of which the median is told; by default 3 of small graphs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="page to keep them in (%(default)s)")
    args = parser.parse_args(arguments)
    if not bps_installed():
        print("bps is not installed (pip install 'rubincwl[bps]'): rubincwl is measured alone", file=sys.stderr)
    chosen = [each for each in CASES if args.only is None or each.name in args.only]
    results = [run(each, args.cache, args.runs or each.runs) for each in chosen]
    costs = Table(COSTS, [row for each in results for row in each.costs()], words=3)
    documents = Table(DOCUMENTS, [each.documents() for each in results])
    costs.show()
    documents.show()
    keep(args.results, "Compile", [circumstances(PACKAGES), EXPLAINED, costs, DOCUMENTS_EXPLAINED, documents])
    print(bars({each.name: each for each in results}))


def bars(results: Mapping[str, Result]) -> str:
    """The figures that have bars, in one line: our share of bps's CPU seconds, and the large graphs."""
    peer = results.get(PEER)
    ratio = "?" if peer is None or peer.prepared is None else f"{peer.compiled.cpu / peer.prepared.cpu:.2f}"
    peak = "?" if peer is None else f"{peer.compiled.peak:.0f}"
    seconds = {name: f"{results[name].compiled.cpu:.1f}" if name in results else "?" for name in (REAL, LARGEST)}
    return f"compile/bps cpu ratio {ratio}, peak {peak} MB, 200k {seconds[REAL]} s, 1M {seconds[LARGEST]} s"


COSTS = ("graph", "quanta", "tool", "CPU s", "wall s", "µs a quantum", "of it graph update", "peak MiB", "files", "MB")
EXPLAINED = """\
`rubincwl compile --target aws`, default options: CWL and its proof, shards of the graph, the clustered Pegasus workflow
with its catalogs, the table of quanta and the second proof. `bps prepare`: HTCondor's submit files, a job a quantum,
from the same graph, for a filesystem that all jobs share; the graph update in it is `pipetask update-graph-run`, which
bps runs on every graph that it is given. bps reads no synthetic graph, and was not asked to prepare 199,920 quanta.
Synthetic graphs have no shards. Median of three runs for graphs below 2,000 quanta, one run for the others.
"""
DOCUMENTS = ("graph", "workflow.cwl kB", "job.json MB", "regroups", "validate CPU s", "peak MiB")
DOCUMENTS_EXPLAINED = "What `compile` writes, and what `cwltool --validate workflow.cwl` takes.\n"

if __name__ == "__main__":
    main()
