"""Quantum graphs made without the middleware: tasks over a layout of data ids, with ids that follow from names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from compiler.collection import no_collection
from compiler.demo_data.layout import Dimensions, Key, Layout, Row
from compiler.demo_data.tasks import PipelineShape, Port, TaskShape
from compiler.rubin import Connection, DatasetType, GraphBuilder, QuantumGraph, Task
from compiler.rubin.graph import Ints, Value
from compiler.rubin.ids import dataset_ids, json_text

_METADATA = ("_metadata", "TaskMetadata")
_LOG = ("_log", "ButlerLogRecords")
_CONFIG = ("_config", "Config")
_FITS_BLOCK = 2880
_IMAGE = "lsst.obs.base.formatters.fitsExposure.FitsExposureFormatter"
# Run, mean blocks of 2880 bytes, suffix, formatter. A raw's size is that of the published run: 122 GB in 6787 images.
_STORED = {
    "raw": ("raw/all", 6242, "fits", "lsst.obs.subaru.rawFormatter.HyperSuprimeCamRawFormatter"),
    "camera": ("calib/unbounded", 1500, "fits", "lsst.obs.base.formatters.fitsGeneric.FitsGenericFormatter"),
    "bias": ("calib/run", 12000, "fits", _IMAGE),
    "dark": ("calib/run", 12000, "fits", _IMAGE),
    "flat": ("calib/run", 18000, "fits", _IMAGE),
    "skyMap": ("skymaps", 20, "pickle", "lsst.daf.butler.formatters.pickle.PickleFormatter"),
    "ps1_pv3_3m_20170110": ("refcats", 520, "fits", "lsst.obs.base.formatters.fitsGeneric.FitsGenericFormatter"),
}


def synthetic_graph(name: str, shape: PipelineShape, layout: Layout) -> QuantumGraph:
    """The graph of `shape` over `layout`; `name` names its output run."""
    with no_collection():
        return _Filler(name, shape, layout).graph()


class _Filler:
    """Fills a graph task by task; datasets are added where they are first met, a column at a time."""

    def __init__(self, name: str, shape: PipelineShape, layout: Layout) -> None:
        self.run = f"u/demo/{name}/20260102T000000Z"
        self.shape = shape
        self.layout = layout
        self.builder = GraphBuilder(output_run=self.run)
        ports = [port for task in shape.tasks for port in (*task.ports, *_automatic(task))]
        self.made = {port.dataset_type for port in ports if "output" in port.kind}
        self.types: dict[str, _Known] = {}

    def graph(self) -> QuantumGraph:
        self._declare_type("packages", (), "Packages")
        self.builder.add_init("", None, {}, {"packages": [self._once("packages")]})
        for task in self.shape.tasks:
            self._declare(task)
        for task in self.shape.tasks:
            self._initialize(task)
            self._add_quanta(task)
        return self.builder.finish()

    def _declare(self, task: TaskShape) -> None:
        ports = [*task.ports, *_automatic(task)]
        for port in ports:
            self._declare_type(port.dataset_type, port.dimensions, port.storage_class, port.calibration)
        connections = [Connection(p.name, p.dataset_type, p.kind, p.dimensions, p.storage_class) for p in ports]
        self.builder.add_task(Task(task.label, task.task_class, task.dimensions, task.implied, tuple(connections)))

    def _declare_type(self, name: str, dimensions: Dimensions, storage_class: str, calibration: bool = False) -> None:
        self.builder.add_dataset_type(DatasetType(name, dimensions, storage_class, calibration))
        self.types[name] = _Known()

    def _initialize(self, task: TaskShape) -> None:
        inputs = {port.name: [self._once(port.dataset_type)] for port in task.ports if port.kind == "init-input"}
        outputs = {port.name: [self._once(port.dataset_type)] for port in task.ports if port.kind == "init-output"}
        outputs[_CONFIG[0]] = [self._once(task.label + _CONFIG[0])]
        self.builder.add_init(task.label, None, inputs, outputs)

    def _add_quanta(self, task: TaskShape) -> None:
        rows = self.layout.rows[task.dimensions]
        one = np.ones(len(rows), dtype=np.int32)
        inputs, outputs = {}, {}
        for port in (*task.ports, *_automatic(task)):
            if port.kind in ("input", "prerequisite"):
                inputs[port.name] = self._read(port, task, rows)
            elif port.kind == "output":
                outputs[port.name] = one, self._write(port, rows)
        columns = [[row[d] for row in rows] for d in (*task.dimensions, *task.implied)]
        self.builder.add_quanta(task.label, columns, len(rows), None, inputs, outputs)

    def _read(self, port: Port, task: TaskShape, rows: Sequence[Row]) -> tuple[Ints, Ints]:
        """How many datasets each quantum reads, and their handles."""
        known = self.types[port.dataset_type]
        joined = self.layout.joins.get((port.dimensions, task.dimensions))
        if joined is None:
            if known.rows is not rows:
                known = _Known(rows, self._handles(port, _keys(rows, port.dimensions)))
            assert known.handles is not None
            return np.ones(len(rows), dtype=np.int32), known.handles
        members = [joined[key] for key in _keys(rows, task.dimensions)]
        return np.array([len(row) for row in members], dtype=np.int32), self._handles(
            port, chain.from_iterable(members)
        )

    def _write(self, port: Port, rows: Sequence[Row]) -> Ints:
        """The handles of one new dataset a quantum."""
        first = self._add(port.dataset_type, [[row[d] for row in rows] for d in port.dimensions], len(rows))
        handles = np.arange(first, first + len(rows), dtype=np.int32)
        self.types[port.dataset_type] = _Known(rows, handles)
        return handles

    def _handles(self, port: Port, keys: Iterable[Key]) -> Ints:
        """The handles of datasets, some of which may be new."""
        wanted = list(keys)
        index = self.types[port.dataset_type].by_key(port.dimensions)
        new = [key for key in dict.fromkeys(wanted) if key not in index]
        if new:
            first = self._add(port.dataset_type, list(zip(*new, strict=True)), len(new))
            index.update(zip(new, range(first, first + len(new)), strict=True))
        return np.fromiter(map(index.__getitem__, wanted), dtype=np.int32, count=len(wanted))

    def _add(self, dataset_type: str, columns: Sequence[Sequence[Value]], count: int) -> int:
        # A dataset type that nobody makes is there before the workflow.
        if dataset_type in self.made:
            return self.builder.add_datasets(dataset_type, columns, self.run, count)
        run, blocks, suffix, formatter = _STORED[dataset_type]
        first = self.builder.add_datasets(dataset_type, columns, run, count)
        names = ["_".join(map(str, key)) for key in zip(*columns, strict=True)]
        texts = [list(map(json_text, column)) for column in columns]
        ids = dataset_ids(dataset_type, texts, [json_text(run)] * count)
        self.builder.add_files(
            range(first, first + count),
            [f"{run}/{dataset_type}/{dataset_type}_{name}.{suffix}" for name in names],
            # Sizes vary by a block or two about the mean, as compressed images do.
            [_FITS_BLOCK * (blocks + id[0] % 5 - 2) for id in ids],
            [formatter] * count,
        )
        return first

    def _once(self, dataset_type: str) -> int:
        """The handle of a dataset without dimensions."""
        return self.builder.add_dataset(dataset_type, (), self.run)


@dataclass
class _Known:
    """The datasets of one type that have been added."""

    rows: Sequence[Row] | None = None
    """Those of which each has one, in the order of `handles`."""
    handles: Ints | None = None
    index: dict[Key, int] | None = None

    def by_key(self, dimensions: Dimensions) -> dict[Key, int]:
        if self.index is None:
            self.index = {}
            if self.rows is not None and self.handles is not None:
                self.index.update(zip(_keys(self.rows, dimensions), self.handles.tolist(), strict=True))
        return self.index


def _keys(rows: Sequence[Row], dimensions: Dimensions) -> list[Key]:
    return [tuple(row[d] for d in dimensions) for row in rows]


def _automatic(task: TaskShape) -> Iterator[Port]:
    """What the middleware adds to every task."""
    for name, storage_class in (_METADATA, _LOG):
        yield Port(name, task.label + name, "output", task.dimensions, storage_class)
    yield Port(_CONFIG[0], task.label + _CONFIG[0], "init-output", (), _CONFIG[1])
