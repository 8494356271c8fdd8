"""Shards of a quantum graph: small `.qg` files that jobs carry in place of the whole.

A shard is a valid graph of the quanta it holds, with their ids, which the middleware reads as any other. Headers,
pipeline and init quanta are the whole graph's; the text of each quantum is copied as it is; of the dimension records
those are kept that data ids of the shard can need. The format is version 1 of ``lsst.pipe.base.quantum_graph``
(``_common.py``, ``_multiblock.py``, ``_predicted.py``).
"""

from __future__ import annotations

import itertools
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import zstandard

from compiler.diagnostics import CompileError, Diagnostic, Origin
from compiler.frontend.predicted_documents import Dimensions
from compiler.frontend.universe import Universe
from compiler.rubin import Edges, QuantumGraph
from compiler.rubin.graph import Ints, Value

_LEVEL = 3
_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that ZIP can say: the same graph gives the same bytes."""


def write_shards(source: Path, graph: QuantumGraph, shard_of: Ints, folder: Path, names: Mapping[int, str]) -> None:
    """Write a shard for each number in `shard_of` (shape (quanta,)), called as `names` says below `folder`.

    The number -1 in `names` stands for a shard without quanta, which is what the init job needs. Raises `CompileError`
    if the file `source`, from which `graph` was read, has changed since or has a layout that cannot be copied.
    """
    whole = _Whole(source, graph)
    order = np.argsort(shard_of, kind="stable")
    cuts = np.flatnonzero(np.diff(shard_of[order])) + 1
    for quanta in np.split(order.astype(np.int32), cuts) if len(order) else []:
        _write(folder / names[int(shard_of[quanta[0]])], whole.members(quanta))
    if -1 in names:
        _write(folder / names[-1], whole.members(np.empty(0, dtype=np.int32)))


def can_shard(source: Path) -> bool:
    """Whether a graph file is one whose pieces can be copied: a `.qg`."""
    return zipfile.is_zipfile(source)


def _write(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, _TIME), data)


class _Whole:
    """The graph's file, taken apart."""

    def __init__(self, source: Path, graph: QuantumGraph) -> None:
        self._graph = graph
        self._source = source
        with zipfile.ZipFile(source) as file:
            packed = {name: file.read(name) for name in file.namelist()}
        known = packed.get("compression_dict")
        self._unpack = zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(known) if known else None).decompress
        self._pack = zstandard.ZstdCompressor(level=_LEVEL).compress
        self._header: dict[str, Any] = msgspec.json.decode(self._document(packed, "header"))
        self._int_size: int = self._header["int_size"]
        pipeline = self._document(packed, "pipeline_graph")
        self._copied = {
            "pipeline_graph.json.zst": self._pack(pipeline),
            "init_quanta.json.zst": self._pack(self._document(packed, "init_quanta")),
        }
        universe = msgspec.json.decode(pipeline, type=_Pipeline).dimensions
        records = msgspec.json.decode(self._document(packed, "dimension_data"), type=dict[str, list[list[Any]]])
        self._records = _Records(Universe(universe.elements, universe.skypix), records)
        self._blocks = packed["quantum_datasets.mb"]
        self._addresses = self._read_addresses(packed["quanta.addr"])
        self._ids = [graph.quantum_ids[n].tobytes() for n in range(graph.n_quanta)]

    def _document(self, packed: Mapping[str, bytes], name: str) -> bytes:
        return self._unpack(packed[f"{name}.json.zst"])

    def _read_addresses(self, table: bytes) -> dict[bytes, tuple[int, int]]:
        """Offset and size of each quantum's block, its length included (``AddressWriter.write``)."""
        size = self._int_size
        rows, columns = (int.from_bytes(table[1 + n * size : 1 + (n + 1) * size], "big") for n in range(2))
        if size != 8 or columns != 1:
            message = (
                f"its index has {columns} addresses a quantum in integers of {size} bytes, where 1 and 8 are known"
            )
            raise CompileError([Diagnostic("unknown-graph-layout", message, Origin(str(self._source)))])
        layout = struct.Struct(">16sQQQ")
        head = 1 + 2 * size
        return {
            id: (offset, length)
            for id, _, offset, length in layout.iter_unpack(table[head : head + rows * layout.size])
        }

    def members(self, quanta: Ints) -> dict[str, bytes]:
        """What stands in the file of a shard."""
        graph = self._graph
        blocks: list[bytes] = []
        places: dict[bytes, tuple[int, int]] = {}
        at = 0
        for quantum in quanta.tolist():
            id = self._ids[quantum]
            text = self._text(id)
            block = self._pack(text)
            blocks += [len(block).to_bytes(self._int_size, "big"), block]
            places[id] = (at, len(block) + self._int_size)
            at += len(block) + self._int_size
        tasks = graph.quantum_task[quanta]
        thin: dict[str, list[dict[str, Any]]] = {task.label: [] for task in graph.tasks} | {
            graph.tasks[t].label: [self._thin(q) for q in quanta[tasks == t].tolist()]
            for t in np.unique(tasks).tolist()
        }
        datasets = np.unique(np.concatenate([_datasets(graph.reads, quanta), _datasets(graph.writes, quanta)]))
        header = self._header | {
            "n_quanta": len(quanta),
            "n_datasets": len(datasets),
            "n_task_quanta": {label: len(rows) for label, rows in thin.items()},
        }
        return {
            "header.json.zst": self._json(header),
            "pipeline_graph.json.zst": self._copied["pipeline_graph.json.zst"],
            "thin_graph.json.zst": self._json({"quanta": thin, "edges": self._edges(quanta)}),
            "dimension_data.json.zst": self._json(self._records.needed_by(_values(graph, quanta, datasets))),
            "init_quanta.json.zst": self._copied["init_quanta.json.zst"],
            "quantum_datasets.mb": b"".join(blocks),
            "quanta.addr": self._index(places),
        }

    def _json(self, content: Any) -> bytes:
        return self._pack(msgspec.json.encode(content))

    def _text(self, id: bytes) -> bytes:
        try:
            offset, length = self._addresses[id]
        except KeyError:
            message = f"it has no quantum {UUID(bytes=id)} any more"
            raise CompileError([Diagnostic("graph-changed", message, Origin(str(self._source)))]) from None
        return self._unpack(self._blocks[offset + self._int_size : offset + length])

    def _thin(self, quantum: int) -> dict[str, Any]:
        graph = self._graph
        t = int(graph.quantum_task[quantum])
        codes = graph.quantum_codes[t][quantum - int(graph.task_start[t])].tolist()
        values = [graph.vocabulary[d][code] for d, code in zip(graph.tasks[t].all_dimensions, codes, strict=True)]
        return {"quantum_id": str(UUID(bytes=self._ids[quantum])), "data_coordinate": values}

    def _edges(self, quanta: Ints) -> list[tuple[str, str]]:
        """Pairs of quanta of the shard of which the second reads what the first writes."""
        graph = self._graph
        inside = set(quanta.tolist())
        found = set()
        for quantum in quanta.tolist():
            for maker in graph.producer[graph.reads.dataset[graph.reads.of(quantum)]].tolist():
                if maker in inside:
                    found.add((maker, quantum))
        return [(str(UUID(bytes=self._ids[a])), str(UUID(bytes=self._ids[b]))) for a, b in sorted(found)]

    def _index(self, places: Mapping[bytes, tuple[int, int]]) -> bytes:
        """The table of addresses, by id."""
        size = self._int_size
        head = size.to_bytes(1, "big") + len(places).to_bytes(size, "big") + (1).to_bytes(size, "big")
        layout = struct.Struct(">16sQQQ")
        return head + b"".join(layout.pack(id, n, *places[id]) for n, id in enumerate(sorted(places)))


class _Pipeline(msgspec.Struct):
    dimensions: Dimensions


@dataclass(frozen=True)
class _Element:
    required: tuple[str, ...]
    implied: tuple[str, ...]
    rows: dict[tuple[Value, ...], list[Any]]


class _Records:
    """The dimension records of a graph by their key."""

    def __init__(self, universe: Universe, records: Mapping[str, list[list[Any]]]) -> None:
        self._elements: dict[str, _Element] = {}
        for name, rows in records.items():
            required, implied = universe.record(name)
            self._elements[name] = _Element(required, implied, {tuple(row[: len(required)]): row for row in rows})

    def needed_by(self, values: dict[str, set[Value]]) -> dict[str, list[list[Any]]]:
        """Records of every element all of whose required dimensions have one of the values.

        `values` grows by what the records imply. That is a superset of what data ids with these values need: for a
        relation of two dimensions every pair, whether it occurs or not.
        """
        found: dict[str, list[list[Any]]] = {}
        while True:
            before = sum(map(len, values.values()))
            for name, element in self._elements.items():
                found[name] = rows = list(_matching(element, values))
                for n, dimension in enumerate(element.implied, len(element.required)):
                    values[dimension] |= {row[n] for row in rows if row[n] is not None}
            if sum(map(len, values.values())) == before:
                return {name: rows for name, rows in found.items() if rows}


def _matching(element: _Element, values: Mapping[str, set[Value]]) -> Iterator[list[Any]]:
    wanted = [sorted(values.get(d, ()), key=str) for d in element.required]
    if np.prod([len(each) for each in wanted]) < len(element.rows):
        yield from (row for key in itertools.product(*wanted) if (row := element.rows.get(key)) is not None)
    else:
        sets = [set(each) for each in wanted]
        yield from (
            row for key, row in element.rows.items() if all(v in each for v, each in zip(key, sets, strict=True))
        )


def _datasets(edges: Edges, quanta: Ints) -> Ints:
    return np.concatenate([edges.dataset[edges.of(q)] for q in quanta.tolist()] or [np.empty(0, dtype=np.int32)])


def _values(graph: QuantumGraph, quanta: Ints, datasets: Ints) -> dict[str, set[Value]]:
    """The values of each dimension in the data ids of quanta and datasets."""
    codes: dict[str, list[np.ndarray]] = defaultdict(list)
    tasks = graph.quantum_task[quanta]
    for t in np.unique(tasks).tolist():
        rows = graph.quantum_codes[t][quanta[tasks == t] - int(graph.task_start[t])]
        for n, dimension in enumerate(graph.tasks[t].all_dimensions):
            codes[dimension].append(rows[:, n])
    types = graph.dataset_type_of[datasets]
    for y in np.unique(types).tolist():
        rows = graph.dataset_codes[y][datasets[types == y] - int(graph.type_start[y])]
        for n, dimension in enumerate(graph.dataset_types[y].dimensions):
            codes[dimension].append(rows[:, n])
    found: dict[str, set[Value]] = defaultdict(set)
    for dimension, columns in codes.items():
        vocabulary = graph.vocabulary[dimension]
        found[dimension] = {vocabulary[code] for code in np.unique(np.concatenate(columns)).tolist()}
    return found
