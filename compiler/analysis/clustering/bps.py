"""Clusters as bps makes them, by dimensions, from its own keys.

What bps refuses is a finding here. Quanta belong together if the names that bps would give their clusters are equal; so
its rules for names count: a template may leave dimensions out, runs of underscores are one, a slash is an underscore.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from compiler.analysis.clustering.cycles import find_cycle
from compiler.analysis.clustering.edges import QuantumEdges, numbered, quantum_edges
from compiler.analysis.clustering.specs import ClusterSpec
from compiler.diagnostics import Findings, closest
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints, Value, format_quantum

_SEVERAL_UNDERSCORES = re.compile("_+")
Spec = TypeVar("Spec", bound=ClusterSpec)


def bps_clusters(graph: QuantumGraph, specs: Sequence[ClusterSpec], findings: Findings) -> Ints:
    """Shape (quanta,): the number of each quantum's cluster; a quantum of no cluster of the user's is alone.

    Every fault of `specs` becomes a finding; clusters with faults are left out of the answer.
    """
    stands = np.arange(graph.n_quanta, dtype=np.int32)
    before = len(findings.errors)
    tasks = _tasks_of(graph, specs, findings)
    _refuse_task_cycle(graph, tasks, findings)
    if len(findings.errors) > before:
        return stands
    edges = quantum_edges(graph)
    for spec, chosen in tasks:
        columns = _Columns(graph, edges, spec, chosen)
        if not columns.check(findings):
            continue
        cluster = _partitioned(columns, spec, findings)
        first = np.full(int(cluster.max(initial=-1)) + 1, graph.n_quanta, dtype=np.int32)
        np.minimum.at(first, cluster, columns.quanta)
        stands[columns.quanta] = first[cluster]
    of = numbered(stands)
    _refuse_cycle(graph, edges, of, tasks, findings)
    return of


def names_of_tasks(graph: QuantumGraph, specs: Sequence[ClusterSpec]) -> tuple[str, ...]:
    """Shape (tasks,): the user's cluster of each task, or the task's label."""
    known = {label: spec.name for spec in specs for label in spec.pipetasks or (spec.name,)}
    return tuple(known.get(task.label, task.label) for task in graph.tasks)


def _tasks_of(graph: QuantumGraph, specs: Sequence[Spec], findings: Findings) -> list[tuple[Spec, list[int]]]:
    """For each cluster the numbers of its tasks, in the order of flow; clusters without tasks here are left out."""
    number = {task.label: t for t, task in enumerate(graph.tasks)}
    owner: dict[str, str] = {}
    out = []
    for spec in specs:
        chosen = []
        for label in spec.pipetasks:
            if label not in number:
                near = closest(label, number)
                help = f"did you mean '{near}'?" if near else None
                findings.note("cluster-unknown-task", f"cluster '{spec.name}' names task '{label}', "
                              "which this graph does not have", spec.place, help)  # fmt: skip
                continue
            if label in owner:
                other = f"clusters '{owner[label]}' and '{spec.name}'"
                where = f"twice in cluster '{spec.name}'" if owner[label] == spec.name else f"in {other}"
                findings.error("cluster-task-twice", f"task '{label}' is {where}", spec.place, "name it once")
                continue
            owner[label] = spec.name
            chosen.append(number[label])
        method = spec.find_dependency_method
        if method not in (None, "", "source", "sink"):
            near = closest(str(method), ("source", "sink"))
            findings.error("cluster-find-method", f"cluster '{spec.name}' has the findDependencyMethod '{method}'",
                           spec.place, f"did you mean '{near}'?" if near else "use source or sink")  # fmt: skip
        if chosen:
            out.append((spec, sorted(chosen)))
    # bps takes an entry without tasks for the settings of the task that has its name.
    out += [(s, [number[s.name]]) for s in specs if not s.pipetasks and s.name in number and s.name not in owner]
    return out


def _refuse_task_cycle(graph: QuantumGraph, tasks: Sequence[tuple[ClusterSpec, list[int]]], findings: Findings) -> None:
    """As bps does, judge declared connections: clusters must stand in an order in which data flows between tasks."""
    cluster = list(range(len(graph.tasks)))
    for _, chosen in tasks:
        for t in chosen:
            cluster[t] = chosen[0]
    maker = {c.dataset_type: t for t, task in enumerate(graph.tasks) for c in task.connections if c.kind == "output"}
    flows = [
        (maker[c.dataset_type], t)
        for t, task in enumerate(graph.tasks)
        for c in task.connections
        if c.kind in ("input", "prerequisite") and c.dataset_type in maker
    ]
    pairs = np.array([(cluster[a], cluster[b]) for a, b in flows], dtype=np.int64).reshape(-1, 2)
    cycle = find_cycle(len(graph.tasks), pairs[:, 0], pairs[:, 1])
    if not cycle:
        return
    labels = [task.label for task in graph.tasks]
    of = {chosen[0]: (spec, [labels[t] for t in chosen]) for spec, chosen in tasks}
    specs = [of[node][0] for node in cycle if node in of]
    # Of each cluster only those tasks by which the cycle enters and leaves it.
    said = []
    for node, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        a, b = next((a, b) for a, b in flows if (cluster[a], cluster[b]) == (node, after))
        said.append(f"'{labels[a]}' feeds '{labels[b]}'")
    between = [f"'{labels[node]}'" for node in cycle if node not in of]
    way_out = (
        f"put {', '.join(between)} into cluster '{specs[0].name}', too, or split it" if between
        else "join these clusters, or split one of them"
    )  # fmt: skip
    names = ", ".join(f"'{spec.name}'" for spec in specs)
    kind = "clusters" if len(specs) > 1 else "cluster"
    findings.error("cluster-cycle", f"{kind} {names} would wait for {'each other' if len(specs) > 1 else 'itself'}: "
                   + ", ".join(said), specs[0].place, way_out)  # fmt: skip


def _refuse_cycle(
    graph: QuantumGraph,
    edges: QuantumEdges,
    of: Ints,
    tasks: Sequence[tuple[ClusterSpec, list[int]]],
    findings: Findings,
) -> None:
    """What the dimensions of a cluster may still do: let two of its clusters wait for each other."""
    source, target = of[edges.writer], of[edges.reader]
    cycle = find_cycle(int(of.max(initial=-1)) + 1, source, target)
    if not cycle:
        return
    steps = []
    for node, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        edge = int(np.flatnonzero((source == node) & (target == after))[0])
        steps.append((int(edges.writer[edge]), int(edges.reader[edge])))
    owner = {t: spec for spec, chosen in tasks for t in chosen}
    on_it = [t for step in steps for t in graph.quantum_task[list(step)].tolist() if t in owner]
    spec = owner[on_it[0]]
    last = graph.tasks[max(t for t in on_it if owner[t] is spec)].label
    said = [f"{_quantum(graph, a)} feeds {_quantum(graph, b)}" for a, b in steps[:4]]
    more = f" and {len(steps) - 4} more" if len(steps) > 4 else ""
    findings.error(
        "cluster-cycle",
        f"clusters made by '{spec.name}' would wait for each other: {', '.join(said)}{more}",
        spec.place,
        f"choose dimensions that keep together what feeds each other (now: {', '.join(spec.dimensions) or 'none'}), "
        f"or take '{last}' out of the cluster",
    )


def _quantum(graph: QuantumGraph, number: int) -> str:
    task = graph.tasks[int(graph.quantum_task[number])]
    return format_quantum(task.label, dict(zip(task.dimensions, graph.quantum_values(number), strict=True)))


class _Columns:
    """The quanta of a cluster's tasks and, for each dimension that the cluster uses, their values.

    Values have codes of our own, equal where their texts are: two dimensions may stand for one.
    """

    def __init__(self, graph: QuantumGraph, edges: QuantumEdges, spec: ClusterSpec, tasks: list[int]) -> None:
        self.graph, self.spec, self.tasks = graph, spec, tasks
        self.quanta = np.concatenate([np.arange(*graph.task_start[t : t + 2], dtype=np.int32) for t in tasks])
        self.dimensions = list(dict.fromkeys((*spec.dimensions, *spec.partition_dimensions)))
        self.values: dict[str, list[Value]] = {}
        self.codes: dict[str, Ints] = {}
        for dimension in self.dimensions:
            known: dict[str, tuple[int, Value]] = {}
            self.codes[dimension] = np.concatenate([self._codes(t, dimension, known) for t in tasks])
            self.values[dimension] = [value for _, value in known.values()]
        if spec.find_dependency_method:
            self._pass_along(edges)

    def _codes(self, task: int, dimension: str, known: dict[str, tuple[int, Value]]) -> Ints:
        """Of the task's quanta, -1 where its data ids do not have the dimension."""
        names = self.graph.tasks[task].all_dimensions
        stands_in = [b if a == dimension else a for a, b in self.spec.equal_dimensions if dimension in (a, b)]
        here = next((each for each in (dimension, *stands_in) if each in names), None)
        if here is None:
            return np.full(len(self.graph.quanta_of(task)), -1, dtype=np.int32)
        column = self.graph.quantum_codes[task][:, names.index(here)]
        used, place = np.unique(column, return_inverse=True)
        values = [self.graph.vocabulary[here][code] for code in used.tolist()]
        codes = [known.setdefault(str(value), (len(known), value))[0] for value in values]
        return np.array(codes, dtype=np.int32)[place.reshape(-1)]

    def _pass_along(self, edges: QuantumEdges) -> None:
        """Give values that a data id lacks along the edges between the cluster's quanta, from one end to the other."""
        place = np.full(self.graph.n_quanta, -1, dtype=np.int32)
        place[self.quanta] = np.arange(len(self.quanta), dtype=np.int32)
        forward = self.spec.find_dependency_method == "source"
        giver, taker = (edges.writer, edges.reader) if forward else (edges.reader, edges.writer)
        giver, taker = place[giver], place[taker]
        inside = (giver >= 0) & (taker >= 0)
        giver, taker = giver[inside], taker[inside]
        task = self.graph.quantum_task[self.quanta]
        for column in self.codes.values():
            for t in self.tasks if forward else reversed(self.tasks):
                gives = (task[taker] == t) & (column[taker] < 0) & (column[giver] >= 0)
                # Of several the first in the order of data ids.
                first = np.full(len(column), len(column), dtype=np.int32)
                np.minimum.at(first, taker[gives], giver[gives])
                takes = np.flatnonzero(first < len(column))
                column[takes] = column[first[takes]]

    def check(self, findings: Findings) -> bool:
        """Report the tasks whose quanta cannot be clustered, and partitions that say too little or too much."""
        before = len(findings.errors)
        for dimension in self.dimensions:
            lacking = np.unique(self.graph.quantum_task[self.quanta[self.codes[dimension] < 0]])
            for t in lacking.tolist():
                task = self.graph.tasks[t]
                findings.error(
                    "cluster-dimension-missing",
                    f"cluster '{self.spec.name}' uses dimension '{dimension}', which quanta of '{task.label}' "
                    f"do not have ({', '.join(task.all_dimensions)})",
                    self.spec.place,
                    f"name the dimension that stands for it (equalDimensions: {dimension}:…), let it be found along "
                    "edges (findDependencyMethod: source or sink), or take the task out of the cluster",
                )
        most, size = self.spec.partition_max_clusters, self.spec.partition_max_size
        if self.spec.partition_dimensions and bool(most) == bool(size):
            findings.error("cluster-partition", f"cluster '{self.spec.name}' has partitionDimensions and "
                           + ("both" if most else "neither") + " of partitionMaxClusters and partitionMaxSize",
                           self.spec.place, "give one of them")  # fmt: skip
        for key, value in (("partitionMaxClusters", most), ("partitionMaxSize", size)):
            if value is not None and value < 0:
                message = f"cluster '{self.spec.name}' has {key} {value}"
                findings.error("cluster-partition", message, self.spec.place, "give 1 or more")
        return len(findings.errors) == before

    def joined(self, *columns: Ints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """For each quantum the number of its combination of codes, and for each number some place where it stands."""
        key = np.zeros(len(self.quanta), dtype=np.int64)
        for column in columns:
            _, key = np.unique(key * (int(column.max(initial=0)) + 1) + column, return_inverse=True)
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        return number.reshape(-1), first

    def texts(self, dimensions: Sequence[str], place: int) -> list[str]:
        """The values of `dimensions` at a place."""
        return [str(self.values[d][self.codes[d][place]]) for d in dimensions]


def _partitioned(columns: _Columns, spec: ClusterSpec, findings: Findings) -> NDArray[np.int64]:
    """Shape (quanta of the cluster's tasks,): numbers of clusters."""
    cluster, clusters = _named(columns, spec, findings)
    if not spec.partition_dimensions:
        return cluster
    part, firsts = columns.joined(*(columns.codes[d] for d in spec.partition_dimensions))
    keys = ["==".join(columns.texts(spec.partition_dimensions, place)) for place in firsts.tolist()]
    parts = _parts(keys, clusters, spec, findings)
    return cluster * (max(parts, default=0) + 1) + np.array(parts, dtype=np.int64)[part]


class _Info(dict[str, Any]):
    """What a template may name; anything else is nothing."""

    def __missing__(self, key: str) -> str:
        return ""


def _named(columns: _Columns, spec: ClusterSpec, findings: Findings) -> tuple[NDArray[np.int64], int]:
    """Shape (quanta of the cluster's tasks,): numbers of names; and how many names there are."""
    template = spec.template or "_".join([spec.name, *(f"{{{d}}}" for d in spec.dimensions)])
    graph, task = columns.graph, columns.graph.quantum_task[columns.quanta]
    names: dict[str, int] = {}
    try:
        fields = {re.split(r"[.\[]", field)[0] for _, field, _, _ in Formatter().parse(template) if field}
        used = [d for d in columns.dimensions if d in fields]
        deciding = [columns.codes[d] for d in used]
        deciding += [task] if "node_label" in fields else []
        deciding += [columns.quanta] if "node_number" in fields else []
        number, firsts = columns.joined(*deciding)
        numbers = []
        for place in firsts.tolist():
            info = _Info({d: columns.values[d][columns.codes[d][place]] for d in used}, label=spec.name)
            if "node_label" in fields:
                info["node_label"] = graph.tasks[task[place]].label
            if "node_number" in fields:
                info["node_number"] = graph.quantum(int(columns.quanta[place])).id
            name = _SEVERAL_UNDERSCORES.sub("_", template.format_map(info)).replace("/", "_")
            numbers.append(names.setdefault(name, len(names)))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        findings.error("cluster-template", f"clusterTemplate '{template}' of cluster '{spec.name}' is wrong: {error}",
                       spec.place, "name dimensions of the cluster in braces, as in '{label}_{visit}'")  # fmt: skip
        return np.zeros(len(columns.quanta), dtype=np.int64), 1
    return np.array(numbers, dtype=np.int64)[number], len(names)


def _parts(keys: list[str], clusters: int, spec: ClusterSpec, findings: Findings) -> list[int]:
    """The part of each partition key: sorted as text, they are dealt out in equal runs, the first ones one longer."""
    most = spec.partition_max_clusters
    if most and clusters > most:
        findings.error(
            "cluster-partition",
            f"cluster '{spec.name}' may have {most} clusters (partitionMaxClusters) and its dimensions make {clusters}",
            spec.place,
            f"allow {clusters} or more, or use fewer dimensions",
        )
        return [0] * len(keys)
    size, longer = divmod(len(keys), most // clusters) if most else (int(spec.partition_max_size or 1), 0)
    edge = longer * (size + 1)
    ranks = {key: rank for rank, key in enumerate(sorted(keys))}
    return [
        ranks[key] // (size + 1) if ranks[key] < edge else longer + (ranks[key] - edge) // max(size, 1) for key in keys
    ]
