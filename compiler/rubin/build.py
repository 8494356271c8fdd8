"""Fill a quantum graph's columns from rows in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import numpy as np

from compiler.rubin.graph import (
    Connection,
    DatasetType,
    Edges,
    InitQuantum,
    Ints,
    QuantumGraph,
    StoredFile,
    Task,
    Value,
)

Rows = Mapping[str, Sequence[int]]
"""Handles of datasets by connection."""


class GraphBuilder:
    """Takes tasks, dataset types, datasets and quanta as they come; `finish` sorts them.

    A dataset's handle is what `add_dataset` returned; adding an id a second time returns the first handle.
    """

    def __init__(self, source: str = "", output_run: str = "") -> None:
        self.source = source
        self.output_run = output_run
        self._tasks: dict[str, Task] = {}
        self._types: dict[str, DatasetType] = {}
        self._seen: dict[bytes, int] = {}
        self._datasets: list[tuple[str, tuple[Value, ...], str, bytes]] = []
        self._files: dict[int, StoredFile] = {}
        self._quanta: dict[str, list[tuple[tuple[Value, ...], bytes, Rows, Rows]]] = {}
        self._init: list[tuple[str, UUID, Rows, Rows]] = []

    def add_dataset_type(self, kind: DatasetType) -> None:
        self._types[kind.name] = kind

    def add_task(self, task: Task) -> None:
        connections = tuple(sorted(task.connections, key=lambda c: (c.kind, c.name)))
        self._tasks[task.label] = Task(task.label, task.task_class, task.dimensions, task.implied, connections)
        self._quanta[task.label] = []

    def add_dataset(
        self, dataset_type: str, values: Sequence[Value], run: str, id: bytes, file: StoredFile | None = None
    ) -> int:
        """`values` are those of the required dimensions; `id` is 16 bytes. Raises `KeyError` for an unknown type."""
        handle = self._seen.get(id)
        if handle is None:
            width = len(self._types[dataset_type].dimensions)
            handle = self._seen[id] = len(self._datasets)
            self._datasets.append((dataset_type, tuple(values[:width]), run, id))
        if file is not None:
            self._files[handle] = file
        return handle

    def add_quantum(self, label: str, values: Sequence[Value], id: bytes, inputs: Rows, outputs: Rows) -> None:
        """`values` are those of the required, then of the implied dimensions. Raises `KeyError` for an unknown label."""
        self._quanta[label].append((tuple(values), id, inputs, outputs))

    def add_init(self, label: str, id: bytes, inputs: Rows, outputs: Rows) -> None:
        self._init.append((label, UUID(bytes=id), inputs, outputs))

    def finish(self) -> QuantumGraph:
        """The graph; raises `ValueError` if tasks depend on each other in a circle."""
        tasks = [self._tasks[label] for label in _flow_order(self._tasks.values())]
        types = [self._types[name] for name in sorted(self._types)]
        vocabulary = self._vocabulary(tasks)
        code = {d: {v: i for i, v in enumerate(values)} for d, values in vocabulary.items()}
        runs = tuple(sorted({row[2] for row in self._datasets}))
        order, type_start, dataset_codes = self._sort_datasets(types, code, {r: i for i, r in enumerate(runs)})
        number = np.empty(len(order), dtype=np.int32)
        number[order] = np.arange(len(order), dtype=np.int32)

        quantum_codes: list[Ints] = []
        ids: list[bytes] = []
        reads, writes = _Rows(), _Rows()
        for task in tasks:
            rows = self._quanta[task.label]
            codes = _encode([row[0] for row in rows], task.all_dimensions, code)
            place = _lexsort(codes[:, : len(task.dimensions)])
            quantum_codes.append(codes[place])
            connection = {c.name: i for i, c in enumerate(task.connections)}
            for i in place.tolist():
                _, id, inputs, outputs = rows[i]
                ids.append(id)
                reads.add(inputs, connection, number)
                writes.add(outputs, connection, number)
        run_code = {r: i for i, r in enumerate(runs)}
        counts = [0, *(len(self._quanta[t.label]) for t in tasks)]
        return QuantumGraph(
            tasks=tuple(tasks),
            dataset_types=tuple(types),
            vocabulary=vocabulary,
            task_start=np.cumsum(counts, dtype=np.int64),
            quantum_codes=tuple(quantum_codes),
            quantum_ids=np.array(ids, dtype="V16"),
            type_start=type_start,
            dataset_codes=dataset_codes,
            dataset_ids=np.array([self._datasets[i][3] for i in order.tolist()], dtype="V16"),
            dataset_run=np.array([run_code[self._datasets[i][2]] for i in order.tolist()], dtype=np.int32),
            runs=runs,
            files={n: f for n, f in sorted((int(number[h]), f) for h, f in self._files.items())},
            reads=reads.edges(),
            writes=writes.edges(),
            init=tuple(
                InitQuantum(label, id, _numbered(inputs, number), _numbered(outputs, number))
                for label, id, inputs, outputs in sorted(self._init, key=lambda row: row[0])
            ),
            output_run=self.output_run,
            source=self.source,
        )

    def _vocabulary(self, tasks: Iterable[Task]) -> dict[str, tuple[Value, ...]]:
        seen: dict[str, set[Value]] = {}
        for task in tasks:
            columns = zip(*(row[0] for row in self._quanta[task.label]), strict=True)
            for dimension, column in zip(task.all_dimensions, columns, strict=False):
                seen.setdefault(dimension, set()).update(column)
        for name, values, _, _ in self._datasets:
            for dimension, value in zip(self._types[name].dimensions, values, strict=True):
                seen.setdefault(dimension, set()).add(value)
        return {d: tuple(sorted(seen[d], key=lambda v: (isinstance(v, str), v))) for d in sorted(seen)}

    def _sort_datasets(
        self, types: Sequence[DatasetType], code: Mapping[str, Mapping[Value, int]], run_code: Mapping[str, int]
    ) -> tuple[Ints, np.ndarray, tuple[Ints, ...]]:
        by_type: dict[str, list[int]] = {t.name: [] for t in types}
        for handle, row in enumerate(self._datasets):
            by_type[row[0]].append(handle)
        order: list[Ints] = []
        columns: list[Ints] = []
        for kind in types:
            handles = by_type[kind.name]
            # Runs and ids break ties: two calibrations of one data id differ in nothing else.
            handles.sort(key=lambda h: (run_code[self._datasets[h][2]], self._datasets[h][3]))
            codes = _encode([self._datasets[h][1] for h in handles], kind.dimensions, code)
            place = _lexsort(codes)
            order.append(np.array(handles, dtype=np.int32)[place])
            columns.append(codes[place])
        counts = [0, *(len(by_type[t.name]) for t in types)]
        whole = np.concatenate(order) if order else np.empty(0, dtype=np.int32)
        return whole, np.cumsum(counts, dtype=np.int64), tuple(columns)


class _Rows:
    """Edges of one direction, gathered quantum by quantum."""

    def __init__(self) -> None:
        self.start = [0]
        self.dataset: list[int] = []
        self.connection: list[int] = []

    def add(self, row: Rows, connection: Mapping[str, int], number: Ints) -> None:
        pairs = sorted((connection[name], int(number[h])) for name, handles in row.items() for h in handles)
        for place, dataset in pairs:
            self.connection.append(place)
            self.dataset.append(dataset)
        self.start.append(len(self.dataset))

    def edges(self) -> Edges:
        return Edges(
            np.array(self.start, dtype=np.int64),
            np.array(self.dataset, dtype=np.int32),
            np.array(self.connection, dtype=np.int32),
        )


def _numbered(row: Rows, number: Ints) -> dict[str, tuple[int, ...]]:
    return {name: tuple(sorted(int(number[h]) for h in row[name])) for name in sorted(row)}


def _encode(
    rows: Sequence[tuple[Value, ...]], dimensions: Sequence[str], code: Mapping[str, Mapping[Value, int]]
) -> Ints:
    out = np.empty((len(rows), len(dimensions)), dtype=np.int32)
    for column, dimension in enumerate(dimensions):
        known = code.get(dimension, {})
        out[:, column] = [known[row[column]] for row in rows]
    return out


def _lexsort(codes: Ints) -> np.ndarray:
    if codes.shape[1] == 0:
        return np.arange(len(codes))
    return np.lexsort(codes.T[::-1])


def _flow_order(tasks: Iterable[Task]) -> list[str]:
    """Labels so that whoever makes a dataset type stands before whoever reads it, ties by label."""
    import heapq

    known = {t.label: t for t in tasks}
    made: dict[str, str] = {c.dataset_type: t.label for t in known.values() for c in t.connections if _is_out(c)}
    before: dict[str, set[str]] = {
        t.label: {made[c.dataset_type] for c in t.connections if not _is_out(c) and c.dataset_type in made} - {t.label}
        for t in known.values()
    }
    after: dict[str, list[str]] = {label: [] for label in known}
    for label, sources in before.items():
        for each in sources:
            after[each].append(label)
    waiting = {label: len(sources) for label, sources in before.items()}
    ready = sorted(label for label, n in waiting.items() if n == 0)
    order: list[str] = []
    while ready:
        label = heapq.heappop(ready)
        order.append(label)
        for each in after[label]:
            waiting[each] -= 1
            if waiting[each] == 0:
                heapq.heappush(ready, each)
    if len(order) < len(known):
        raise ValueError(f"tasks depend on each other in a circle: {', '.join(sorted(set(known) - set(order)))}")
    return order


def _is_out(connection: Connection) -> bool:
    return connection.kind in ("output", "init-output")
