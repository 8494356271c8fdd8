"""Fill a quantum graph's columns from rows in any order."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

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
from compiler.rubin.ids import dataset_id, init_id, quantum_id

Rows = Mapping[str, Sequence[int]]
"""Handles of datasets by connection."""


class GraphBuilder:
    """Takes dataset types, datasets, tasks and quanta as they come; `finish` sorts them.

    A dataset's handle is what `add_dataset` returned; adding an id a second time returns the first handle.
    What is added goes into columns at once, so that a million quanta fit.
    """

    def __init__(self, source: str = "", output_run: str = "") -> None:
        self.source = source
        self.output_run = output_run
        self._types: dict[str, DatasetType] = {}
        self._tasks: dict[str, _TaskRows] = {}
        self._seen: dict[bytes, int] = {}
        self._datasets: dict[str, _Table] = {}
        self._runs: dict[str, int] = {}
        self._dataset_run = array("i")
        self._dataset_ids = bytearray()
        self._files: dict[int, StoredFile] = {}
        self._codes: dict[str, dict[Value, int]] = {}
        """Values of each dimension in the order of their coming; sorted at last."""
        self._init: list[tuple[str, UUID, Rows, Rows]] = []

    def add_dataset_type(self, kind: DatasetType) -> None:
        self._types[kind.name] = kind
        self._datasets[kind.name] = self._table(kind.dimensions)

    def add_task(self, task: Task) -> None:
        connections = tuple(sorted(task.connections, key=lambda c: (c.kind, c.name)))
        whole = Task(task.label, task.task_class, task.dimensions, task.implied, connections)
        places = {c.name: place for place, c in enumerate(connections)}
        self._tasks[task.label] = _TaskRows(whole, self._table(whole.all_dimensions), places)

    def add_dataset(
        self,
        dataset_type: str,
        values: Sequence[Value],
        run: str,
        id: bytes | None = None,
        file: StoredFile | None = None,
    ) -> int:
        """`values` start with those of the required dimensions; `id` is 16 bytes, derived from the rest if None.

        Raises `KeyError` for an unknown type, `ValueError` for too few values or a wrong id.
        """
        if id is None:
            id = dataset_id(dataset_type, values[: self._datasets[dataset_type].width], run)
        handle = self._seen.get(id)
        if handle is None:
            if len(id) != 16:
                raise ValueError(f"an id has 16 bytes, not {len(id)}")
            handle = len(self._dataset_run)
            self._datasets[dataset_type].add(values, handle)
            self._seen[id] = handle
            self._dataset_ids += id
            self._dataset_run.append(self._runs.setdefault(run, len(self._runs)))
        if file is not None:
            self.add_file(handle, file)
        return handle

    def add_file(self, handle: int, file: StoredFile) -> None:
        """The datastore's record of a dataset, where it becomes known later than the dataset."""
        self._files[handle] = file

    def add_quantum(self, label: str, values: Sequence[Value], id: bytes | None, inputs: Rows, outputs: Rows) -> None:
        """`values` are those of the required, then of the implied dimensions; a missing id is derived.

        Raises `KeyError` for an unknown label or connection, `ValueError` for too few values or a wrong id.
        """
        rows = self._tasks[label]
        if id is None:
            id = quantum_id(label, values[: len(rows.task.dimensions)])
        if len(id) != 16:
            raise ValueError(f"an id has 16 bytes, not {len(id)}")
        rows.table.add(values, len(rows.table.handles))
        rows.ids += id
        rows.reads.add(inputs, rows.places)
        rows.writes.add(outputs, rows.places)

    def add_init(self, label: str, id: bytes | None, inputs: Rows, outputs: Rows) -> None:
        """What a task reads and writes once; the empty label holds the packages. A missing id is derived."""
        self._init.append((label, UUID(bytes=id or init_id(label)), inputs, outputs))

    def finish(self) -> QuantumGraph:
        """The graph; raises `ValueError` if tasks depend on each other in a circle."""
        tasks = [self._tasks[label] for label in _flow_order([each.task for each in self._tasks.values()])]
        types = [self._types[name] for name in sorted(self._types)]
        vocabulary, final = _sorted_vocabulary(self._codes)
        runs = tuple(sorted(self._runs))
        run_place = {run: place for place, run in enumerate(runs)}
        run_of = np.array([run_place[r] for r in self._runs], dtype=np.int32)[_ints(self._dataset_run)]
        ids = np.frombuffer(bytes(self._dataset_ids), dtype="V16")

        dataset_codes, order = [], [np.empty(0, dtype=np.int32)]
        for kind in types:
            table = self._datasets[kind.name]
            handles = _ints(table.handles)
            # Runs and ids break ties: two calibrations of one data id differ in nothing else.
            codes, place = table.sorted(final, [run_of[handles]], ids[handles])
            dataset_codes.append(codes)
            order.append(handles[place])
        by_number = np.concatenate(order)
        number = np.empty_like(by_number)
        number[by_number] = np.arange(len(by_number), dtype=np.int32)

        quantum_codes, quantum_ids = [], [np.empty(0, dtype="V16")]
        reads, writes = [], []
        for rows in tasks:
            found = np.frombuffer(bytes(rows.ids), dtype="V16")
            codes, place = rows.table.sorted(final, [], found, len(rows.task.dimensions))
            quantum_codes.append(codes)
            quantum_ids.append(found[place])
            reads.append(rows.reads.sorted(place, number))
            writes.append(rows.writes.sorted(place, number))
        return QuantumGraph(
            tasks=tuple(rows.task for rows in tasks),
            dataset_types=tuple(types),
            vocabulary=vocabulary,
            task_start=_starts(len(codes) for codes in quantum_codes),
            quantum_codes=tuple(quantum_codes),
            quantum_ids=np.concatenate(quantum_ids),
            type_start=_starts(len(codes) for codes in dataset_codes),
            dataset_codes=tuple(dataset_codes),
            dataset_ids=ids[by_number],
            dataset_run=run_of[by_number],
            runs=runs,
            files=dict(sorted((int(number[h]), f) for h, f in self._files.items())),
            reads=_joined(reads),
            writes=_joined(writes),
            init=tuple(
                InitQuantum(label, id, _numbered(inputs, number), _numbered(outputs, number))
                for label, id, inputs, outputs in sorted(self._init, key=lambda row: row[:2])
            ),
            output_run=self.output_run,
            source=self.source,
        )

    def _table(self, dimensions: tuple[str, ...]) -> _Table:
        return _Table(dimensions, [self._codes.setdefault(d, {}) for d in dimensions])


@dataclass
class _Table:
    """Data ids as codes in the order of their coming, row after row."""

    dimensions: tuple[str, ...]
    vocabularies: list[dict[Value, int]]
    codes: array[int] = field(default_factory=lambda: array("i"))
    handles: array[int] = field(default_factory=lambda: array("i"))

    @property
    def width(self) -> int:
        return len(self.dimensions)

    def add(self, values: Sequence[Value], handle: int) -> None:
        if len(values) < len(self.vocabularies):
            raise ValueError(f"{len(values)} values for the dimensions {', '.join(self.dimensions)}")
        for known, value in zip(self.vocabularies, values, strict=False):
            code = known.get(value)
            if code is None:
                code = known[value] = len(known)
            self.codes.append(code)
        self.handles.append(handle)

    def sorted(
        self, final: Mapping[str, Ints], ties: list[Ints], ids: NDArray[np.void], significant: int | None = None
    ) -> tuple[Ints, NDArray[np.intp]]:
        """Codes in sorted order, and the places where they stood; only `significant` columns decide."""
        codes = _ints(self.codes).reshape(len(self.handles), self.width).copy()
        for column, dimension in enumerate(self.dimensions):
            codes[:, column] = final[dimension][codes[:, column]]
        halves = ids.view(">u8").reshape(len(ids), 2).T
        keys = [halves[1], halves[0], *ties, *codes.T[:significant][::-1]]
        place = np.lexsort(keys)
        return codes[place], place


@dataclass
class _EdgeRows:
    """Edges of one direction, quantum after quantum of one task."""

    counts: array[int] = field(default_factory=lambda: array("i"))
    connection: array[int] = field(default_factory=lambda: array("i"))
    dataset: array[int] = field(default_factory=lambda: array("i"))

    def add(self, row: Rows, places: Mapping[str, int]) -> None:
        before = len(self.dataset)
        for name, handles in row.items():
            self.connection.extend([places[name]] * len(handles))
            self.dataset.extend(handles)
        self.counts.append(len(self.dataset) - before)

    def sorted(self, place: NDArray[np.intp], number: Ints) -> tuple[Ints, Ints, Ints]:
        """Edges a quantum, dataset numbers and connections, for quanta in the order of `place`."""
        counts = _ints(self.counts)
        rank = np.empty(len(place), dtype=np.int32)
        rank[place] = np.arange(len(place), dtype=np.int32)
        dataset, connection = number[_ints(self.dataset)], _ints(self.connection)
        order = np.lexsort([dataset, connection, np.repeat(rank, counts)])
        return counts[place], dataset[order], connection[order]


@dataclass
class _TaskRows:
    task: Task
    table: _Table
    places: dict[str, int]
    ids: bytearray = field(default_factory=bytearray)
    reads: _EdgeRows = field(default_factory=_EdgeRows)
    writes: _EdgeRows = field(default_factory=_EdgeRows)


def _sorted_vocabulary(
    codes: Mapping[str, Mapping[Value, int]],
) -> tuple[dict[str, tuple[Value, ...]], dict[str, Ints]]:
    """Values of each dimension, sorted, and the place of each provisional code among them."""
    vocabulary, final = {}, {}
    for dimension in sorted(codes):
        values = list(codes[dimension])
        order = sorted(range(len(values)), key=lambda i: (isinstance(values[i], str), values[i]))
        place = np.empty(len(values), dtype=np.int32)
        place[order] = np.arange(len(values), dtype=np.int32)
        final[dimension] = place
        vocabulary[dimension] = tuple(values[i] for i in order)
    return vocabulary, final


def _ints(column: array[int]) -> Ints:
    return np.frombuffer(column, dtype=np.int32) if column else np.empty(0, dtype=np.int32)


def _starts(counts: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts], dtype=np.int64)


def _joined(parts: Sequence[tuple[Ints, Ints, Ints]]) -> Edges:
    none = np.empty(0, dtype=np.int32)
    counts, dataset, connection = (np.concatenate([none, *(part[i] for part in parts)]) for i in range(3))
    return Edges(np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]), dataset, connection)


def _numbered(row: Rows, number: Ints) -> dict[str, tuple[int, ...]]:
    return {name: tuple(sorted(int(number[h]) for h in row[name])) for name in sorted(row)}


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
