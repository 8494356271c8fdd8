"""A quantum graph as columns, with light views.

Everything is an array indexed by the number of a quantum or of a dataset; those numbers follow
the sorted order of tasks, data ids and ids, so that the order of the file a graph came from
means nothing. Data ids are codes into one vocabulary a dimension, whose values are sorted:
comparing codes is comparing values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Value = int | str
Ints = NDArray[np.int32]
ConnectionKind = Literal["input", "prerequisite", "output", "init-input", "init-output"]


@dataclass(frozen=True, slots=True)
class Connection:
    """A named port of a task; metadata, log and config are the connections ``_metadata``, ``_log``, ``_config``."""

    name: str
    dataset_type: str
    kind: ConnectionKind
    dimensions: tuple[str, ...] = ()
    """Required dimensions of its datasets, in the order of their data ids."""
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the graph by label, with the declarations that hold for each of its quanta."""

    label: str
    task_class: str
    dimensions: tuple[str, ...]
    """Required dimensions: the identity of a quantum, in the order of the dimension universe."""
    implied: tuple[str, ...] = ()
    """Dimensions whose values follow from the required ones (a visit's band); their values stand behind."""
    connections: tuple[Connection, ...] = ()
    """Sorted by kind and name; edges name a connection by its place here."""

    @property
    def all_dimensions(self) -> tuple[str, ...]:
        return self.dimensions + self.implied

    def connection(self, name: str) -> int:
        """The place of the connection `name`; raises `KeyError`."""
        for place, each in enumerate(self.connections):
            if each.name == name:
                return place
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class DatasetType:
    """What a dataset is: its name, the dimensions of its data ids, its storage class."""

    name: str
    dimensions: tuple[str, ...]
    storage_class: str = ""
    is_calibration: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The datastore's record of a dataset that exists before the workflow runs."""

    path: str
    """Relative to the datastore's root, or an absolute URI for a file ingested in place."""
    size: int | None = None
    """Bytes; None where the record does not tell."""
    formatter: str = ""
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A view of one dataset."""

    number: int
    type: str
    data_id: Mapping[str, Value]
    run: str
    id: UUID
    file: StoredFile | None


@dataclass(frozen=True, slots=True)
class Quantum:
    """A view of one quantum: a task to be run on one data id."""

    number: int
    label: str
    data_id: Mapping[str, Value]
    """Required dimensions only."""
    id: UUID
    inputs: Mapping[str, tuple[int, ...]]
    """Numbers of datasets by connection, sorted."""
    outputs: Mapping[str, tuple[int, ...]]

    def __str__(self) -> str:
        return format_quantum(self.label, self.data_id)


@dataclass(frozen=True, slots=True)
class InitQuantum:
    """What a task reads and writes once, before any quantum; the empty label holds the packages."""

    label: str
    id: UUID
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Datasets of quanta in compressed rows: those of quantum q stand at ``start[q]:start[q + 1]``.

    Within a quantum they are sorted by connection, then by dataset number.
    """

    start: NDArray[np.int64]
    """Shape (quanta + 1,)."""
    dataset: Ints
    """Shape (edges,)."""
    connection: Ints
    """Shape (edges,): the connection's place among its task's connections."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edges) and _same(self, other, ("start", "dataset", "connection"))

    __hash__ = None  # type: ignore[assignment]

    def of(self, quantum: int) -> slice:
        return slice(int(self.start[quantum]), int(self.start[quantum + 1]))


@dataclass(frozen=True, eq=False)
class QuantumGraph:
    """Every run of every task on every piece of data, with the datasets it reads and writes.

    Graphs are equal if everything but the name of the file they came from is.
    """

    tasks: tuple[Task, ...]
    """In an order in which data flows, ties by label."""
    dataset_types: tuple[DatasetType, ...]
    """Sorted by name."""
    vocabulary: Mapping[str, tuple[Value, ...]]
    """Values of each dimension, sorted; a code is a place in it."""
    task_start: NDArray[np.int64]
    """Shape (tasks + 1,): the quanta of task t are ``task_start[t]:task_start[t + 1]``."""
    quantum_codes: tuple[Ints, ...]
    """For each task, shape (quanta of the task, required + implied dimensions)."""
    quantum_ids: NDArray[np.void]
    """Shape (quanta,), 16 bytes each."""
    type_start: NDArray[np.int64]
    """Shape (dataset types + 1,): the datasets of type y are ``type_start[y]:type_start[y + 1]``."""
    dataset_codes: tuple[Ints, ...]
    """For each dataset type, shape (datasets of the type, its required dimensions)."""
    dataset_ids: NDArray[np.void]
    dataset_run: Ints
    runs: tuple[str, ...]
    files: Mapping[int, StoredFile]
    """Datastore records of datasets that exist already, by number."""
    reads: Edges
    """Inputs and prerequisites of quanta; init-inputs stand in `init`."""
    writes: Edges
    init: tuple[InitQuantum, ...] = ()
    """Sorted by label."""
    output_run: str = ""
    source: str = ""
    """The file it was read from, as it was named."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QuantumGraph) and _same(
            self, other, tuple(each.name for each in fields(self) if each.name != "source")
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def n_quanta(self) -> int:
        return int(self.task_start[-1])

    @property
    def n_datasets(self) -> int:
        return int(self.type_start[-1])

    @cached_property
    def quantum_task(self) -> Ints:
        """Shape (quanta,): the number of each quantum's task."""
        return np.repeat(np.arange(len(self.tasks), dtype=np.int32), np.diff(self.task_start))

    @cached_property
    def dataset_type_of(self) -> Ints:
        """Shape (datasets,): the number of each dataset's type."""
        return np.repeat(np.arange(len(self.dataset_types), dtype=np.int32), np.diff(self.type_start))

    @cached_property
    def producer(self) -> Ints:
        """Shape (datasets,): the quantum that writes each dataset, or -1."""
        made = np.full(self.n_datasets, -1, dtype=np.int32)
        made[self.writes.dataset] = np.repeat(np.arange(self.n_quanta, dtype=np.int32), np.diff(self.writes.start))
        return made

    @cached_property
    def init_made(self) -> frozenset[int]:
        """Datasets that the init quanta write."""
        return frozenset(d for each in self.init for row in each.outputs.values() for d in row)

    def task_number(self, label: str) -> int:
        """Raises `KeyError`."""
        for number, task in enumerate(self.tasks):
            if task.label == label:
                return number
        raise KeyError(label)

    def quanta_of(self, task: int) -> range:
        return range(int(self.task_start[task]), int(self.task_start[task + 1]))

    def exists_before(self, dataset: int) -> bool:
        """Whether the dataset is an overall input: nothing in the graph writes it."""
        return int(self.producer[dataset]) < 0 and dataset not in self.init_made

    def quantum_values(self, quantum: int) -> tuple[Value, ...]:
        """Values of the required dimensions."""
        t = int(self.quantum_task[quantum])
        task = self.tasks[t]
        row = self.quantum_codes[t][quantum - int(self.task_start[t])]
        return tuple(self.vocabulary[d][int(c)] for d, c in zip(task.dimensions, row, strict=False))

    def dataset_values(self, dataset: int) -> tuple[Value, ...]:
        """Values of the required dimensions."""
        y = int(self.dataset_type_of[dataset])
        row = self.dataset_codes[y][dataset - int(self.type_start[y])]
        return tuple(self.vocabulary[d][int(c)] for d, c in zip(self.dataset_types[y].dimensions, row, strict=True))

    def quantum(self, number: int) -> Quantum:
        t = int(self.quantum_task[number])
        task = self.tasks[t]
        return Quantum(
            number,
            task.label,
            dict(zip(task.dimensions, self.quantum_values(number), strict=True)),
            UUID(bytes=self.quantum_ids[number].tobytes()),
            self._by_connection(task, self.reads, number),
            self._by_connection(task, self.writes, number),
        )

    def dataset(self, number: int) -> Dataset:
        kind = self.dataset_types[int(self.dataset_type_of[number])]
        return Dataset(
            number,
            kind.name,
            dict(zip(kind.dimensions, self.dataset_values(number), strict=True)),
            self.runs[int(self.dataset_run[number])],
            UUID(bytes=self.dataset_ids[number].tobytes()),
            self.files.get(number),
        )

    def quanta(self) -> Iterator[Quantum]:
        """Every quantum, in order."""
        return map(self.quantum, range(self.n_quanta))

    @staticmethod
    def _by_connection(task: Task, edges: Edges, quantum: int) -> dict[str, tuple[int, ...]]:
        out: dict[str, list[int]] = {}
        row = edges.of(quantum)
        for c, d in zip(edges.connection[row].tolist(), edges.dataset[row].tolist(), strict=True):
            out.setdefault(task.connections[c].name, []).append(d)
        return {name: tuple(found) for name, found in out.items()}


def _same(one: object, other: object, names: tuple[str, ...]) -> bool:
    """Whether attributes are equal; dataclasses cannot compare arrays by themselves."""

    def equal(a: Any, b: Any) -> bool:
        if isinstance(a, np.ndarray):
            return np.array_equal(a, b)
        if isinstance(a, tuple):
            return len(a) == len(b) and all(map(equal, a, b))
        return bool(a == b)

    return all(equal(getattr(one, name), getattr(other, name)) for name in names)


def format_quantum(label: str, data_id: Mapping[str, Value]) -> str:
    """A quantum's name for people, as ``explain --quantum`` takes it.

    >>> format_quantum("isr", {"exposure": 1000, "detector": 3})
    'isr{exposure: 1000, detector: 3}'
    """
    return f"{label}{{{', '.join(f'{k}: {v}' for k, v in data_id.items())}}}"
