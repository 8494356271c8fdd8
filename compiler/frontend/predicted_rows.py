"""Quanta and their datasets, as a predicted graph's documents tell them, become columns."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import Findings, Origin
from compiler.frontend.predicted_documents import (
    DatasetDocument,
    PipelineDocument,
    QuantumDocument,
    RecordDocument,
    broken,
    decode_values,
)
from compiler.frontend.universe import Universe
from compiler.rubin import Connection, DatasetType, GraphBuilder, Task, format_quantum
from compiler.rubin.columns import Coded, ints
from compiler.rubin.files import UNKNOWN, Ints
from compiler.rubin.graph import Value
from compiler.rubin.ids import parse_ids


class _FaultError(Exception):
    """Documents that can be read say what cannot be; those that cannot be read raise `msgspec.MsgspecError`."""


class _DataIds:
    """The different data ids of some dimensions; each is decoded once, however many datasets and quanta have it."""

    def __init__(self, builder: GraphBuilder, dimensions: Sequence[str]) -> None:
        self.dimensions = dimensions
        self._vocabularies = [builder.vocabulary(d) for d in dimensions]
        self._codes: list[array[int]] = [array("i") for _ in dimensions]
        self.places: dict[bytes, int] = {}
        """By their JSON text."""
        self._new: list[tuple[Value, ...]] = []

    def add(self, text: bytes) -> int:
        """The place of one that was not met before; raises `_FaultError` if it has other dimensions."""
        values = decode_values(text)
        if len(values) != len(self.dimensions):
            raise _FaultError(f"{len(values)} values for {len(self.dimensions)} dimensions")
        self._new.append(values)
        place = self.places[text] = len(self.places)
        return place

    def columns(self, places: Sequence[int], width: int) -> list[Coded]:
        """The first `width` columns of the data ids at some places."""
        if self._new:
            for codes, known, column in zip(self._codes, self._vocabularies, zip(*self._new, strict=True), strict=True):
                codes.frombytes(known.encode(column).tobytes())
            self._new = []
        rows = np.array(places, dtype=np.intp)
        return [Coded(ints(codes)[rows]) for codes in self._codes[:width]]


@dataclass
class _Rows:
    """Ids and data ids that are not yet in the builder's columns."""

    required: int
    """How many values of a data id are those of required dimensions."""
    known: _DataIds
    ids: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Of the data ids, in `known`."""


@dataclass
class _DatasetRows(_Rows):
    handles: list[int] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


@dataclass
class _Port:
    """Datasets on one connection, quantum after quantum."""

    counts: list[int] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)

    def take(self) -> tuple[Ints, Ints]:
        taken = np.array(self.counts, dtype=np.int32), np.array(self.handles, dtype=np.int32)
        self.counts, self.handles = [], []
        return taken


@dataclass
class _QuantumRows(_Rows):
    inputs: dict[str, _Port] = field(default_factory=dict)
    outputs: dict[str, _Port] = field(default_factory=dict)


class Filler:
    """Gives quanta and their datasets to a builder, some thousands at a time; faults become findings."""

    def __init__(self, builder: GraphBuilder, pipeline: PipelineDocument, findings: Findings) -> None:
        self._builder = builder
        self._findings = findings
        self._handles: dict[str, int] = {}
        self._recorded: set[str] = set()
        self._formatters: dict[str, str] = {}
        self._data_ids: dict[tuple[str, ...], _DataIds] = {}
        self._types: dict[str, _DatasetRows] = {"packages": _DatasetRows(0, self._known_ids(()))}
        self._tasks: dict[str, _QuantumRows] = {}
        try:
            universe = Universe(pipeline.dimensions.elements, pipeline.dimensions.skypix)
            self._declare_types(pipeline, universe)
            self._declare_tasks(pipeline, universe)
        except KeyError as error:
            raise broken(builder.source, "pipeline_graph", f"{error} is used and not declared") from None
        except ValueError as error:
            raise broken(builder.source, "pipeline_graph", str(error)) from None

    def _declare_types(self, pipeline: PipelineDocument, universe: Universe) -> None:
        self._builder.add_dataset_type(DatasetType("packages", (), "Packages"))
        for name, kind in pipeline.dataset_types.items():
            if kind.dimensions is None:
                raise ValueError(f"dataset type '{name}' has no dimensions")
            required, implied = universe.split(kind.dimensions)
            self._types[name] = _DatasetRows(len(required), self._known_ids(required + implied))
            self._builder.add_dataset_type(DatasetType(name, required, kind.storage_class or "", kind.is_calibration))

    def _declare_tasks(self, pipeline: PipelineDocument, universe: Universe) -> None:
        for label, task in pipeline.tasks.items():
            connections = []
            for kind, name, edge in task.connections():
                dataset_type = edge.dataset_type_name.partition(".")[0]
                rows = self._types[dataset_type]
                dimensions = tuple(rows.known.dimensions[: rows.required])
                connections.append(Connection(name, dataset_type, kind, dimensions, edge.storage_class))
            required, implied = universe.split(task.dimensions)
            self._builder.add_task(Task(label, task.task_class, required, implied, tuple(connections)))
            task_rows = self._tasks[label] = _QuantumRows(len(required), self._known_ids(required + implied))
            task_rows.inputs = {c.name: _Port() for c in connections if c.kind in ("input", "prerequisite")}
            task_rows.outputs = {c.name: _Port() for c in connections if c.kind == "output"}

    def _known_ids(self, dimensions: tuple[str, ...]) -> _DataIds:
        if dimensions not in self._data_ids:
            self._data_ids[dimensions] = _DataIds(self._builder, dimensions)
        return self._data_ids[dimensions]

    def add_quantum(self, quantum: QuantumDocument) -> None:
        rows = self._tasks.get(quantum.task_label)
        if rows is None:
            self._fault(f"no task '{quantum.task_label}' in the graph's own pipeline", quantum)
            return
        if not (quantum.inputs.keys() <= rows.inputs.keys() and quantum.outputs.keys() <= rows.outputs.keys()):
            strange = min((quantum.inputs.keys() - rows.inputs.keys()) | (quantum.outputs.keys() - rows.outputs.keys()))
            self._fault(f"no connection '{strange}' declared", quantum)
            return
        try:
            text = bytes(quantum.data_coordinate)
            place = rows.known.places.get(text)
            rows.places.append(rows.known.add(text) if place is None else place)
            rows.ids.append(quantum.quantum_id)
            self._add_edges(quantum.inputs, rows.inputs)
            self._add_edges(quantum.outputs, rows.outputs)
        except _FaultError as error:
            self._fault(str(error), quantum)
        if quantum.datastore_records:
            self._add_records(quantum)

    def add_init(self, quantum: QuantumDocument) -> None:
        try:
            inputs, outputs = (
                {name: [self._known(each) for each in datasets] for name, datasets in side.items()}
                for side in (quantum.inputs, quantum.outputs)
            )
            self._builder.add_init(quantum.task_label, _id(quantum.quantum_id), inputs, outputs)
            self._add_records(quantum)
        except _FaultError as error:
            self._fault(str(error), quantum)

    def flush(self) -> None:
        """Put what came since the last time into the builder's columns; after a fault nothing needs to be there."""
        if self._findings.errors:
            return
        for name, datasets in self._types.items():
            self._flush_datasets(name, datasets)
        for label, quanta in self._tasks.items():
            self._flush_quanta(label, quanta)

    def _flush_datasets(self, name: str, rows: _DatasetRows) -> None:
        count = len(rows.ids)
        ids = self._ids(rows, name)
        if not count or ids is None:
            return
        handles = np.array(rows.handles, dtype=np.int32)
        columns = rows.known.columns(rows.places, rows.required)
        self._builder.add_datasets(name, columns, rows.runs, count, ids, handles)
        rows.ids, rows.places, rows.handles, rows.runs = [], [], [], []

    def _flush_quanta(self, label: str, rows: _QuantumRows) -> None:
        count = len(rows.ids)
        ids = self._ids(rows, label)
        if not count or ids is None:
            return
        inputs = {name: port.take() for name, port in rows.inputs.items()}
        outputs = {name: port.take() for name, port in rows.outputs.items()}
        columns = rows.known.columns(rows.places, len(rows.known.dimensions))
        self._builder.add_quanta(label, columns, count, ids, inputs, outputs)
        rows.ids, rows.places = [], []

    def _ids(self, rows: _Rows, what: str) -> NDArray[np.void] | None:
        """The rows' ids; of each that is none a finding, and then nothing."""
        try:
            return parse_ids(rows.ids)
        except ValueError:
            texts = list(rows.known.places)
            for id, place in zip(rows.ids, rows.places, strict=True):
                try:
                    _id(id)
                except _FaultError as error:
                    values = decode_values(texts[place])[: rows.required]
                    where = format_quantum(what, dict(zip(rows.known.dimensions, values, strict=False)))
                    message = f"the quantum graph is broken: {error}"
                    self._findings.error("broken-graph", message, Origin(self._builder.source, where))
        return None

    def _add_edges(self, side: Mapping[str, list[DatasetDocument]], ports: Mapping[str, _Port]) -> None:
        known = self._handles
        for name, port in ports.items():
            datasets = side.get(name)
            if datasets is None:
                port.counts.append(0)
                continue
            port.counts.append(len(datasets))
            for each in datasets:
                handle = known.get(each.dataset_id)
                port.handles.append(self._add_dataset(each) if handle is None else handle)

    def _add_dataset(self, dataset: DatasetDocument) -> int:
        """The next handle, for a dataset that was not met before."""
        rows = self._types.get(dataset.dataset_type_name)
        if rows is None:
            raise _FaultError(f"no dataset type '{dataset.dataset_type_name}' in the graph's own pipeline")
        text = bytes(dataset.data_coordinate)
        place = rows.known.places.get(text)
        if place is None:
            try:
                place = rows.known.add(text)
            except _FaultError as error:
                raise _FaultError(f"a dataset '{dataset.dataset_type_name}' has {error}") from None
        handle = self._handles[dataset.dataset_id] = len(self._handles)
        rows.ids.append(dataset.dataset_id)
        rows.places.append(place)
        rows.handles.append(handle)
        rows.runs.append(dataset.run)
        return handle

    def _known(self, dataset: DatasetDocument) -> int:
        handle = self._handles.get(dataset.dataset_id)
        return self._add_dataset(dataset) if handle is None else handle

    def _add_records(self, quantum: QuantumDocument) -> None:
        for store in sorted(quantum.datastore_records):
            for by_id in quantum.datastore_records[store].records.values():
                for id, tables in by_id.items():
                    # Every quantum that reads a calibration repeats its record.
                    if id not in self._recorded:
                        self._add_record(id, [row for rows in tables.values() for row in rows], quantum)

    def _add_record(self, id: str, rows: Sequence[RecordDocument], quantum: QuantumDocument) -> None:
        plain = id.replace("-", "")
        handle = self._handles.get("-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:])))
        files = [row for row in rows if row.path is not None]
        if handle is None or not files:
            return
        self._recorded.add(id)
        if len(files) > 1:
            message = f"dataset {id} is stored in {len(files)} files; one is what can travel"
            self._findings.error("unsupported-composite", message, self._origin(quantum))
        file = files[0]
        formatter = self._formatters.setdefault(file.formatter, file.formatter)
        # The datastore writes -1 for a size that it does not know.
        size = UNKNOWN if file.file_size is None or file.file_size < 0 else file.file_size
        self._builder.add_files([handle], [file.path or ""], [size], [formatter], [file.checksum])

    def _fault(self, message: str, quantum: QuantumDocument) -> None:
        self._findings.error("broken-graph", f"the quantum graph is broken: {message}", self._origin(quantum))

    def _origin(self, quantum: QuantumDocument) -> Origin:
        rows = self._tasks.get(quantum.task_label)
        dimensions = rows.known.dimensions[: rows.required] if rows else ()
        values = decode_values(bytes(quantum.data_coordinate))
        data_id = dict(zip(dimensions, values, strict=False))
        return Origin(self._builder.source, format_quantum(quantum.task_label, data_id))


def _id(text: str) -> bytes:
    try:
        return parse_ids([text]).tobytes()
    except ValueError as error:
        raise _FaultError(str(error)) from None
