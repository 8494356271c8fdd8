"""Before translation: what quanta ask for, which of them run together, and the pieces of the graph that jobs carry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from compiler.diagnostics import Findings

if TYPE_CHECKING:
    from compiler.analysis.requests import Clustering, Requests
    from compiler.analysis.resources import Reasons
    from compiler.frontend.config import Configuration
    from compiler.rubin import QuantumGraph
    from compiler.translate.plan import Runtime


@dataclass(frozen=True)
class Prepared:
    """How a graph is to run, whatever it runs on."""

    runtime: Runtime
    requests: Requests
    reasons: Reasons
    clustering: Clustering
    keep: Callable[[str, str], bool] = field(default=lambda label, port: True)
    """Whether the files of a task's output are results even where only one job makes and reads them."""


def prepare(
    graph: QuantumGraph,
    configuration: Configuration,
    findings: Findings,
    observe: Callable[[str], AbstractContextManager[None]],
    *,
    sharded: bool,
) -> Prepared:
    """Decide everything that a configuration can say of quanta; raises `CompileError` with all that is wrong in it.

    `sharded` tells whether the graph's file can be taken apart for jobs.
    """
    from compiler.analysis.clustering import choose
    from compiler.analysis.resources import init_request
    from compiler.analysis.sharding import shard
    from compiler.frontend.bps import INIT, check_labels
    from compiler.translate.plan import Runtime

    own = configuration.own
    algorithm, options = configuration.clustering(findings)
    with observe("decide what quanta ask for"):
        check_labels(configuration.bps, [task.label for task in graph.tasks], findings)
        requests, reasons = _requests(graph, configuration, findings, clustered=algorithm == "bps")
    with observe("cluster"):
        clustering = choose(
            graph, requests, configuration.bps.clusters(), algorithm, options, findings, own.place("clustering")
        )
        if algorithm == "bps":
            clustering = replace(clustering, whole=_whole_jobs(configuration))
    keep = _keep(graph, configuration, findings)
    init = init_request(configuration.bps.quantum_settings(INIT), findings)
    findings.raise_errors()
    runtime = Runtime(requests, clustering, shard(graph, clustering) if sharded else None, init)
    return Prepared(runtime, requests, reasons, clustering, keep)


def _requests(
    graph: QuantumGraph, configuration: Configuration, findings: Findings, *, clustered: bool
) -> tuple[Requests, Reasons]:
    from compiler.analysis.resources import Written, make_requests, read_records

    own = configuration.own
    records = None
    if (file := own.file("records")) is not None:
        records = read_records(file, findings, own.place("records"))
    specs = configuration.bps.clusters() if clustered else ()
    clusters = {label: spec.name for spec in specs for label in spec.pipetasks}
    return make_requests(
        graph,
        Written(own.rules, lambda index, key: own.place("rules", index, key)),
        lambda label: configuration.bps.quantum_settings(label, clusters.get(label)),
        own.profile,
        records,
        findings,
        run_times=own.run_times,
        place=lambda key: own.place(*key.split(".")),
    )


def _whole_jobs(configuration: Configuration) -> dict[str, dict[str, int | None]]:
    """What entries of ``cluster`` say of disk and wall time: for bps that holds for a job, not for each quantum."""
    found = {}
    for spec in configuration.bps.clusters():
        said = configuration.bps.cluster_settings(spec.name)
        amounts = {
            name: said[key].value
            for key, name in (("requestDisk", "diskMiB"), ("requestWalltime", "walltimeS"))
            if key in said
        }
        if amounts:
            found[spec.name] = amounts
    return found


def _keep(graph: QuantumGraph, configuration: Configuration, findings: Findings) -> Callable[[str, str], bool]:
    """The configuration's ``keep``, by task and port; unknown dataset types are told."""
    from compiler.diagnostics import closest

    wanted = configuration.own.keep
    if wanted == "all":
        return lambda label, port: True
    made = {
        connection.dataset_type: (task.label, connection.name)
        for task in graph.tasks
        for connection in task.connections
        if connection.kind == "output"
    }
    for number, name in enumerate(wanted):
        if name not in made:
            near = closest(name, made)
            help = f"did you mean '{near}'?" if near else None
            findings.error(
                "unknown-dataset-type", f"no task writes '{name}'", configuration.own.place("keep", number), help
            )
    kept = {made[name] for name in wanted if name in made}
    return lambda label, port: (label, port) in kept
