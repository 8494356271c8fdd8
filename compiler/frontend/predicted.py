"""The documents inside a predicted quantum graph become columns.

Their layout is that of format version 1 of ``lsst.pipe.base.quantum_graph`` (``_predicted.py``, ``_common.py``) and of
``lsst.pipe.base.pipeline_graph.io``; keys that we do not need are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin
from compiler.frontend.universe import Element, Universe
from compiler.rubin import (
    Connection,
    ConnectionKind,
    DatasetType,
    GraphBuilder,
    QuantumGraph,
    StoredFile,
    Task,
    format_quantum,
)
from compiler.rubin.graph import Value

Progress = Callable[[int, int], None]
"""Called with the number of quanta read so far, and how many there are."""

_T = TypeVar("_T")
_ENOUGH = 20
"""Findings of one kind of file fault after which reading stops: the rest says the same."""


@dataclass
class Documents:
    """The JSON texts of a graph, however they were stored."""

    source: str
    """The file, as it was named."""
    header: bytes
    pipeline_graph: bytes
    thin_graph: bytes
    init_quanta: bytes
    quantum_datasets: Iterable[bytes]
    """One text a quantum."""


class Header(msgspec.Struct):
    """What a graph says about itself."""

    version: int
    graph_type: str
    output_run: str = ""
    int_size: int = 8
    n_quanta: int = 0


class _Edge(msgspec.Struct):
    dataset_type_name: str
    """With the component, if a component is read: ``calexp.wcs``."""
    storage_class: str = ""


class _TaskInit(msgspec.Struct):
    inputs: dict[str, _Edge]
    outputs: dict[str, _Edge]
    config_output: _Edge


class _Task(msgspec.Struct):
    task_class: str
    init: _TaskInit
    inputs: dict[str, _Edge]
    prerequisite_inputs: dict[str, _Edge]
    outputs: dict[str, _Edge]
    metadata_output: _Edge
    dimensions: list[str]
    log_output: _Edge | None = None

    def connections(self) -> list[tuple[ConnectionKind, str, _Edge]]:
        found: list[tuple[ConnectionKind, str, _Edge]] = [
            ("output", "_metadata", self.metadata_output),
            ("init-output", "_config", self.init.config_output),
        ]
        if self.log_output is not None:
            found.append(("output", "_log", self.log_output))
        named: list[tuple[ConnectionKind, dict[str, _Edge]]] = [
            ("input", self.inputs),
            ("prerequisite", self.prerequisite_inputs),
            ("output", self.outputs),
            ("init-input", self.init.inputs),
            ("init-output", self.init.outputs),
        ]
        return found + [(kind, name, edge) for kind, edges in named for name, edge in edges.items()]


class _DatasetType(msgspec.Struct):
    dimensions: list[str] | None = None
    storage_class: str | None = None
    is_calibration: bool = False


class Dimensions(msgspec.Struct):
    elements: dict[str, Element]
    skypix: dict[str, Any] = {}


class _PipelineGraph(msgspec.Struct):
    tasks: dict[str, _Task]
    dataset_types: dict[str, _DatasetType]
    dimensions: Dimensions


class _ThinQuantum(msgspec.Struct, gc=False):
    quantum_id: str
    data_coordinate: tuple[int | str, ...] = ()


class _ThinGraph(msgspec.Struct):
    quanta: dict[str, list[_ThinQuantum]]
    edges: list[tuple[str, str]]


class _Dataset(msgspec.Struct, gc=False):
    dataset_id: str
    dataset_type_name: str
    run: str
    data_coordinate: tuple[int | str, ...] = ()


class _Record(msgspec.Struct, gc=False):
    """A row of a datastore's table; other datastores than those of files have other rows."""

    path: str | None = None
    formatter: str = ""
    file_size: int | None = None
    checksum: str | None = None


class _Records(msgspec.Struct):
    records: dict[str, dict[str, dict[str, list[_Record]]]]
    """By the records' class, the dataset's id, the table."""


class _Quantum(msgspec.Struct):
    quantum_id: str
    task_label: str
    data_coordinate: tuple[int | str, ...] = ()
    inputs: dict[str, list[_Dataset]] = {}
    outputs: dict[str, list[_Dataset]] = {}
    datastore_records: dict[str, _Records] = {}


def assemble(documents: Documents, findings: Findings, progress: Progress | None = None) -> QuantumGraph:
    """The graph; raises `CompileError` where the documents contradict their format, or each other."""
    source = documents.source
    header = decode(documents.header, Header, source, "header")
    builder = GraphBuilder(source, header.output_run)
    filler = _Filler(builder, decode(documents.pipeline_graph, _PipelineGraph, source, "pipeline_graph"), findings)
    for each in decode(documents.init_quanta, list[_Quantum], source, "init_quanta"):
        filler.add_init(each)
    decoder = msgspec.json.Decoder(_Quantum)
    for count, text in enumerate(documents.quantum_datasets):
        try:
            filler.add_quantum(decoder.decode(text))
        except msgspec.MsgspecError as error:
            raise broken(source, f"quantum_datasets, block {count}", str(error)) from None
        if progress is not None and count % 1000 == 0:
            progress(count, header.n_quanta)
        if len(findings.errors) >= _ENOUGH:
            break
    findings.raise_errors()
    try:
        graph = builder.finish()
    except ValueError as error:
        raise CompileError([*findings, Diagnostic("circular-tasks", str(error), Origin(source))]) from None
    _check_thin(graph, decode(documents.thin_graph, _ThinGraph, source, "thin_graph"), findings)
    findings.raise_errors()
    return graph


def broken(source: str, what: str, reason: str) -> CompileError:
    """A file that is not what it says."""
    help = "make the graph again, or copy it again: the file may be cut short"
    return CompileError(
        [Diagnostic("broken-graph", f"the quantum graph is broken: {reason}", Origin(source, what), help)]
    )


def decode(text: bytes, kind: type[_T], source: str, what: str) -> _T:
    """One document as `kind`; raises `CompileError` if it is not one."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise broken(source, what, str(error)) from None


class _Filler:
    """Gives quanta and their datasets to a builder; faults become findings."""

    def __init__(self, builder: GraphBuilder, pipeline: _PipelineGraph, findings: Findings) -> None:
        self._builder = builder
        self._findings = findings
        self._handles: dict[str, int] = {}
        self._recorded: set[str] = set()
        self._formatters: dict[str, str] = {}
        self._widths: dict[str, tuple[int, int]] = {"packages": (0, 0)}
        """For each dataset type how many dimensions are required, and how many there are."""
        self._tasks: dict[str, tuple[tuple[str, ...], int, frozenset[str], frozenset[str]]] = {}
        """For each task its required dimensions, how many there are, its connections in and out."""
        try:
            universe = Universe(pipeline.dimensions.elements, pipeline.dimensions.skypix)
            self._declare_types(pipeline, universe)
            self._declare_tasks(pipeline, universe)
        except KeyError as error:
            raise broken(builder.source, "pipeline_graph", f"{error} is used and not declared") from None
        except ValueError as error:
            raise broken(builder.source, "pipeline_graph", str(error)) from None

    def _declare_types(self, pipeline: _PipelineGraph, universe: Universe) -> None:
        self._builder.add_dataset_type(DatasetType("packages", (), "Packages"))
        self._required: dict[str, tuple[str, ...]] = {}
        for name, kind in pipeline.dataset_types.items():
            if kind.dimensions is None:
                raise ValueError(f"dataset type '{name}' has no dimensions")
            required, implied = universe.split(kind.dimensions)
            self._required[name] = required
            self._widths[name] = (len(required), len(required) + len(implied))
            self._builder.add_dataset_type(DatasetType(name, required, kind.storage_class or "", kind.is_calibration))

    def _declare_tasks(self, pipeline: _PipelineGraph, universe: Universe) -> None:
        for label, task in pipeline.tasks.items():
            connections = []
            for kind, name, edge in task.connections():
                dataset_type = edge.dataset_type_name.partition(".")[0]
                connections.append(
                    Connection(name, dataset_type, kind, self._required[dataset_type], edge.storage_class)
                )
            required, implied = universe.split(task.dimensions)
            self._builder.add_task(Task(label, task.task_class, required, implied, tuple(connections)))
            self._tasks[label] = (
                required,
                len(required) + len(implied),
                frozenset(c.name for c in connections if c.kind in ("input", "prerequisite")),
                frozenset(c.name for c in connections if c.kind == "output"),
            )

    def add_quantum(self, quantum: _Quantum) -> None:
        label, values = quantum.task_label, quantum.data_coordinate
        if label not in self._tasks:
            self._fault(f"no task '{label}' in the graph's own pipeline", quantum)
            return
        _, width, ins, outs = self._tasks[label]
        if len(values) != width:
            self._fault(f"{len(values)} values for {width} dimensions", quantum)
            return
        if not (quantum.inputs.keys() <= ins and quantum.outputs.keys() <= outs):
            strange = min((quantum.inputs.keys() - ins) | (quantum.outputs.keys() - outs))
            self._fault(f"no connection '{strange}' declared", quantum)
            return
        try:
            inputs, outputs = self._rows(quantum.inputs), self._rows(quantum.outputs)
            self._builder.add_quantum(label, values, _id(quantum.quantum_id), inputs, outputs)
            self._add_records(quantum)
        except ValueError as error:
            self._fault(str(error), quantum)

    def add_init(self, quantum: _Quantum) -> None:
        try:
            inputs, outputs = self._rows(quantum.inputs), self._rows(quantum.outputs)
            self._builder.add_init(quantum.task_label, _id(quantum.quantum_id), inputs, outputs)
            self._add_records(quantum)
        except ValueError as error:
            self._fault(str(error), quantum)

    def _rows(self, sides: dict[str, list[_Dataset]]) -> dict[str, list[int]]:
        known = self._handles
        rows: dict[str, list[int]] = {}
        for name, datasets in sides.items():
            row = rows[name] = []
            for each in datasets:
                handle = known.get(each.dataset_id)
                row.append(self._add_dataset(each) if handle is None else handle)
        return rows

    def _add_dataset(self, dataset: _Dataset) -> int:
        kind, values = dataset.dataset_type_name, dataset.data_coordinate
        if kind not in self._widths:
            raise ValueError(f"no dataset type '{kind}' in the graph's own pipeline")
        if len(values) != self._widths[kind][1]:
            raise ValueError(f"a dataset '{kind}' has {len(values)} values for {self._widths[kind][1]} dimensions")
        handle = self._builder.add_dataset(kind, values, dataset.run, _id(dataset.dataset_id))
        self._handles[dataset.dataset_id] = handle
        return handle

    def _add_records(self, quantum: _Quantum) -> None:
        for store in sorted(quantum.datastore_records):
            for by_id in quantum.datastore_records[store].records.values():
                for id, tables in by_id.items():
                    if id not in self._recorded:
                        self._add_record(id, [row for rows in tables.values() for row in rows], quantum)

    def _add_record(self, id: str, rows: Sequence[_Record], quantum: _Quantum) -> None:
        plain = id.replace("-", "")
        handle = self._handles.get("-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:])))
        files = [row for row in rows if row.path is not None]
        if handle is None or not files:
            return
        self._recorded.add(id)
        if len(files) > 1:
            message = f"dataset {id} is stored in {len(files)} files; one is what can travel"
            self._findings.error("unsupported-composite", message, self._origin(quantum))
        (path, size) = (files[0].path or "", files[0].file_size)
        formatter = self._formatters.setdefault(files[0].formatter, files[0].formatter)
        # The datastore writes -1 for a size that it does not know.
        known_size = None if size is None or size < 0 else size
        self._builder.add_file(handle, StoredFile(path, known_size, formatter, files[0].checksum))

    def _fault(self, message: str, quantum: _Quantum) -> None:
        self._findings.error("broken-graph", f"the quantum graph is broken: {message}", self._origin(quantum))

    def _origin(self, quantum: _Quantum) -> Origin:
        dimensions = self._tasks.get(quantum.task_label, ((), 0))[0]
        data_id = dict(zip(dimensions, quantum.data_coordinate, strict=False))
        return Origin(self._builder.source, format_quantum(quantum.task_label, data_id))


def _id(text: str) -> bytes:
    id = bytes.fromhex(text.replace("-", ""))
    if len(id) != 16:
        raise ValueError(f"'{text}' is not an id")
    return id


def _check_thin(graph: QuantumGraph, thin: _ThinGraph, findings: Findings) -> None:
    """The thin graph tells again which quanta there are and what depends on what: both must say the same."""

    def fault(message: str) -> None:
        findings.error("broken-graph", f"the quantum graph is broken: {message}", Origin(graph.source, "thin_graph"))

    number = {id: n for n, id in enumerate(graph.quantum_ids.tolist())}
    told = sum(map(len, thin.quanta.values()))
    if len(number) < graph.n_quanta or told != graph.n_quanta:
        fault(f"{told} quanta announced, {len(number)} different ones with datasets")
        return
    try:
        for label, quanta in thin.quanta.items():
            places = np.array([number[_id(each.quantum_id)] for each in quanta], dtype=np.int64)
            if quanta and not _same_quanta(graph, label, places, [each.data_coordinate for each in quanta]):
                fault(f"the quanta of '{label}' have other data ids than with their datasets")
        pairs = [(number[_id(one)], number[_id(other)]) for one, other in thin.edges]
    except (KeyError, ValueError):
        fault("a quantum is announced and has no datasets")
        return
    announced = np.unique(np.array(pairs, dtype=np.int64).reshape(len(pairs), 2) @ [graph.n_quanta, 1])
    makers = graph.producer[graph.reads.dataset].astype(np.int64)
    readers = np.repeat(np.arange(graph.n_quanta), np.diff(graph.reads.start))
    found = np.unique((makers * graph.n_quanta + readers)[makers >= 0])
    if different := np.setxor1d(announced, found).tolist():
        one, other = divmod(different[0], graph.n_quanta)
        fault(
            f"{len(different)} edges between quanta disagree with their datasets, "
            f"one of them from {graph.quantum(one)} to {graph.quantum(other)}"
        )


def _same_quanta(graph: QuantumGraph, label: str, places: NDArray[np.int64], values: list[tuple[Value, ...]]) -> bool:
    task = graph.task_number(label)
    within = places - graph.task_start[task]
    if within.min() < 0 or within.max() >= len(graph.quantum_codes[task]):
        return False
    for column, dimension in enumerate(graph.tasks[task].all_dimensions):
        code = {value: place for place, value in enumerate(graph.vocabulary[dimension])}
        told = [code.get(row[column], -1) if column < len(row) else -1 for row in values]
        if not np.array_equal(graph.quantum_codes[task][within, column], told):
            return False
    return True
