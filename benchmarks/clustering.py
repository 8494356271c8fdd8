"""Tells what clustering does to workflows: jobs, transfers and sizes with a job a quantum and with clusters.

    python -m benchmarks.clustering --cache FOLDER [--only NAME ...] [--results FILE]

Graphs are those of the compile benchmark and a few of other shapes, kept in the same folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compile import CASES, INPUTS, RUBINCWL, TARGET, Case, data
from benchmarks.measure import measure
from benchmarks.report import RESULTS, Table, circumstances, keep

COADD = ("--exposures", "60", "--detectors", "60", "--patches", "64", "--bands", "5")
SHAPES = (
    next(each for each in CASES if each.name == "single-frame-20361"),
    Case("dark-20100", "dark-synthetic", ("--exposures", "100", "--detectors", "100"), real=False),
    Case("coadd-11652", "tract", COADD, real=False),
    next(each for each in CASES if each.name == "tract-9615"),
)
LARGE = tuple(each for each in CASES if each.name in ("single-frame-199920", "synthetic-1M"))
CLASSES = "profile: poc-2020\n"
"""The published memory classes, which clusters never mix."""


@dataclass(frozen=True)
class Written:
    """What one compile wrote."""

    summary: dict[str, Any]
    workflows: list[int]
    """Bytes of workflow.yml and of the documents of sub-workflows."""
    shards: list[int]
    """Bytes of the pieces of the graph."""


def compiled(case: Case, cache: Path, configuration: str) -> Written:
    """Compile a case with a configuration and look at what is there."""
    source = data(case, cache)
    with tempfile.TemporaryDirectory(prefix="rubincwl-benchmark-") as scratch:
        here, out = Path(scratch), Path(scratch) / "out"
        (here / "config.yaml").write_text(configuration)
        graph = next(source.glob("graph.*"))
        inputs = INPUTS if case.real else ()
        options = [*TARGET, *inputs, "--config", here / "config.yaml", "-q", "-o", out]
        measure([*RUBINCWL, "compile", source / "pipeline.yaml", graph, *options], here)
        return Written(
            json.loads((out / "summary.json").read_text()),
            [(out / "pegasus" / name).stat().st_size for name in documents(out / "pegasus")],
            [each.stat().st_size for each in (out / "runtime" / "shards").rglob("shard-*.qg")],
        )


def documents(folder: Path) -> list[str]:
    """The main workflow and its sub-workflows."""
    main = json.loads((folder / "workflow.yml").read_bytes())
    return ["workflow.yml", *(job["file"] for job in main["jobs"] if job["type"] == "pegasusWorkflow")]


def rows(case: Case, cache: Path) -> list[list[str]]:
    """A row with a job a quantum, and one with clusters."""
    found = []
    for algorithm in ("none", "auto"):
        print(f"{case.name}: {algorithm}", flush=True)
        written = compiled(case, cache, f"{CLASSES}clustering: {{algorithm: {algorithm}}}\n")
        graph, jobs = written.summary["graph"], written.summary["jobs"]
        told = written.summary["clusters"]
        counts = [
            graph["quanta"],
            told["count"],
            told["largest"],
            jobs["staged_in"],
            jobs["staged_out"],
            jobs["inside"],
        ]
        found.append([case.name, algorithm, *(f"{each:,}" for each in counts), _megabytes(written.workflows)])
    return found


def large(case: Case, cache: Path) -> list[str]:
    """Sizes of what a large graph is taken into."""
    print(f"{case.name}: sizes", flush=True)
    written = compiled(case, cache, CLASSES)
    shards, documents = written.shards, written.workflows
    pieces = (
        [f"{len(shards):,}", f"{sum(shards) / len(shards) / 1e3:.1f}", f"{max(shards) / 1e3:.1f}"]
        if shards
        else ["0", "", ""]
    )
    jobs = written.summary["clusters"]["count"]
    return [case.name, f"{jobs:,}", str(len(documents)), _megabytes([max(documents)]), _megabytes(documents), *pieces]


def _megabytes(sizes: Sequence[int]) -> str:
    return f"{sum(sizes) / 1e6:.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile, print, keep."""
    names = [each.name for each in (*SHAPES, *LARGE)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the graphs between calls")
    parser.add_argument("--only", nargs="+", choices=names, help="look at these only")
    parser.add_argument("--results", type=Path, default=RESULTS, help="page to keep them in (%(default)s)")
    args = parser.parse_args(arguments)
    chosen = args.only or names
    shapes = Table(HEADINGS, [row for each in SHAPES if each.name in chosen for row in rows(each, args.cache)], words=2)
    sizes = Table(SIZES, [large(each, args.cache) for each in LARGE if each.name in chosen])
    shapes.show()
    sizes.show()
    keep(args.results, "Clustering", [circumstances(("pegasus-wms.api",)), EXPLAINED, shapes, SIZES_EXPLAINED, sizes])


HEADINGS = (
    "graph",
    "clusters",
    "quanta",
    "jobs",
    "largest",
    "staged in",
    "staged out",
    "stay inside",
    "workflow.yml MB",
)
EXPLAINED = """\
The same graph with a job a quantum and with default clustering, in the memory classes of the profile `poc-2020`. Files
are staged in once for each job that gets them; the files that jobs carry are among them. Files that stay inside are
made and read by one job and by nobody else.
"""
SIZES = ("graph", "jobs", "documents", "largest MB", "all MB", "shards", "mean kB", "largest kB")
SIZES_EXPLAINED = "Large graphs, clustered: documents of the Pegasus workflow and shards of the graph.\n"

if __name__ == "__main__":
    main()
