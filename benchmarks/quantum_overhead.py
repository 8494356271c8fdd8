"""Tells what a quantum costs in the quantum runner, which shares nothing, over ``pipetask run-qbb`` in a repository.

    python -m benchmarks.quantum_overhead --cache FOLDER [--only NAME ...] [--runs N] [--results FILE]

The same quanta of the same graph run both ways, in clusters of several sizes: chains of all tasks of an image, one
after the other. The runner is given the whole graph, and again a shard of it. The stand-in tasks do next to nothing,
so what is measured is what stands around a task. Every run takes other images, as neither way runs a quantum twice.
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
from compiler.runtime.bundle import write_runner
from compiler.runtime.quantum_runner import butler_config, dataset_name

PACKAGES = ("lsst-pipe-base", "lsst-ctrl-mpexec", "lsst-daf-butler")
GRAPHS = ("single-frame-1020", "single-frame-20361")
PIPETASK = Path(sys.executable).with_name("pipetask")
RUNS = 3
SIZES = (1, 5, 20)
"""Quanta in one process."""
SHARD = "shard-{}.qg"


@dataclass(frozen=True)
class Job:
    """Quanta that run in one process."""

    words: tuple[str, ...]
    """What tells the runner: --task LABEL dimension=value ... for each."""
    ids: str
    """What tells run-qbb: ids of the quanta, with commas between them."""
    size: int
    number: int
    """That of its shard."""
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

    def runner(self, verb: str, graph: Path) -> tuple[str | Path, ...]:
        """How a call of the runner begins."""
        program = self.scratch / "quantum_runner.pyz"
        return (sys.executable, program, verb, "--graph", graph, "--butler", self.scratch / "butler.yaml")

    def prepare(self) -> None:
        """Do once what comes before all quanta, both ways."""
        shutil.copytree(self.source, self.repo)
        (self.scratch / "butler.yaml").write_text(butler_config())
        write_runner(self.scratch / "quantum_runner.pyz")
        measure(self.runner("init", self.scratch / SHARD.format(-1)), self.scratch / "init")
        measure([PIPETASK, "pre-exec-init-qbb", self.repo, self.graph], self.scratch / "pre-exec-init")

    def by_runner(self, job: Job, *, sharded: bool) -> Cost:
        """The job as a workflow runs it: in a folder that holds its inputs and nothing else."""
        here = self.scratch / f"runner-{job.number}-{sharded}"
        graph = self.scratch / SHARD.format(job.number) if sharded else self.graph
        here.mkdir()
        for name, path in job.staged:
            shutil.copy(self.scratch / "init" / name if path is None else self.source / path, here / name)
        options = ("--records", "records.jsonl", "--checkpoint", "kept.tar")
        return measure([*self.runner("quanta", graph), *options, *job.words], here)

    def by_pipetask(self, job: Job) -> Cost:
        """The job as bps runs it."""
        command: list[str | Path] = [PIPETASK, "run-qbb", self.repo, self.graph, "--qgraph-node-id", job.ids]
        return measure(command, self.scratch / f"pipetask-{job.number}")


def plan(graph_file: Path, sizes: Sequence[int], runs: int, scratch: Path) -> list[Job]:
    """`runs` jobs of each of `sizes`, and the shards of all, in `scratch`."""
    import numpy as np

    from compiler.frontend.qg import read_qg
    from compiler.shards import write_shards

    graph = read_qg(graph_file)
    init = {each.label: each for each in graph.init}

    def job(numbers: Sequence[int], place: int) -> Job:
        quanta = [graph.quantum(number) for number in numbers]
        made = {d for each in quanta for row in each.outputs.values() for d in row}
        read = {d for each in quanta for row in each.inputs.values() for d in row} - made
        read |= {d for each in quanta for row in init[each.label].inputs.values() for d in row}
        staged = []
        for each in (graph.dataset(number) for number in sorted(read)):
            existing = each.id.hex if graph.exists_before(each.number) else None
            name = dataset_name(each.type, each.data_id.values(), existing)
            staged.append((name, None if each.file is None else each.file.path))
        words = [w for q in quanta for w in ("--task", q.label, *(f"{k}={v}" for k, v in q.data_id.items()))]
        return Job(tuple(words), ",".join(str(each.id) for each in quanta), len(quanta), place, tuple(staged))

    # In these graphs every task has one quantum an image, in the same order.
    tasks, image = range(len(graph.tasks)), 0
    jobs: list[Job] = []
    shard_of = np.zeros(graph.n_quanta, dtype=np.int32)
    for size in [each for each in sizes for _ in range(runs)]:
        images = range(image, image := image + -(-size // len(tasks)))
        chosen = [graph.quanta_of(task)[each] for each in images for task in tasks][:size]
        jobs.append(job(chosen, len(jobs) + 1))
        shard_of[chosen] = len(jobs)
    write_shards(graph_file, graph, shard_of, scratch, {each: SHARD.format(each) for each in range(-1, len(jobs) + 1)})
    return jobs


def run(name: str, cache: Path, runs: int) -> list[list[str]]:
    """Measure one graph; the rows of the table."""
    case = next(each for each in CASES if each.name == name)
    folder = data(case, cache)
    print(f"{name}: each job {runs} times each way", flush=True)
    with tempfile.TemporaryDirectory(prefix="rubincwl-benchmark-") as scratch:
        here = Path(scratch)
        # In a process of its own: this one must stay small (see `measure`).
        with get_context("spawn").Pool(1) as pool:
            jobs = pool.apply(plan, (folder / "graph.qg", SIZES, runs, here))
        place = Place(folder / "graph.qg", folder / "repo", here / "repo", here)
        place.prepare()
        rows = []
        for size in SIZES:
            chosen = [each for each in jobs if each.size == size]
            alone = median([place.by_pipetask(each) for each in chosen])
            for graph, sharded in (("whole", False), ("shard", True)):
                ours = median([place.by_runner(each, sharded=sharded) for each in chosen])
                rows.append(_row([name, graph, str(size)], size, alone, ours))
    return rows


def _row(what: list[str], size: int, alone: Cost, ours: Cost) -> list[str]:
    figures = [f"{alone.cpu:.2f}", f"{ours.cpu:.2f}", f"{(ours.cpu - alone.cpu) / size:+.2f}", f"{ours.cpu / size:.2f}"]
    return [*what, *figures, f"{alone.wall:.1f}", f"{ours.wall:.1f}", f"{alone.peak:.0f}", f"{ours.peak:.0f}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the graphs between calls")
    parser.add_argument("--only", nargs="+", choices=GRAPHS, default=GRAPHS, help="measure these only")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of which the median is told (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="page to keep them in (%(default)s)")
    args = parser.parse_args(arguments)
    cpu = ("run-qbb CPU s", "runner CPU s", "over, a quantum", "runner, a quantum")
    headings = ("graph", "runner reads", "quanta", *cpu, "run-qbb s", "runner s", "run-qbb MiB", "runner MiB")
    table = Table(headings, [row for name in args.only for row in run(name, args.cache, args.runs)], words=2)
    table.show()
    keep(args.results, "A quantum", [circumstances(PACKAGES), EXPLAINED, table])


EXPLAINED = """\
The quantum runner in an empty folder with staged inputs, beside `pipetask run-qbb` in a repository: the same quanta of
the same graph in one process, chains of all tasks of an image. The runner reads the whole graph or a shard of just
these quanta; run-qbb has the whole. The tasks are stand-ins that do next to nothing: what is measured is what stands
around a task, `s` being wall time. Median of three runs, each of other images.
"""

if __name__ == "__main__":
    main()
