"""A quantum graph quantum by quantum, in the words of a workflow: what differences are found in and told with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Edges, Value, format_quantum
from compiler.runtime.quantum_runner import dataset_name, record_name

QuantumKey = tuple[str, tuple[str, ...]]
"""A label, and ``dimension=value`` sorted by dimension."""
Ports = dict[str, list[str]]
"""Sorted file names by connection; a connection without files is left out."""


class Quantum(NamedTuple):
    """A quantum and its files by name."""

    key: QuantumKey
    inputs: Ports
    outputs: Ports
    record: str | None
    """The name of the file that tells how it went."""
    after: list[str]
    """Records of the quanta that make its inputs, sorted: the edges from quantum to quantum."""


class Init(NamedTuple):
    """What is read and written once, before any quantum."""

    inputs: list[str]
    outputs: list[str]


class Given(NamedTuple):
    """A file that exists before the workflow runs."""

    name: str
    location: str | None
    """As the job order says it; None for a dataset of which the graph holds no datastore record."""
    size: int | None


class GraphForm:
    """A quantum graph seen through the names that its files have in a workflow."""

    def __init__(self, graph: QuantumGraph) -> None:
        self._graph = graph
        self.existing = [
            producer < 0 and dataset not in graph.init_made for dataset, producer in enumerate(graph.producer.tolist())
        ]
        """For each dataset, whether it is there before the workflow runs."""
        self.names = self._dataset_names()
        """File names by dataset."""
        self.number = {name: dataset for dataset, name in enumerate(self.names)}
        self._values: list[tuple[Value, ...]] = []
        self.keys: list[QuantumKey] = []
        """By quantum."""
        self.records: list[str] = []
        """Names of record files by quantum."""
        for t, task in enumerate(graph.tasks):
            order = sorted(range(len(task.dimensions)), key=lambda i: task.dimensions[i])
            prefix = [f"{task.dimensions[i]}=" for i in order]
            for values in _rows(graph, task.dimensions, graph.quantum_codes[t]):
                self._values.append(values)
                data_id = tuple([f"{name}{values[i]}" for name, i in zip(prefix, order, strict=True)])
                self.keys.append((task.label, data_id))
                self.records.append(record_name(task.label, values))
        self._reads = _Columns(graph.reads)
        self._writes = _Columns(graph.writes)
        self._producer = graph.producer.tolist()
        self._init_inputs = self._init_ports()
        self._connections = [tuple(c.name for c in task.connections) for task in graph.tasks]
        self._task: list[int] = graph.quantum_task.tolist()

    def order(self) -> list[int]:
        """Quanta by key."""
        return sorted(range(len(self.keys)), key=self.keys.__getitem__)

    def quantum(self, number: int) -> Quantum:
        """A quantum and its files by name."""
        t = self._task[number]
        names = self._connections[t]
        after: set[int] = set()
        inputs: Ports = {}
        for connection, dataset in self._reads.of(number):
            inputs.setdefault(names[connection], []).append(self.names[dataset])
            after.add(self._producer[dataset])
        for name, datasets in self._init_inputs[t].items():
            inputs.setdefault(name, []).extend(datasets)
        outputs: Ports = {}
        for connection, dataset in self._writes.of(number):
            outputs.setdefault(names[connection], []).append(self.names[dataset])
        for ports in (inputs, outputs):
            for files in ports.values():
                if len(files) > 1:
                    files.sort()
        after.discard(-1)
        records = self.records
        return Quantum(self.keys[number], inputs, outputs, records[number], sorted([records[each] for each in after]))

    def init(self) -> Init | None:
        """The init quanta, all of them in one, as the quantum runner does them; None if there is nothing to do."""
        inputs = {d for each in self._graph.init for row in each.inputs.values() for d in row if self.existing[d]}
        outputs = {d for each in self._graph.init for row in each.outputs.values() for d in row}
        if not outputs:
            return None
        return Init(sorted(self.names[d] for d in inputs), sorted(self.names[d] for d in outputs))

    def given(self) -> list[Given]:
        """The files that exist before the workflow runs and that something reads, by name."""
        used = set(self._graph.reads.dataset.tolist())
        used |= {d for each in self._graph.init for row in each.inputs.values() for d in row}
        found = []
        for dataset in used:
            if self.existing[dataset]:
                file = self._graph.files.get(dataset)
                place = None if file is None else file.path if "://" in file.path else f"inputs/{file.path}"
                found.append(Given(self.names[dataset], place, None if file is None else file.size))
        return sorted(found, key=lambda each: each.name)

    def show(self, number: int) -> str:
        """A quantum's name for people."""
        task = self._graph.tasks[self._task[number]]
        return format_quantum(task.label, dict(zip(task.dimensions, self._values[number], strict=True)))

    def _init_ports(self) -> list[Ports]:
        by_label = {each.label: each.inputs for each in self._graph.init}
        return [
            {name: [self.names[d] for d in row] for name, row in by_label.get(task.label, {}).items() if row}
            for task in self._graph.tasks
        ]

    def _dataset_names(self) -> list[str]:
        graph = self._graph
        names: list[str] = []
        there = [dataset for dataset, existing in enumerate(self.existing) if existing]
        ids = {dataset: id.hex() for dataset, id in zip(there, graph.ids_of(there), strict=True)}
        for y, kind in enumerate(graph.dataset_types):
            for values in _rows(graph, kind.dimensions, graph.dataset_codes[y]):
                names.append(dataset_name(kind.name, values, ids.get(len(names))))
        return names


class _Columns:
    """Compressed rows as Python lists, which are faster to read one by one."""

    def __init__(self, edges: Edges) -> None:
        self._start: list[int] = edges.start.tolist()
        self._dataset: list[int] = edges.dataset.tolist()
        self._connection: list[int] = edges.connection.tolist()

    def of(self, row: int) -> Iterator[tuple[int, int]]:
        """Connection and dataset of each edge."""
        start, end = self._start[row], self._start[row + 1]
        return zip(self._connection[start:end], self._dataset[start:end], strict=True)


def _rows(graph: QuantumGraph, dimensions: Sequence[str], codes: Any) -> Iterator[tuple[Value, ...]]:
    """Values of the required dimensions, row by row."""
    if not dimensions:
        return iter([()] * len(codes))
    columns = []
    for place, dimension in enumerate(dimensions):
        values = graph.vocabulary.get(dimension, ())
        columns.append([values[code] for code in codes[:, place].tolist()])
    return zip(*columns, strict=True)
