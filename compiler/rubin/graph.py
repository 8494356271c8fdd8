"""A quantum graph as columns, with light views.

Everything is an array indexed by the number of a quantum or of a dataset; those numbers follow
the sorted order of tasks, data ids and ids, so that the order of the file a graph came from
means nothing. Data ids are codes into one vocabulary a dimension, whose values are sorted:
comparing codes is comparing values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from compiler.rubin.files import Files, StoredFile
from compiler.rubin.files import Ints as Ints
from compiler.rubin.ids import GivenIds, dataset_ids, json_text, quantum_ids

Value = int | str
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
    given_quantum_ids: GivenIds
    type_start: NDArray[np.int64]
    """Shape (dataset types + 1,): the datasets of type y are ``type_start[y]:type_start[y + 1]``."""
    dataset_codes: tuple[Ints, ...]
    """For each dataset type, shape (datasets of the type, its required dimensions)."""
    given_dataset_ids: GivenIds
    dataset_run: Ints
    runs: tuple[str, ...]
    files: Files
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
        apart = {"source", "given_quantum_ids", "given_dataset_ids"}
        return (
            isinstance(other, QuantumGraph)
            and _same(self, other, tuple(each.name for each in fields(self) if each.name not in apart))
            and (_same(self.given_quantum_ids, other.given_quantum_ids) or _same(self, other, ("quantum_ids",)))
            and (_same(self.given_dataset_ids, other.given_dataset_ids) or _same(self, other, ("dataset_ids",)))
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def n_quanta(self) -> int:
        return int(self.task_start[-1])

    @property
    def n_datasets(self) -> int:
        return int(self.type_start[-1])

    @cached_property
    def quantum_ids(self) -> NDArray[np.void]:
        """Shape (quanta,), 16 bytes each; deriving a million takes seconds: `quantum_ids_of` gives some."""
        if len(self.given_quantum_ids.numbers) == self.n_quanta:
            return self.given_quantum_ids.ids
        return _voids(self.quantum_ids_of(np.arange(self.n_quanta, dtype=np.int32)))

    @cached_property
    def dataset_ids(self) -> NDArray[np.void]:
        """Shape (datasets,), 16 bytes each; deriving a million takes seconds: `ids_of` gives some."""
        if len(self.given_dataset_ids.numbers) == self.n_datasets:
            return self.given_dataset_ids.ids
        return _voids(self.ids_of(np.arange(self.n_datasets, dtype=np.int32)))

    def quantum_ids_of(self, quanta: Sequence[int] | Ints) -> list[bytes]:
        """The ids of the numbered quanta, 16 bytes each; only those that no file gave are derived."""
        return _known(self.given_quantum_ids, quanta, self.derived_quantum_ids_of)

    def ids_of(self, datasets: Sequence[int] | Ints) -> list[bytes]:
        """The ids of the numbered datasets, 16 bytes each; only those that no file gave are derived."""
        return _known(self.given_dataset_ids, datasets, self.derived_ids_of)

    def derived_quantum_ids_of(self, quanta: Ints) -> list[bytes]:
        """The ids that the numbered quanta have if no file gives them one."""
        found = np.empty(len(quanta), dtype="V16")
        for t, places in _kinds(quanta, self.task_start):
            task, rows = self.tasks[t], quanta[places] - self.task_start[t]
            texts = [self._texts(d, self.quantum_codes[t][rows, i]) for i, d in enumerate(task.dimensions)]
            found[places] = _voids(quantum_ids(task.label, texts, len(places)))
        return found.tolist()

    def derived_ids_of(self, datasets: Ints) -> list[bytes]:
        """The ids that the numbered datasets have if no file gives them one."""
        found = np.empty(len(datasets), dtype="V16")
        runs = [json_text(run) for run in self.runs]
        for y, places in _kinds(datasets, self.type_start):
            kind, rows = self.dataset_types[y], datasets[places] - self.type_start[y]
            texts = [self._texts(d, self.dataset_codes[y][rows, i]) for i, d in enumerate(kind.dimensions)]
            run = [runs[code] for code in self.dataset_run[datasets[places]].tolist()]
            found[places] = _voids(dataset_ids(kind.name, texts, run))
        return found.tolist()

    def _texts(self, dimension: str, codes: Ints) -> list[str]:
        """The JSON text of each code's value."""
        values = self.vocabulary[dimension]
        used, place = np.unique(codes, return_inverse=True)
        texts = [json_text(values[code]) for code in used.tolist()]
        return [texts[each] for each in place.tolist()]

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
            UUID(bytes=self.quantum_ids_of([number])[0]),
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
            UUID(bytes=self.ids_of([number])[0]),
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


def _known(given: GivenIds, numbers: Sequence[int] | Ints, derive: Callable[[Ints], list[bytes]]) -> list[bytes]:
    asked = np.asarray(numbers, dtype=np.int32)
    found, missing = given.of(asked)
    for place, id in zip(missing.tolist(), derive(asked[missing]), strict=True):
        found[place] = id
    return found  # type: ignore[return-value]


def _kinds(numbers: Ints, start: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Tasks of the numbered quanta, or types of datasets, and the places of theirs among the numbers."""
    kind = np.searchsorted(start, numbers, side="right") - 1
    for each in np.unique(kind).tolist():
        yield each, np.flatnonzero(kind == each)


def _voids(ids: list[bytes]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(ids), dtype="V16")


def _same(one: object, other: object, names: tuple[str, ...] = ("numbers", "ids")) -> bool:
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
