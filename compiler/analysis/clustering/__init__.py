"""Which quanta run together in one job.

`choose` is the entry. ``auto`` groups by expected run time, ``bps`` by the keys that bps users have in their submit
files. Both look at the quantum graph and at requests only, never at where the workflow runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from compiler.analysis.clustering.auto import auto_clusters, classes, run_times
from compiler.analysis.clustering.bps import bps_clusters, names_of_tasks
from compiler.analysis.clustering.options import Options
from compiler.analysis.clustering.sharing import Savings, savings
from compiler.analysis.clustering.specs import ClusterSpec
from compiler.analysis.requests import Clustering, Requests
from compiler.diagnostics import Findings, Origin, Span
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

__all__ = ["Algorithm", "ClusterSpec", "Options", "Savings", "auto", "choose", "savings"]

Algorithm = Literal["auto", "bps", "none"]


def choose(
    graph: QuantumGraph,
    requests: Requests,
    specs: Sequence[ClusterSpec],
    algorithm: Algorithm,
    options: Options,
    findings: Findings,
    place: Span | Origin | None = None,
) -> Clustering:
    """The clustering that `algorithm` makes.

    ``bps`` follows `specs`, ``auto`` the `options`; ``none`` runs every quantum in a job of its own. Faults of the
    specs or options become errors among `findings`; the answer is then not to be used. `place` is that of the options.
    """
    if algorithm == "bps":
        of = bps_clusters(graph, specs, findings)
        _note_mixed(graph, requests, of, specs, findings)
        return Clustering(of, names_of_tasks(graph, specs), _said(graph, requests, of, "bps", options))
    if algorithm == "auto":
        before = len(findings.errors)
        options.check(findings, place)
        if len(findings.errors) == before:
            return auto(graph, requests, options)
    return Clustering.single(graph)


def auto(graph: QuantumGraph, requests: Requests, options: Options | None = None) -> Clustering:
    """Clusters by expected run time: see `compiler.analysis.clustering.auto`."""
    options = options or Options()
    of = auto_clusters(graph, requests, options)
    return Clustering(of, _names(graph, of), _said(graph, requests, of, "auto", options))


def _names(graph: QuantumGraph, of: Ints) -> tuple[str, ...]:
    """Shape (tasks,): tasks some of whose quanta run together have one name, made of the first and the last label."""
    first = np.full(int(of.max(initial=-1)) + 1, len(graph.tasks), dtype=np.int32)
    np.minimum.at(first, of, graph.quantum_task)
    group = list(range(len(graph.tasks)))
    for pair in np.unique(first[of].astype(np.int64) * len(graph.tasks) + graph.quantum_task).tolist():
        one, other = divmod(pair, len(graph.tasks))
        kept, gone = sorted((group[one], group[other]))
        group = [kept if each == gone else each for each in group]
    last = {kept: t for t, kept in enumerate(group)}
    labels = [task.label for task in graph.tasks]
    return tuple(labels[k] if k == last[k] else f"{labels[k]}-to-{labels[last[k]]}" for k in group)


def _said(graph: QuantumGraph, requests: Requests, of: Ints, algorithm: Algorithm, options: Options) -> str:
    saved = savings(graph, of)
    seconds = run_times(requests, options)
    mean = float(seconds.sum()) / max(saved.jobs, 1)
    guessed = np.array([kind.run_time_s is None for kind in requests.kinds])[requests.of]
    unknown = int(np.count_nonzero(guessed))
    guess = f", where unknown {_time(options.unknown_s)} a quantum" if unknown else ""
    return (
        f"clustering: {saved.quanta:,} quanta in {saved.jobs:,} jobs ({algorithm}, about {_time(mean)} each{guess}); "
        f"saves {saved.starts:,} start-ups of about {_time(options.startup_s)}"
        f" = {_time(saved.starts * options.startup_s)} of machine time, "
        f"and {saved.stage_ins:,} stage-ins"
    )


def _time(seconds: float) -> str:
    """
    >>> [_time(each) for each in (35, 3426, 12 * 3600)]
    ['35 s', '57 min', '12 h']
    """
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def _note_mixed(
    graph: QuantumGraph, requests: Requests, of: Ints, specs: Sequence[ClusterSpec], findings: Findings
) -> None:
    """Tell of clusters that hold quanta of different classes: bps allows it, and every quantum then holds the most."""
    kind = classes(requests)
    least = np.full(int(of.max(initial=-1)) + 1, kind.max(initial=0), dtype=np.int32)
    most = np.zeros_like(least)
    np.minimum.at(least, of, kind)
    np.maximum.at(most, of, kind)
    mixed = np.unique(graph.quantum_task[(least < most)[of]]).tolist()
    memory = requests.column("memory_mib")
    for spec in specs:
        chosen = [t for t in mixed if graph.tasks[t].label in spec.pipetasks]
        if not chosen:
            continue
        asked = np.unique(memory[np.isin(graph.quantum_task, chosen)]).tolist()
        if len(asked) > 1:
            findings.note(
                "cluster-mixes-memory",
                f"cluster '{spec.name}' joins quanta of {asked[0]} to {asked[-1]} MiB: its jobs hold the most of them",
                spec.place,
                "cluster tasks of one memory class, or use clustering auto",
            )
