"""The job order: everything per quantum, nested as the workflow scatters it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from compiler.analysis.links import Link
from compiler.analysis.structure import Group
from compiler.cwl.build import identifier
from compiler.rubin import Edges, QuantumGraph
from compiler.rubin.graph import Value
from compiler.runtime.quantum_runner import dataset_name, record_name
from compiler.translate.hints import varying
from compiler.translate.plan import Plan, Port, TaskPlan
from compiler.translate.workflows import shared_files

RUNTIME = {"_runner": "quantum_runner.pyz", "_graph": "graph.qg", "_butler": "butler.yaml"}
"""Base names of the files that every job carries, in the folder ``runtime`` beside the workflow."""
INIT_SHARD = "shards/init.qg"
"""The graph that the init job carries where quanta carry shards."""

_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def job_order(plan: Plan) -> dict[str, Any]:
    """The values of the main workflow's inputs."""
    names = RUNTIME if plan.runtime.shards is None else RUNTIME | {"_graph": INIT_SHARD}
    order: dict[str, Any] = {
        port: {"class": "File", "location": f"runtime/{names[port]}"} for port in shared_files(plan)
    }
    files = existing_files(plan.graph)
    for name, dataset in plan.init_existing.items():
        order[f"_init__{identifier(name)}"] = files[dataset]
    for task in plan.tasks:
        group = plan.structure.group_of[task.number]
        records = _by_member(_quantum_records(plan, task, files), group.standing[task.number])
        order[task.quanta()] = nest(records, group, plan.structure.root)
        for port, way in task.links():
            if way.is_regroup:
                order[task.index(port.name)] = _index(plan, task, port, way)
    return order


def shard_name(number: int) -> str:
    """Where a shard of the graph stands, in the folder ``runtime``; a thousand of them to a folder."""
    return f"shards/{number // 1000:03d}/shard-{number:06d}.qg"


def existing_files(graph: QuantumGraph) -> dict[int, dict[str, Any]]:
    """The File object of each dataset that exists before the workflow; quanta that read one dataset share it."""
    before = graph.producer < 0
    before[list(graph.init_made)] = False
    found: dict[int, dict[str, Any]] = {}
    for y, kind in enumerate(graph.dataset_types):
        first = int(graph.type_start[y])
        rows = np.flatnonzero(before[first : int(graph.type_start[y + 1])])
        codes = graph.dataset_codes[y][rows]
        columns = [_decoded(graph.vocabulary.get(d, ()), codes[:, n]) for n, d in enumerate(kind.dimensions)]
        ids = [each.hex() for each in graph.ids_of((rows + first).tolist())]
        values = zip(*columns, strict=True) if columns else itertools.repeat(())
        for dataset, id, row in zip((rows + first).tolist(), ids, values, strict=False):
            name = dataset_name(kind.name, row, id)
            found[dataset] = {"class": "File", "location": f"inputs/{name}", "basename": name}
    for dataset, path, size in zip(
        graph.files.numbers.tolist(), graph.files.paths, graph.files.sizes.tolist(), strict=True
    ):
        if dataset in found:
            found[dataset]["location"] = path if _URI.match(path) else f"inputs/{quote(path)}"
            if size >= 0:
                found[dataset]["size"] = size
    return found


def _quantum_records(plan: Plan, task: TaskPlan, files: Mapping[int, Any]) -> list[dict[str, Any]]:
    """For each quantum what the job order says of it, as columns zipped into records."""
    graph, runtime = plan.graph, plan.runtime
    quanta = graph.quanta_of(task.number)
    rows = slice(quanta.start, quanta.stop)
    fields: dict[str, Sequence[Any]] = {}
    declared = graph.tasks[task.number]
    if declared.dimensions:
        codes = graph.quantum_codes[task.number]
        fields["data_id"] = _zipped(
            {d: _decoded(graph.vocabulary.get(d, ()), codes[:, n]) for n, d in enumerate(declared.dimensions)}
        )
    existing = {port.name: _edges(graph, graph.reads, task, port, files, True) for port in task.inputs if port.exists}
    if existing:
        fields["inputs"] = _zipped(existing)
    named = _Names(graph)
    outputs = {p.name: _edges(graph, graph.writes, task, p, named) for p in task.outputs if p.pattern is None}
    if task.record is None:
        outputs["_record"] = [record_name(declared.label, graph.quantum_values(q)) for q in quanta]
    if outputs:
        fields["outputs"] = _zipped(outputs)
    if runtime.shards is not None:
        carried = {n: _shard_file(n) for n in np.unique(runtime.shards[rows]).tolist()}
        fields["graph"] = [carried[n] for n in runtime.shards[rows].tolist()]
    if runtime.clustering is not None:
        fields["cluster"] = runtime.clustering.of[rows].tolist()
    if numbers := varying(plan, task.number):
        assert runtime.requests is not None
        said = [{name: getattr(kind, name) or 0 for name in numbers} for kind in runtime.requests.kinds]
        fields["request"] = [said[n] for n in runtime.requests.of[rows].tolist()]
    return _zipped(fields) if fields else [{} for _ in quanta]


class _Names(dict[int, str]):
    """The file name of each dataset that a quantum writes."""

    def __init__(self, graph: QuantumGraph) -> None:
        self._graph = graph

    def __missing__(self, dataset: int) -> str:
        graph = self._graph
        kind = graph.dataset_types[int(graph.dataset_type_of[dataset])].name
        return dataset_name(kind, graph.dataset_values(dataset))


def _shard_file(number: int) -> dict[str, str]:
    return {"class": "File", "location": f"runtime/{shard_name(number)}"}


def _zipped(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Columns as a record a row."""
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _decoded(vocabulary: Sequence[Value], codes: np.ndarray) -> list[Value]:
    return [vocabulary[code] for code in codes.tolist()]


def _edges(
    graph: QuantumGraph, edges: Edges, task: TaskPlan, port: Port, said: Mapping[int, Any], existing: bool = False
) -> list[Any]:
    """For each quantum of a task what is `said` of its dataset on a port, or a list of that."""
    first, last = int(graph.task_start[task.number]), int(graph.task_start[task.number + 1])
    row = slice(int(edges.start[first]), int(edges.start[last]))
    quantum = np.repeat(np.arange(last - first), np.diff(edges.start[first : last + 1]))
    chosen = edges.connection[row] == port.number
    if existing:
        chosen &= graph.producer[edges.dataset[row]] < 0
    found = [said[dataset] for dataset in edges.dataset[row][chosen].tolist()]
    if not port.is_list:
        return found
    cuts = np.searchsorted(quantum[chosen], np.arange(last - first + 1)).tolist()
    return [found[a:b] for a, b in itertools.pairwise(cuts)]


def _index(plan: Plan, task: TaskPlan, port: Port, way: Link) -> Any:
    assert way.index is not None
    assert way.reader is not None
    group = plan.structure.group_of[task.number]
    size = len(plan.graph.quanta_of(task.number))
    if port.is_list:
        cuts = np.searchsorted(way.reader, np.arange(size + 1)).tolist()
        flat = way.index.tolist()
        lists: list[Any] = [flat[a:b] for a, b in itertools.pairwise(cuts)]
    else:
        lists = way.index.tolist()
    return nest(_by_member(lists, group.standing[task.number]), group, plan.structure.root)


def _by_member(values: Sequence[Any], member: np.ndarray) -> list[Any]:
    return [values[i] for i in np.argsort(member).tolist()]


def nest(values: list[Any], group: Group, above: Group) -> Any:
    """Values, one per member of `group`, as arrays nested once for each group below `above`; of none, the one value."""
    while group is not above:
        assert group.parent is not None
        cuts = np.searchsorted(group.parent_member, np.arange(group.parent.size + 1)).tolist()
        values = [values[a:b] for a, b in itertools.pairwise(cuts)]
        group = group.parent
    return values[0] if group.parent is None else values
