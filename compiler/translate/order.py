"""The job order: everything per quantum, nested as the workflow scatters it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from compiler.analysis.links import Link
from compiler.analysis.structure import Group
from compiler.cwl.build import identifier
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Value
from compiler.runtime.quantum_runner import dataset_name, record_name
from compiler.translate.plan import Plan, Port, TaskPlan

RUNTIME = {"_runner": "quantum_runner.py", "_graph": "graph.qg", "_butler": "butler.yaml"}
"""Base names of the files that every job carries, in the folder ``runtime`` beside the workflow."""

_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def job_order(plan: Plan) -> dict[str, Any]:
    """The values of the main workflow's inputs."""
    files = _Files(plan.graph)
    order: dict[str, Any] = {port: {"class": "File", "location": f"runtime/{name}"} for port, name in RUNTIME.items()}
    for name, dataset in plan.init_existing.items():
        order[f"_init__{identifier(name)}"] = files.existing(dataset)
    for task in plan.tasks:
        group = plan.structure.group_of[task.number]
        records = _by_member(_quantum_records(plan, task, files), group.standing[task.number])
        order[task.quanta()] = nest(records, group, plan.structure.root)
        for port, way in task.links():
            if way.is_regroup:
                order[task.index(port.name)] = _index(plan, task, port, way)
    return order


class _Files:
    """The name of each dataset and, for those that exist before the workflow, its File object."""

    def __init__(self, graph: QuantumGraph) -> None:
        self.graph = graph
        self.names: list[str] = []
        existing = graph.producer < 0
        for y, kind in enumerate(graph.dataset_types):
            columns = [graph.vocabulary.get(d, ()) for d in kind.dimensions]
            first = int(graph.type_start[y])
            for n, codes in enumerate(graph.dataset_codes[y].tolist(), first):
                values = [column[code] for column, code in zip(columns, codes, strict=True)]
                before = existing[n] and n not in graph.init_made
                self.names.append(
                    dataset_name(kind.name, values, graph.dataset_ids[n].tobytes().hex() if before else None)
                )

    def existing(self, dataset: int) -> dict[str, Any]:
        name = self.names[dataset]
        file = self.graph.files.get(dataset)
        found: dict[str, Any] = {"class": "File", "location": f"inputs/{name}", "basename": name}
        if file is not None:
            found["location"] = file.path if _URI.match(file.path) else f"inputs/{quote(file.path)}"
            if file.size is not None and file.size >= 0:
                found["size"] = file.size
        return found


def _quantum_records(plan: Plan, task: TaskPlan, files: _Files) -> list[dict[str, Any]]:
    graph = plan.graph
    declared = graph.tasks[task.number]
    vocabulary = [graph.vocabulary.get(d, ()) for d in declared.dimensions]
    existing = {port.number: port for port in task.inputs if port.exists}
    outputs = {port.number: port for port in task.outputs}
    produced = graph.producer
    records = []
    for q, codes in zip(graph.quanta_of(task.number), graph.quantum_codes[task.number].tolist(), strict=True):
        values: list[Value] = [column[code] for column, code in zip(vocabulary, codes, strict=False)]
        one: dict[str, Any] = {}
        if declared.dimensions:
            one["data_id"] = dict(zip(declared.dimensions, values, strict=True))
        if existing:
            row = graph.reads.of(q)
            pairs = zip(graph.reads.connection[row].tolist(), graph.reads.dataset[row].tolist(), strict=True)
            before = [(c, d) for c, d in pairs if c in existing and produced[d] < 0]
            one["inputs"] = _ports(before, existing, files.existing)
        row = graph.writes.of(q)
        pairs = zip(graph.writes.connection[row].tolist(), graph.writes.dataset[row].tolist(), strict=True)
        one["outputs"] = {
            **_ports(list(pairs), outputs, files.names.__getitem__),
            "_record": record_name(declared.label, values),
        }
        records.append(one)
    return records


def _ports(pairs: Sequence[tuple[int, int]], ports: dict[int, Port], value: Callable[[int], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {port.name: [] for port in ports.values() if port.is_list}
    for number, dataset in pairs:
        port = ports[number]
        if port.is_list:
            found[port.name].append(value(dataset))
        else:
            found[port.name] = value(dataset)
    return found


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
