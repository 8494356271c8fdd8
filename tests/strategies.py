"""Hypothesis strategies for random layered quantum graphs.

The shape of a graph (tasks, dimensions, connections) is drawn, so that it shrinks; which data ids and edges
there are follows from one drawn seed, so that graphs are cheap to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Literal, TypeVar

from hypothesis import strategies as st

from compiler.rubin import Connection, DatasetType, GraphBuilder, QuantumGraph, StoredFile, Task
from compiler.rubin.graph import Value

UNIVERSE = ("instrument", "skymap", "band", "detector", "exposure", "visit", "tract", "patch")
"""Dimensions in the order in which data ids list them."""
_REQUIRES = {
    "detector": ("instrument",),
    "exposure": ("instrument",),
    "visit": ("instrument",),
    "tract": ("skymap",),
    "patch": ("skymap", "tract"),
}
_ODD_NAMES = ("r_57", "My Cam", "g", "é/ö", "a-b", "+20", "$HOME", "c'd", "x")

T = TypeVar("T")
Mode = Literal["match", "overlap"]
"""`match`: every dataset that agrees on the common dimensions; `overlap`: any of them, like sky overlaps."""


@dataclass(frozen=True)
class ReadShape:
    """An input connection: which dataset type (a place among those before), and how its edges come about."""

    source: int
    mode: Mode
    keep: float
    """How many of the matching datasets are read; below 1 the membership is ragged."""
    mixed: bool
    """Whether datasets of a type made in the graph are read that existed before."""


@dataclass(frozen=True)
class TaskShape:
    """A task, before its data ids are known."""

    dimensions: tuple[str, ...]
    implied: bool
    keep: float
    """How many of the possible data ids have a quantum."""
    reads: tuple[ReadShape, ...]
    outputs: tuple[tuple[str, ...], ...]
    """For each output the dimensions it has beyond the task's: with some, a quantum writes several datasets."""
    makes_schema: bool
    reads_schema: int | None
    """A place among the schemas made before."""


@dataclass(frozen=True)
class GraphShape:
    """Everything that decides a graph."""

    sizes: tuple[int, ...]
    """Number of values of each dimension of `UNIVERSE`."""
    existing: tuple[tuple[tuple[str, ...], bool], ...]
    """Dataset types that exist before: dimensions, and whether each data id has two datasets in two runs."""
    tasks: tuple[TaskShape, ...]
    packages: bool
    seed: int


def _closed(dimensions: frozenset[str]) -> tuple[str, ...]:
    whole = dimensions.union(*(_REQUIRES.get(d, ()) for d in dimensions))
    return tuple(d for d in UNIVERSE if d in whole)


_DIMENSIONS = st.frozensets(st.sampled_from(UNIVERSE), max_size=3).map(_closed)
_KEEP = st.sampled_from([1.0, 1.0, 0.8, 0.4])


@st.composite
def graph_shapes(draw: st.DrawFn, max_tasks: int = 5) -> GraphShape:
    """Shapes with `existing` types first, then one task after the other reading what is there."""
    existing = tuple(draw(st.lists(st.tuples(_DIMENSIONS, st.booleans()), min_size=1, max_size=3)))
    known, schemas = len(existing), 0
    tasks: list[TaskShape] = []
    for _ in range(draw(st.integers(1, max_tasks))):
        read = st.builds(
            ReadShape,
            # The newest types first: chains are what pipelines are made of.
            source=st.integers(0, known - 1).map(lambda i, known=known: known - 1 - i),
            mode=st.sampled_from(["match", "match", "overlap"]),
            keep=_KEEP,
            mixed=st.sampled_from([False, False, False, True]),
        )
        same_as_before = [tasks[-1].dimensions] if tasks else []
        task = TaskShape(
            dimensions=draw(st.one_of(*map(st.just, same_as_before), _DIMENSIONS)),
            implied=draw(st.booleans()),
            keep=draw(_KEEP),
            reads=tuple(draw(st.lists(read, max_size=3, unique_by=lambda r: r.source))),
            outputs=tuple(draw(st.lists(st.sampled_from([(), (), ("patch",), ("band",)]), min_size=1, max_size=3))),
            makes_schema=draw(st.booleans()),
            reads_schema=draw(st.none() | st.integers(0, schemas - 1)) if schemas else None,
        )
        tasks.append(task)
        known += len(task.outputs)
        schemas += task.makes_schema
    sizes = tuple(draw(st.lists(st.integers(1, 3), min_size=len(UNIVERSE), max_size=len(UNIVERSE))))
    return GraphShape(sizes, existing, tuple(tasks), draw(st.booleans()), draw(st.integers(0, 2**32)))


def graphs(max_tasks: int = 5) -> st.SearchStrategy[QuantumGraph]:
    """Graphs of up to some hundred quanta, with everything that makes real ones irregular."""
    return graph_shapes(max_tasks).map(build_graph)


def build_graph(shape: GraphShape, order: Random | None = None) -> QuantumGraph:
    """The graph of a shape: always the same one, in whatever `order` its rows are given to the builder."""
    return _Maker(shape).build(order)


@dataclass
class _Known:
    """A dataset type and its datasets: values, run, id, file."""

    name: str
    dimensions: tuple[str, ...]
    made: bool
    rows: list[tuple[tuple[Value, ...], str, bytes, StoredFile | None]]


class _Maker:
    def __init__(self, shape: GraphShape, most_quanta: int = 40) -> None:
        self.shape = shape
        self.random = Random(shape.seed)
        self.most_quanta = most_quanta
        self.values: dict[str, list[Value]] = {}
        for dimension, size in zip(UNIVERSE, shape.sizes, strict=True):
            named = dimension in ("instrument", "skymap", "band")
            pool: list[Value] = list(_ODD_NAMES) if named else list(range(8, 13))
            self.values[dimension] = self.random.sample(pool, 1 if dimension == "skymap" else size)
        self.types: list[_Known] = []
        self.tasks: list[Task] = []
        self.quanta: list[tuple[str, tuple[Value, ...], bytes, dict[str, list[bytes]], dict[str, list[bytes]]]] = []
        self.init: list[tuple[str, bytes, dict[str, list[bytes]], dict[str, list[bytes]]]] = []
        self.schemas: list[tuple[_Known, str]] = []

    def build(self, order: Random | None) -> QuantumGraph:
        for number, (dimensions, doubled) in enumerate(self.shape.existing):
            kind = self._type(f"given{number}", dimensions, False)
            self._exist(kind, self._data_ids(dimensions, 1.0), ("raw/all", "other/run") if doubled else ("raw/all",))
        sources = list(self.types)
        for number, task in enumerate(self.shape.tasks):
            self._task(f"task{number}", task, sources)
        if self.shape.packages:
            self.init.append(("", self._id(), {}, {"packages": [self._write(self._type("packages", (), True), ())]}))
        return self._fill(order)

    def _task(self, label: str, shape: TaskShape, sources: list[_Known]) -> None:
        implied = ("day_obs", "physical_filter") if shape.implied and "visit" in shape.dimensions else ()
        reads = [(f"in{i}", read, sources[read.source]) for i, read in enumerate(shape.reads)]
        connections = [
            Connection(name, kind.name, "prerequisite" if read.mode == "overlap" and not kind.made else "input",
                       kind.dimensions, "Data")
            for name, read, kind in reads
        ]  # fmt: skip
        outputs = [
            (f"out{i}", self._type(f"{label}_out{i}", _closed(frozenset(shape.dimensions) | set(extra)), True))
            for i, extra in enumerate(shape.outputs)
        ]
        always = [(f"_{s}", self._type(f"{label}_{s}", shape.dimensions, True)) for s in ("metadata", "log")]
        connections += [Connection(n, k.name, "output", k.dimensions, "Data") for n, k in outputs + always]
        for _, read, kind in reads:
            if read.mixed and kind.made:
                self._exist_too(kind)
        for values in self._data_ids(shape.dimensions, shape.keep):
            data_id = dict(zip(shape.dimensions, values, strict=True))
            inputs = {name: self._choose(read, kind, data_id) for name, read, kind in reads}
            written = {name: self._write_all(kind, data_id) for name, kind in outputs + always}
            follows = (20260101, "filter") if implied else ()
            self.quanta.append((label, values + follows, self._id(), {n: r for n, r in inputs.items() if r}, written))
        self._initialise(label, shape, connections)
        self.tasks.append(Task(label, f"lsst.random.{label.title()}", shape.dimensions, implied, tuple(connections)))
        sources.extend(kind for _, kind in outputs)

    def _initialise(self, label: str, shape: TaskShape, connections: list[Connection]) -> None:
        inputs: dict[str, list[bytes]] = {}
        outputs = {"_config": [self._write(self._type(f"{label}_config", (), True), ())]}
        connections.append(Connection("_config", f"{label}_config", "init-output"))
        if shape.reads_schema is not None:
            kind, name = self.schemas[shape.reads_schema]
            connections.append(Connection("inSchema", name, "init-input"))
            inputs["inSchema"] = [kind.rows[0][2]]
        if shape.makes_schema:
            schema = self._type(f"{label}_schema", (), True)
            connections.append(Connection("schema", schema.name, "init-output"))
            outputs["schema"] = [self._write(schema, ())]
            self.schemas.append((schema, schema.name))
        self.init.append((label, self._id(), inputs, outputs))

    def _type(self, name: str, dimensions: tuple[str, ...], made: bool) -> _Known:
        self.types.append(_Known(name, dimensions, made, []))
        return self.types[-1]

    def _id(self) -> bytes:
        return self.random.randbytes(16)

    def _data_ids(self, dimensions: tuple[str, ...], keep: float) -> list[tuple[Value, ...]]:
        every = list(product(*(self.values[d] for d in dimensions)))
        kept = [row for row in every if keep == 1.0 or self.random.random() < keep]
        return kept if len(kept) <= self.most_quanta else self.random.sample(kept, self.most_quanta)

    def _exist(self, kind: _Known, data_ids: list[tuple[Value, ...]], runs: tuple[str, ...]) -> None:
        for values in data_ids:
            for run in runs:
                file = StoredFile(f"{run}/{kind.name}/{len(kind.rows)}.json", self.random.randrange(1, 9999), "F")
                kind.rows.append((values, run, self._id(), file))

    def _exist_too(self, kind: _Known) -> None:
        made = {row[0] for row in kind.rows}
        self._exist(kind, [v for v in self._data_ids(kind.dimensions, 0.8) if v not in made], ("before",))

    def _write(self, kind: _Known, values: tuple[Value, ...]) -> bytes:
        id = self._id()
        kind.rows.append((values, "out/run", id, None))
        return id

    def _write_all(self, kind: _Known, data_id: dict[str, Value]) -> list[bytes]:
        choices = [[data_id[d]] if d in data_id else self.values[d] for d in kind.dimensions]
        return [self._write(kind, values) for values in product(*choices)]

    def _choose(self, read: ReadShape, kind: _Known, data_id: dict[str, Value]) -> list[bytes]:
        rows = kind.rows
        if read.mode == "match":
            common = [(i, data_id[d]) for i, d in enumerate(kind.dimensions) if d in data_id]
            rows = [row for row in rows if all(row[0][i] == value for i, value in common)]
        keep = read.keep if read.mode == "match" else 0.4
        return [row[2] for row in rows if keep == 1.0 or self.random.random() < keep]

    def _fill(self, order: Random | None) -> QuantumGraph:
        builder = GraphBuilder("random", "out/run")

        def shuffled(rows: list[T]) -> list[T]:
            return order.sample(rows, len(rows)) if order else rows

        for kind in shuffled(self.types):
            builder.add_dataset_type(DatasetType(kind.name, kind.dimensions, "Data"))
        for task in shuffled(self.tasks):
            builder.add_task(task)
        used = {id for row in self.quanta for side in row[3:] for ids in side.values() for id in ids}
        used |= {id for row in self.init for side in row[2:] for ids in side.values() for id in ids}
        handle: dict[bytes, int] = {}
        for name, (values, run, id, file) in shuffled([(k.name, row) for k in self.types for row in k.rows]):
            if id in used:
                handle[id] = builder.add_dataset(name, values, run, id, file)

        def handles(side: dict[str, list[bytes]]) -> dict[str, list[int]]:
            return {name: [handle[id] for id in shuffled(ids)] for name, ids in side.items()}

        for label, values, id, inputs, outputs in shuffled(self.quanta):
            builder.add_quantum(label, values, id, handles(inputs), handles(outputs))
        for label, id, inputs, outputs in shuffled(self.init):
            builder.add_init(label, id, handles(inputs), handles(outputs))
        return builder.finish()
