"""The canonical form of a quantum graph: lines of JSON that two equal graphs share byte for byte.

It knows quanta by task label and data id, datasets by the file name under which they travel, and nothing of
quantum ids, of the order of a file, or of who made the graph. schemas/canonical_graph.schema.json defines a
line, docs/certificate.md tells the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Edges, Value, format_quantum
from compiler.runtime.quantum_runner import dataset_name, record_name

VERSION = 1
QuantumKey = tuple[str, tuple[str, ...]]
"""A label, and ``dimension=value`` sorted by dimension."""
Ports = dict[str, list[str]]
"""Sorted file names by connection; a connection without files is left out."""


class Quantum(NamedTuple):
    """A quantum in canonical form."""

    key: QuantumKey
    inputs: Ports
    outputs: Ports
    record: str | None
    """The name of the file that tells how it went."""
    after: list[str]
    """Records of the quanta that make its inputs, sorted: the edges from quantum to quantum."""

    def line(self) -> dict[str, Any]:
        """As an object of the canonical form."""
        label, data_id = self.key
        return {
            "kind": "quantum",
            "label": label,
            "data_id": list(data_id),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "record": self.record,
            "after": self.after,
        }


class Init(NamedTuple):
    """What is read and written once, before any quantum."""

    inputs: list[str]
    outputs: list[str]

    def line(self) -> dict[str, Any]:
        """As an object of the canonical form."""
        return {"kind": "init", "inputs": self.inputs, "outputs": self.outputs}


class Given(NamedTuple):
    """A file that exists before the workflow runs."""

    name: str
    location: str | None
    """As the job order says it; None for a dataset of which the graph holds no datastore record."""
    size: int | None

    def line(self) -> dict[str, Any]:
        """As an object of the canonical form."""
        return {"kind": "given", "name": self.name, "location": self.location, "size": self.size}


def digest(init: Init | None, quanta: Iterable[Quantum], given: Iterable[Given]) -> str:
    """``sha256:...`` of the canonical form; `quanta` in the order of their keys, `given` in that of their names."""
    total = hashlib.sha256()
    encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
    for each in lines(init, quanta, given):
        total.update(encode(each).encode())
        total.update(b"\n")
    return f"sha256:{total.hexdigest()}"


def lines(init: Init | None, quanta: Iterable[Quantum], given: Iterable[Given]) -> Iterator[dict[str, Any]]:
    """The canonical form, an object a line."""
    yield {"kind": "canonical", "version": VERSION}
    if init is not None:
        yield init.line()
    for quantum in quanta:
        yield quantum.line()
    for each in given:
        yield each.line()


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
        """A quantum in canonical form."""
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
        graph, names = self._graph, []
        existing, ids = iter(self.existing), iter(graph.dataset_ids.tolist())
        for y, kind in enumerate(graph.dataset_types):
            for values in _rows(graph, kind.dimensions, graph.dataset_codes[y]):
                id = next(ids)
                names.append(dataset_name(kind.name, values, id.hex() if next(existing) else None))
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
