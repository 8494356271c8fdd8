"""Quantum graphs made without the middleware: tasks over a layout of data ids, with ids that follow from names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.demo_data.layout import Key, Layout, Row
from compiler.demo_data.tasks import PipelineShape, Port, TaskShape
from compiler.rubin import Connection, DatasetType, GraphBuilder, QuantumGraph, StoredFile, Task
from compiler.rubin.ids import dataset_id, init_id, quantum_id

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
    return _Filler(name, shape, layout).graph()


class _Filler:
    """Fills a graph task by task; a dataset is added where it is first met."""

    def __init__(self, name: str, shape: PipelineShape, layout: Layout) -> None:
        self.run = f"u/demo/{name}/20260102T000000Z"
        self.shape = shape
        self.layout = layout
        self.builder = GraphBuilder(output_run=self.run)
        self.made = {port.dataset_type for task in shape.tasks for port in task.ports if "output" in port.kind}
        self.handles: dict[tuple[str, Key], int] = {}

    def graph(self) -> QuantumGraph:
        self.builder.add_dataset_type(DatasetType("packages", (), "Packages"))
        self.builder.add_init("", init_id(""), {}, {"packages": [self._made("packages", ())]})
        for task in self.shape.tasks:
            self._declare(task)
        for task in self.shape.tasks:
            self._initialize(task)
            for row in self.layout.rows[task.dimensions]:
                self._add_quantum(task, row)
        return self.builder.finish()

    def _declare(self, task: TaskShape) -> None:
        ports = [*task.ports, *_automatic(task)]
        for port in ports:
            self.builder.add_dataset_type(
                DatasetType(port.dataset_type, port.dimensions, port.storage_class, port.calibration)
            )
        connections = [Connection(p.name, p.dataset_type, p.kind, p.dimensions, p.storage_class) for p in ports]
        self.builder.add_task(Task(task.label, task.task_class, task.dimensions, task.implied, tuple(connections)))

    def _initialize(self, task: TaskShape) -> None:
        inputs = {port.name: [self._made(port.dataset_type, ())] for port in task.ports if port.kind == "init-input"}
        outputs = {port.name: [self._made(port.dataset_type, ())] for port in task.ports if port.kind == "init-output"}
        outputs[_CONFIG[0]] = [self._made(task.label + _CONFIG[0], ())]
        self.builder.add_init(task.label, init_id(task.label), inputs, outputs)

    def _add_quantum(self, task: TaskShape, row: Row) -> None:
        key = tuple(row[d] for d in task.dimensions)
        inputs: dict[str, list[int]] = {}
        outputs: dict[str, list[int]] = {}
        for port in task.ports:
            if port.kind in ("input", "prerequisite"):
                found = self.handles
                # A dataset type that nobody makes is there before the workflow.
                add = self._made if port.dataset_type in self.made else self._stored
                inputs[port.name] = [
                    found[port.dataset_type, each]
                    if (port.dataset_type, each) in found
                    else add(port.dataset_type, each)
                    for each in self._members(port, task, key, row)
                ]
            elif port.kind == "output":
                outputs[port.name] = [self._made(port.dataset_type, tuple(row[d] for d in port.dimensions))]
        for name, _ in (_METADATA, _LOG):
            outputs[name] = [self._made(task.label + name, key)]
        values = (*key, *(row[d] for d in task.implied))
        self.builder.add_quantum(task.label, values, quantum_id(task.label, key), inputs, outputs)

    def _members(self, port: Port, task: TaskShape, key: Key, row: Row) -> Sequence[Key]:
        joined = self.layout.joins.get((port.dimensions, task.dimensions))
        return joined[key] if joined is not None else [tuple(row[d] for d in port.dimensions)]

    def _made(self, dataset_type: str, values: Key) -> int:
        handle = self.handles.get((dataset_type, values))
        if handle is None:
            id = dataset_id(dataset_type, values, self.run)
            handle = self.handles[dataset_type, values] = self.builder.add_dataset(dataset_type, values, self.run, id)
        return handle

    def _stored(self, dataset_type: str, values: Key) -> int:
        run, blocks, suffix, formatter = _STORED[dataset_type]
        id = dataset_id(dataset_type, values, run)
        name = "_".join([dataset_type, *map(str, values)])
        # Sizes vary by a block or two about the mean, as compressed images do.
        size = _FITS_BLOCK * (blocks + id[0] % 5 - 2)
        file = StoredFile(f"{run}/{dataset_type}/{name}.{suffix}", size, formatter)
        handle = self.builder.add_dataset(dataset_type, values, run, id, file)
        self.handles[dataset_type, values] = handle
        return handle


def _automatic(task: TaskShape) -> Iterator[Port]:
    """What the middleware adds to every task."""
    for name, storage_class in (_METADATA, _LOG):
        yield Port(name, task.label + name, "output", task.dimensions, storage_class)
    yield Port(_CONFIG[0], task.label + _CONFIG[0], "init-output", (), _CONFIG[1])
