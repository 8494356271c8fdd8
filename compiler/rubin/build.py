"""Fill a quantum graph's columns from rows or columns in any order."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from compiler.rubin.columns import Column, EdgeRows, Table, Vocabulary, distinct, ints, starts
from compiler.rubin.files import UNKNOWN, Files, Ints, StoredFile
from compiler.rubin.graph import Connection, DatasetType, Edges, InitQuantum, QuantumGraph, Task, Value
from compiler.rubin.ids import GivenIds, dataset_id, init_id, quantum_id

Rows = Mapping[str, Sequence[int]]
"""Handles of datasets by connection."""
Ids = Sequence[bytes | None] | NDArray[np.void]
"""16 bytes each; None for one that is to be derived."""
EdgeColumns = Mapping[str, tuple[Ints, Ints]]
"""By connection: how many datasets each quantum has, shape (quanta,), and their handles, shape (edges,)."""


class GraphBuilder:
    """Takes dataset types, datasets, tasks and quanta as they come; `finish` sorts them.

    A dataset's handle is how many different ones were added before it. What is added goes into columns at once, so
    that a million quanta fit.
    """

    def __init__(self, source: str = "", output_run: str = "") -> None:
        self.source = source
        self.output_run = output_run
        self._types: dict[str, _DatasetRows] = {}
        self._tasks: dict[str, _TaskRows] = {}
        self._seen: dict[bytes, int] = {}
        """The handles of datasets that were added one by one."""
        self._count = 0
        self._runs: dict[str, int] = {}
        self._files = _FileRows()
        self._vocabularies: dict[str, Vocabulary] = {}
        self._init: list[tuple[str, UUID, Rows, Rows]] = []

    def vocabulary(self, dimension: str) -> Vocabulary:
        """For callers that encode values themselves, once for many rows."""
        return self._vocabularies.setdefault(dimension, Vocabulary())

    def add_dataset_type(self, kind: DatasetType) -> None:
        self._types[kind.name] = _DatasetRows(kind, self._table(kind.dimensions))

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
        """The dataset's handle: adding an id a second time gives the first one.

        `values` start with those of the required dimensions; `id` is 16 bytes, derived from the rest if None.
        Raises `KeyError` for an unknown type, `ValueError` for too few values or a wrong id.
        """
        rows = self._types[dataset_type]
        known = dataset_id(dataset_type, values[: len(rows.kind.dimensions)], run) if id is None else id
        handle = self._seen.get(known)
        if handle is None:
            if len(known) != 16:
                raise ValueError(f"an id has 16 bytes, not {len(known)}")
            rows.table.add(values)
            rows.runs.append(self._run(run))
            handle = self._seen[known] = self._count
            rows.handles.append(handle)
            self._count += 1
            if id is not None:
                rows.given.add(rows.table.rows - 1, id)
        if file is not None:
            self.add_file(handle, file)
        return handle

    def add_datasets(
        self,
        dataset_type: str,
        columns: Sequence[Column],
        runs: str | Sequence[str],
        count: int,
        ids: Ids | None = None,
        handles: Ints | None = None,
    ) -> int:
        """Add `count` datasets, a column of values for each required dimension; the first one's handle.

        None of them may have been added before: `doubled_datasets` tells whether one was. Whoever counts datasets
        itself gives their `handles`; all of them together must count from 0. Raises like `add_dataset`.
        """
        rows = self._types[dataset_type]
        before = rows.table.rows
        rows.table.extend(columns, count)
        rows.runs.frombytes(self._run_codes(runs, count).tobytes())
        first = self._count
        if handles is None:
            handles = np.arange(first, first + count, dtype=np.int32)
        rows.handles.frombytes(handles.astype(np.int32).tobytes())
        rows.given.extend(before, ids)
        self._count += count
        return first

    def add_file(self, handle: int, file: StoredFile) -> None:
        """The datastore's record of a dataset, where it becomes known later than the dataset.

        Raises `ValueError` for a negative size.
        """
        size = UNKNOWN if file.size is None else file.size
        if file.size is not None and file.size < 0:
            raise ValueError(f"a file of {file.size} bytes")
        self.add_files([handle], [file.path], [size], [file.formatter], [file.checksum])

    def add_files(
        self,
        handles: Iterable[int],
        paths: Sequence[str],
        sizes: Iterable[int],
        formatters: Sequence[str],
        checksums: Sequence[str | None] | None = None,
    ) -> None:
        """Records of datasets as columns of one length; sizes in bytes, or `UNKNOWN`."""
        self._files.handles.extend(handles)
        self._files.paths.extend(paths)
        self._files.sizes.extend(sizes)
        self._files.formatters.extend(formatters)
        self._files.checksums.extend([None] * len(paths) if checksums is None else checksums)

    def add_quantum(self, label: str, values: Sequence[Value], id: bytes | None, inputs: Rows, outputs: Rows) -> None:
        """`values` are those of the required, then of the implied dimensions; a missing id is derived.

        Raises `KeyError` for an unknown label or connection, `ValueError` for too few values or a wrong id.
        """
        rows = self._tasks[label]
        if id is not None and len(id) != 16:
            raise ValueError(f"an id has 16 bytes, not {len(id)}")
        rows.table.add(values)
        if id is not None:
            rows.given.add(rows.table.rows - 1, id)
        rows.reads.add(inputs, rows.places)
        rows.writes.add(outputs, rows.places)

    def add_quanta(
        self,
        label: str,
        columns: Sequence[Column],
        count: int,
        ids: Ids | None,
        inputs: EdgeColumns,
        outputs: EdgeColumns,
    ) -> None:
        """Add `count` quanta, a column of values for each dimension, the required ones first.

        Raises like `add_quantum`.
        """
        rows = self._tasks[label]
        before = rows.table.rows
        rows.table.extend(columns, count)
        rows.given.extend(before, ids)
        rows.reads.extend([(rows.places[name], *part) for name, part in inputs.items()], count)
        rows.writes.extend([(rows.places[name], *part) for name, part in outputs.items()], count)

    def add_init(self, label: str, id: bytes | None, inputs: Rows, outputs: Rows) -> None:
        """What a task reads and writes once; the empty label holds the packages. A missing id is derived."""
        self._init.append((label, UUID(bytes=id or init_id(label)), inputs, outputs))

    def doubled_datasets(self) -> list[int]:
        """Handles of datasets whose id one with a smaller handle has, given or derived; sorted."""
        doubled: set[int] = set()
        given_ids, given_handles = [np.empty(0, dtype="V16")], [np.empty(0, dtype=np.int32)]
        final = {dimension: known.finish()[1] for dimension, known in self._vocabularies.items()}
        for rows in self._types.values():
            handles = ints(rows.handles)
            _, place = self._sorted(rows, final)
            key = np.column_stack([*(ints(column)[place] for column in rows.table.codes), ints(rows.runs)[place]])
            same = np.flatnonzero((key[1:] == key[:-1]).all(axis=1))
            for one, other in zip(place[same].tolist(), place[same + 1].tolist(), strict=True):
                first, second = self._dataset_ids(rows, [one, other])
                if first == second:
                    doubled.add(int(max(handles[one], handles[other])))
            given_ids.append(rows.given.array())
            given_handles.append(handles[ints(rows.given.rows)])
        ids, who = np.concatenate(given_ids), np.concatenate(given_handles)
        halves = np.ascontiguousarray(ids.view(np.uint64).reshape(len(ids), 2).T)
        # Different ids hardly ever share a half, and one half is sorted much faster than whole ids.
        if len(distinct(halves[1])) < len(ids):
            order = np.lexsort((who, *halves))
            again = ids[order[1:]] == ids[order[:-1]]
            doubled.update(who[order[1:]][again].tolist())
        return sorted(doubled)

    def finish(self) -> QuantumGraph:
        """The graph; raises `ValueError` if tasks depend on each other in a circle."""
        tasks = [self._tasks[label] for label in _flow_order([each.task for each in self._tasks.values()])]
        types = [self._types[name] for name in sorted(self._types)]
        found = {dimension: self._vocabularies[dimension].finish() for dimension in sorted(self._vocabularies)}
        final = {dimension: place for dimension, (_, place) in found.items()}
        runs, run_of = tuple(sorted(self._runs)), self._run_places()
        number = np.empty(self._count, dtype=np.int32)
        dataset_codes, dataset_run, dataset_given = [], [np.empty(0, dtype=np.int32)], []
        first = 0
        for kind in types:
            codes, place = self._sorted(kind, final)
            number[ints(kind.handles)[place]] = np.arange(first, first + len(place), dtype=np.int32)
            dataset_codes.append(codes)
            dataset_run.append(run_of[ints(kind.runs)][place])
            dataset_given.append(kind.given.placed(place, first))
            first += len(place)
        quantum_codes, quantum_given, reads, writes = [], [], [], []
        first = 0
        for rows in tasks:
            codes, place = rows.table.sorted(final, rows.ids, significant=len(rows.task.dimensions))
            quantum_codes.append(codes)
            quantum_given.append(rows.given.placed(place, first))
            reads.append(rows.reads.sorted(place, number))
            writes.append(rows.writes.sorted(place, number))
            first += len(place)
        return QuantumGraph(
            tasks=tuple(rows.task for rows in tasks),
            dataset_types=tuple(rows.kind for rows in types),
            vocabulary={dimension: values for dimension, (values, _) in found.items()},
            task_start=starts([len(codes) for codes in quantum_codes]),
            quantum_codes=tuple(quantum_codes),
            given_quantum_ids=_joined_ids(quantum_given),
            type_start=starts([len(codes) for codes in dataset_codes]),
            dataset_codes=tuple(dataset_codes),
            given_dataset_ids=_joined_ids(dataset_given),
            dataset_run=np.concatenate(dataset_run),
            runs=runs,
            files=self._files.finish(number),
            reads=_joined(reads),
            writes=_joined(writes),
            init=tuple(
                InitQuantum(label, id, _numbered(inputs, number), _numbered(outputs, number))
                for label, id, inputs, outputs in sorted(self._init, key=lambda row: row[:2])
            ),
            output_run=self.output_run,
            source=self.source,
        )

    def _sorted(self, rows: _DatasetRows, final: Mapping[str, Ints]) -> tuple[Ints, NDArray[np.intp]]:
        # Runs and ids break ties: two calibrations of one data id differ in nothing else.
        last = (self._run_places()[ints(rows.runs)], len(self._runs))
        return rows.table.sorted(final, lambda places: self._dataset_ids(rows, places), last)

    def _dataset_ids(self, rows: _DatasetRows, places: Sequence[int]) -> list[bytes]:
        names = list(self._runs)
        return [
            known or dataset_id(rows.kind.name, rows.table.values(place), names[rows.runs[place]])
            for place, known in zip(places, rows.given.at(places), strict=True)
        ]

    def _run(self, run: str) -> int:
        return self._runs.setdefault(run, len(self._runs))

    def _run_codes(self, runs: str | Sequence[str], count: int) -> Ints:
        if isinstance(runs, str):
            return np.full(count, self._run(runs), dtype=np.int32)
        codes = {run: self._run(run) for run in dict.fromkeys(runs)}
        return np.fromiter(map(codes.__getitem__, runs), dtype=np.int32, count=count)

    def _run_places(self) -> Ints:
        """The place of each run among the sorted ones."""
        place = {run: place for place, run in enumerate(sorted(self._runs))}
        return np.array([place[run] for run in self._runs], dtype=np.int32)

    def _table(self, dimensions: tuple[str, ...]) -> Table:
        return Table(dimensions, [self.vocabulary(d) for d in dimensions])


@dataclass
class _GivenRows:
    """Ids of those rows of a table that came with one."""

    rows: array[int] = field(default_factory=lambda: array("i"))
    """Growing."""
    ids: bytearray = field(default_factory=bytearray)

    def add(self, row: int, id: bytes) -> None:
        self.rows.append(row)
        self.ids += id

    def extend(self, first: int, ids: Ids | None) -> None:
        """The ids of rows from `first` on."""
        if isinstance(ids, np.ndarray):
            self.rows.frombytes(np.arange(first, first + len(ids), dtype=np.int32).tobytes())
            self.ids += ids.tobytes()
        elif ids is not None:
            self.rows.extend(row for row, id in enumerate(ids, first) if id is not None)
            self.ids += b"".join(id for id in ids if id is not None)

    def array(self) -> NDArray[np.void]:
        return np.frombuffer(self.ids, dtype="V16")

    def at(self, rows: Sequence[int]) -> list[bytes | None]:
        return GivenIds(ints(self.rows), self.array()).of(np.array(rows, dtype=np.int32))[0]

    def placed(self, place: NDArray[np.intp], first: int) -> GivenIds:
        """By number, where row ``place[i]`` got the number ``first + i``."""
        number = np.empty(len(place), dtype=np.int32)
        number[place] = np.arange(first, first + len(place), dtype=np.int32)
        own = number[ints(self.rows)]
        order = np.argsort(own, kind="stable")
        return GivenIds(own[order], self.array()[order])


@dataclass
class _DatasetRows:
    kind: DatasetType
    table: Table
    handles: array[int] = field(default_factory=lambda: array("i"))
    runs: array[int] = field(default_factory=lambda: array("i"))
    given: _GivenRows = field(default_factory=_GivenRows)


@dataclass
class _TaskRows:
    task: Task
    table: Table
    places: dict[str, int]
    given: _GivenRows = field(default_factory=_GivenRows)
    reads: EdgeRows = field(default_factory=EdgeRows)
    writes: EdgeRows = field(default_factory=EdgeRows)

    def ids(self, rows: Sequence[int]) -> list[bytes]:
        width = len(self.task.dimensions)
        return [
            known or quantum_id(self.task.label, self.table.values(row)[:width])
            for row, known in zip(rows, self.given.at(rows), strict=True)
        ]


@dataclass
class _FileRows:
    handles: array[int] = field(default_factory=lambda: array("i"))
    paths: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    formatters: list[str] = field(default_factory=list)
    checksums: list[str | None] = field(default_factory=list)

    def finish(self, number: Ints) -> Files:
        """By number of the dataset; the last record of one counts."""
        last = {handle: row for row, handle in enumerate(self.handles)}
        if len(last) < len(self.handles):
            rows = sorted(last.values())
            kept = _FileRows(array("i", [self.handles[row] for row in rows]))
            kept.paths = [self.paths[row] for row in rows]
            kept.sizes = array("q", [self.sizes[row] for row in rows])
            kept.formatters = [self.formatters[row] for row in rows]
            kept.checksums = [self.checksums[row] for row in rows]
            return kept.finish(number)
        sizes = np.array(self.sizes, dtype=np.int64)
        return Files.columns(number[ints(self.handles)], self.paths, sizes, self.formatters, self.checksums)


def _joined_ids(parts: Sequence[GivenIds]) -> GivenIds:
    none = GivenIds.none()
    numbers = np.concatenate([none.numbers, *(each.numbers for each in parts)])
    return GivenIds(numbers, np.concatenate([none.ids, *(each.ids for each in parts)]))


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
