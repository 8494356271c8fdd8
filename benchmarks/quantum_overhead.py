"""Tells what a quantum costs in the quantum runner, which shares nothing, over ``pipetask run-qbb`` in a repository.

    python -m benchmarks.quantum_overhead --cache FOLDER [--only NAME ...] [--runs N] [--results FILE]

The same quanta of the same graph run both ways: one (isr of an image), and three in one process (all tasks of an
image). Their stand-in tasks do next to nothing, so what is measured is what stands around a task. Every run takes
another image, as neither way runs a quantum twice.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.compile import CASES, data
from benchmarks.measure import Cost, measure, median
from benchmarks.report import RESULTS, Table, circumstances, keep
from compiler.runtime import quantum_runner

PACKAGES = ("lsst-pipe-base", "lsst-ctrl-mpexec", "lsst-daf-butler")
GRAPHS = ("single-frame-1020", "single-frame-20361")
PIPETASK = Path(sys.executable).with_name("pipetask")
RUNNER = (sys.executable, quantum_runner.__file__)
RUNS = 3


@dataclass(frozen=True)
class Job:
    """Quanta that run in one process."""

    words: tuple[str, ...]
    """What tells the runner: --task LABEL dimension=value ... for each."""
    ids: str
    """What tells run-qbb: ids of the quanta, with commas between them."""
    staged: tuple[tuple[str, str | None], ...]
    """Names of input files, and where the repository has each; None for those that the runner's init makes."""


@dataclass(frozen=True)
class Place:
    """Where the jobs of one graph run."""

    graph: Path
    source: Path
    """The repository; nothing writes to it."""
    repo: Path
    """A copy of it, for run-qbb."""
    scratch: Path

    @property
    def runner_options(self) -> tuple[str | Path, ...]:
        return ("--graph", self.graph, "--butler", self.scratch / "butler.yaml")

    def prepare(self) -> None:
        """Do once what comes before all quanta, both ways."""
        shutil.copytree(self.source, self.repo)
        (self.scratch / "butler.yaml").write_text(quantum_runner.butler_config())
        measure([*RUNNER, "init", *self.runner_options], self.scratch / "init")
        measure([PIPETASK, "pre-exec-init-qbb", self.repo, self.graph], self.scratch / "pre-exec-init")

    def by_runner(self, job: Job, folder: str) -> Cost:
        """The job as a workflow runs it: in a folder that holds its inputs and nothing else."""
        here = self.scratch / folder
        here.mkdir()
        for name, path in job.staged:
            shutil.copy(self.scratch / "init" / name if path is None else self.source / path, here / name)
        return measure([*RUNNER, "quanta", *self.runner_options, *job.words], here)

    def by_pipetask(self, job: Job, folder: str) -> Cost:
        """The job as bps runs it."""
        command: list[str | Path] = [PIPETASK, "run-qbb", self.repo, self.graph, "--qgraph-node-id", job.ids]
        return measure(command, self.scratch / folder)


def plan(graph_file: Path, images: int) -> list[tuple[Job, Job]]:
    """For each of the first images: a job of its first task, and a job of all its tasks."""
    from compiler.frontend.qg import read_qg

    graph = read_qg(graph_file)
    init = {each.label: each for each in graph.init}

    def job(numbers: Sequence[int]) -> Job:
        quanta = [graph.quantum(number) for number in numbers]
        made = {d for each in quanta for row in each.outputs.values() for d in row}
        read = {d for each in quanta for row in each.inputs.values() for d in row} - made
        read |= {d for each in quanta for row in init[each.label].inputs.values() for d in row}
        staged = []
        for each in (graph.dataset(number) for number in sorted(read)):
            existing = each.id.hex if graph.exists_before(each.number) else None
            name = quantum_runner.dataset_name(each.type, each.data_id.values(), existing)
            staged.append((name, None if each.file is None else each.file.path))
        words = [w for q in quanta for w in ("--task", q.label, *(f"{k}={v}" for k, v in q.data_id.items()))]
        return Job(tuple(words), ",".join(str(each.id) for each in quanta), tuple(staged))

    # In these graphs every task has one quantum an image, in the same order.
    rows = [[graph.quanta_of(task)[image] for task in range(len(graph.tasks))] for image in range(images)]
    return [(job(row[:1]), job(row)) for row in rows]


def run(name: str, cache: Path, runs: int) -> list[list[str]]:
    """Measure one graph; the rows of the table."""
    case = next(each for each in CASES if each.name == name)
    folder = data(case, cache)
    print(f"{name}: each job {runs} times each way", flush=True)
    # In a process of its own: this one must stay small (see `measure`).
    with get_context("spawn").Pool(1) as pool:
        jobs = pool.apply(plan, (folder / "graph.qg", 2 * runs))
    with tempfile.TemporaryDirectory(prefix="rubincwl-benchmark-") as scratch:
        here = Path(scratch)
        place = Place(folder / "graph.qg", folder / "repo", here / "repo", here)
        place.prepare()
        rows = []
        for what, chosen in (("1", [one for one, _ in jobs[:runs]]), ("3", [three for _, three in jobs[runs:]])):
            alone, ours = [], []
            for number, job in enumerate(chosen):
                alone.append(place.by_pipetask(job, f"pipetask{what}-{number}"))
                ours.append(place.by_runner(job, f"runner{what}-{number}"))
            rows.append(_row(name, what, median(alone), median(ours)))
    return rows


def _row(name: str, quanta: str, alone: Cost, ours: Cost) -> list[str]:
    figures = [f"{alone.cpu:.2f}", f"{ours.cpu:.2f}", f"{ours.cpu - alone.cpu:+.2f}"]
    return [name, quanta, *figures, f"{alone.peak:.0f}", f"{ours.peak:.0f}", f"{round(ours.peak - alone.peak):+d}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the graphs between calls")
    parser.add_argument("--only", nargs="+", choices=GRAPHS, default=GRAPHS, help="measure these only")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of which the median is told (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="page to keep them in (%(default)s)")
    args = parser.parse_args(arguments)
    cpu, peak = ("run-qbb CPU s", "runner CPU s", "over"), ("run-qbb MiB", "runner MiB", "over")
    headings = ("graph", "quanta in the process", *cpu, *peak)
    table = Table(headings, [row for name in args.only for row in run(name, args.cache, args.runs)])
    table.show()
    keep(args.results, "A quantum", [circumstances(PACKAGES), EXPLAINED, table])


EXPLAINED = """\
The quantum runner in an empty folder with staged inputs, beside `pipetask run-qbb` in a repository: the same quanta of
the same graph, one (isr of an image) or all three of an image in one process. The tasks are stand-ins that do next to
nothing: what is measured is what stands around a task. Median of three runs, each of another image.
"""

if __name__ == "__main__":
    main()
