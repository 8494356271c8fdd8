"""The canonical form of a quantum graph: some lines of JSON that two equal graphs share byte for byte.

It knows quanta by task label and data id, datasets by what their file names are made of, and nothing of quantum
ids, of the order of a file, or of who made the graph. What grows with the graph stands in columns, of which a line
holds the hash. schemas/canonical_graph.schema.json defines a line, docs/certificate.md tells the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from compiler.certificate.columns import Ints
from compiler.rubin import QuantumGraph
from compiler.runtime.quantum_runner import dataset_name

VERSION = 2
_NEVER_CUT = 120
"""`dataset_name` leaves names of so many characters as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Edges of one connection of one task, sorted by quantum, then by dataset."""

    quanta: Ints
    """Shape (edges,): numbers within the task."""
    datasets: Ints
    """Shape (edges,)."""


class GraphColumns:
    """A quantum graph as columns of what its files are called and of who reads and writes them."""

    def __init__(self, graph: QuantumGraph) -> None:
        self.graph = graph
        self._pairs: dict[tuple[str, int], dict[int, Pairs]] = {}
        self._texts: dict[str, list[str]] = {}

    @cached_property
    def existing(self) -> NDArray[np.bool_]:
        """Shape (datasets,): whether each is there before the workflow runs."""
        found = self.graph.producer < 0
        found[list(self.graph.init_made)] = False
        return found

    @cached_property
    def tails(self) -> Ints:
        """Shape (datasets,): the part of the id that is in the names of existing datasets; -1 for others."""
        found = np.full(self.graph.n_datasets, -1, dtype=np.int64)
        (there,) = np.nonzero(self.existing)
        found[there] = [int.from_bytes(id[-6:]) for id in self.graph.ids_of(there.tolist())]
        return found

    @cached_property
    def init_read(self) -> list[int]:
        """Datasets that init quanta read, sorted."""
        return sorted({d for each in self.graph.init for row in each.inputs.values() for d in row})

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """Shape (datasets,): whether a quantum reads or writes each, or an init quantum reads it."""
        found = np.zeros(self.graph.n_datasets, dtype=np.bool_)
        for edges in (self.graph.reads, self.graph.writes):
            found[edges.dataset] = True
        found[self.init_read] = True
        return found

    def texts(self, dimension: str) -> list[str]:
        """Each value of the vocabulary as it stands in file names."""
        if dimension not in self._texts:
            values = self.graph.vocabulary.get(dimension, ())
            self._texts[dimension] = [dataset_name(str(value), ()) for value in values]
        return self._texts[dimension]

    def names(self, datasets: Ints) -> list[str]:
        """File names of datasets."""
        kinds = self.graph.dataset_type_of[datasets]
        if not len(kinds):
            return []
        if (kinds == kinds[0]).all():
            return self._names(int(kinds[0]), datasets)
        found = [""] * len(datasets)
        for y in np.unique(kinds).tolist():
            places = np.flatnonzero(kinds == y)
            for place, name in zip(places.tolist(), self._names(y, datasets[places]), strict=True):
                found[place] = name
        return found

    def _names(self, y: int, datasets: Ints) -> list[str]:
        graph, kind = self.graph, self.graph.dataset_types[y]
        codes = graph.dataset_codes[y][datasets - graph.type_start[y]]
        columns = [_chosen(self.texts(d), codes[:, i]) for i, d in enumerate(kind.dimensions)]
        found = list(map("-".join, zip(repeat(dataset_name(kind.name, ()), len(datasets)), *columns, strict=True)))
        tails = self.tails[datasets].tolist()
        if self.existing[datasets].any():
            found = [name if tail < 0 else f"{name}+u{tail:012x}" for name, tail in zip(found, tails, strict=True)]
        for place in [n for n, name in enumerate(found) if len(name) > _NEVER_CUT]:
            id = f"{tails[place]:012x}" if tails[place] >= 0 else None
            found[place] = dataset_name(kind.name, graph.dataset_values(int(datasets[place])), id)
        return found

    def pairs(self, side: Literal["reads", "writes"], task: int) -> dict[int, Pairs]:
        """Edges of a task by connection; a connection without edges is left out."""
        if (side, task) not in self._pairs:
            graph = self.graph
            edges = graph.reads if side == "reads" else graph.writes
            start = edges.start[graph.task_start[task] : graph.task_start[task + 1] + 1]
            quanta = np.repeat(np.arange(len(start) - 1), np.diff(start))
            datasets, connection = (each[start[0] : start[-1]] for each in (edges.dataset, edges.connection))
            found = {}
            for c in np.flatnonzero(np.bincount(connection)).tolist():
                chosen = connection == c
                found[c] = Pairs(*by_row(quanta[chosen], datasets[chosen].astype(np.int64)))
            self._pairs[side, task] = found
        return self._pairs[side, task]

    def init_reads(self, task: int) -> dict[str, list[int]]:
        """Datasets that every quantum of a task gets, by init-input."""
        label = self.graph.tasks[task].label
        return {name: list(row) for each in self.graph.init if each.label == label for name, row in each.inputs.items()}

    def init(self) -> tuple[list[str], list[str]] | None:
        """Names of what the init quanta, all in one, read that exists and write; None if they write nothing."""
        made = sorted(self.graph.init_made)
        if not made:
            return None
        return self.all_names([d for d in self.init_read if self.existing[d]]), self.all_names(made)

    def all_names(self, datasets: Sequence[int]) -> list[str]:
        """File names of any datasets, sorted."""
        return sorted(name for d in datasets for name in self.names(np.array([d])))

    def n_edges(self) -> int:
        """Pairs of quanta of which one reads what the other writes."""
        graph = self.graph
        reader = np.repeat(np.arange(graph.n_quanta), np.diff(graph.reads.start))
        writer = graph.producer[graph.reads.dataset]
        pairs = np.sort((reader * graph.n_quanta + writer)[writer >= 0])
        return int(np.count_nonzero(np.diff(pairs))) + bool(len(pairs))

    def locations(self, datasets: Ints) -> tuple[list[str | None], Ints]:
        """Where the datastore has existing datasets, as job orders say it, and their sizes; None and -1 if unknown."""
        files = self.graph.files
        places: list[str | None] = [None] * len(datasets)
        sizes = np.full(len(datasets), -1, dtype=np.int64)
        at = np.searchsorted(files.numbers, datasets)
        at[at == len(files.numbers)] = 0
        known = np.flatnonzero(files.numbers[at] == datasets) if len(files.numbers) else at[:0]
        sizes[known] = files.sizes[at[known]]
        for place, file in zip(known.tolist(), at[known].tolist(), strict=True):
            path = files.paths[file]
            places[place] = path if "://" in path else f"inputs/{path}"
        return places, sizes

    def digest(self) -> str:
        """``sha256:...`` of the canonical form."""
        total = hashlib.sha256()
        for line in self.lines():
            total.update(json.dumps(line, separators=(",", ":"), sort_keys=True).encode())
            total.update(b"\n")
        return f"sha256:{total.hexdigest()}"

    def lines(self) -> Iterator[dict[str, Any]]:
        """The canonical form, an object a line."""
        yield {"kind": "canonical", "version": VERSION}
        init = self.init()
        if init is not None:
            yield {"kind": "init", "inputs": init[0], "outputs": init[1]}
        codes = self._dense_codes()
        for dimension, dense in sorted(codes.items()):
            vocabulary = self.graph.vocabulary[dimension]
            if values := [str(value) for value, code in zip(vocabulary, dense, strict=True) if code >= 0]:
                yield {"kind": "dimension", "name": dimension, "values": values}
        place = np.full(self.graph.n_datasets, -1, dtype=np.int64)
        for y in range(len(self.graph.dataset_types)):
            yield from self._datasets(y, codes, place)
        for t in sorted(range(len(self.graph.tasks)), key=lambda t: self.graph.tasks[t].label):
            yield self._quanta(t, codes, place)

    def _dense_codes(self) -> dict[str, Ints]:
        """By dimension: the place of each value among those that data ids have; -1 for others."""
        graph = self.graph
        used = {name: np.zeros(len(values), dtype=np.bool_) for name, values in graph.vocabulary.items()}
        for task, codes in zip(graph.tasks, graph.quantum_codes, strict=True):
            for i, dimension in enumerate(task.dimensions):
                used[dimension][codes[:, i]] = True
        for y, kind in enumerate(graph.dataset_types):
            rows = self.used[graph.type_start[y] : graph.type_start[y + 1]]
            for i, dimension in enumerate(kind.dimensions):
                used[dimension][graph.dataset_codes[y][rows, i]] = True
        return {name: np.where(each, np.cumsum(each) - 1, -1) for name, each in used.items()}

    def _datasets(self, y: int, codes: dict[str, Ints], place: Ints) -> Iterator[dict[str, Any]]:
        """The line of a dataset type, if it is used; `place` gets the place of each dataset among all lines."""
        graph, kind = self.graph, self.graph.dataset_types[y]
        first = int(graph.type_start[y])
        datasets = np.flatnonzero(self.used[first : int(graph.type_start[y + 1])]) + first
        if not len(datasets):
            return
        rows = graph.dataset_codes[y][datasets - first]
        key = packed(rows, [len(graph.vocabulary[d]) for d in kind.dimensions])
        tail = self.tails[datasets]
        order = np.lexsort((tail, key))
        datasets, tail = datasets[order], tail[order]
        place[datasets] = np.arange(len(datasets)) + place.max(initial=-1) + 1
        locations, sizes = self.locations(datasets[tail >= 0])
        yield {
            "kind": "datasets",
            "type": kind.name,
            "dimensions": list(kind.dimensions),
            "count": len(datasets),
            "data_ids": {d: hashed(codes[d][rows[order, i]]) for i, d in enumerate(kind.dimensions)},
            "ids": hashed(tail),
            "locations": hashed(locations),
            "sizes": hashed(sizes),
        }

    def _quanta(self, t: int, codes: dict[str, Ints], place: Ints) -> dict[str, Any]:
        graph, task = self.graph, self.graph.tasks[t]
        rows = graph.quantum_codes[t]
        order = np.argsort(self.quantum_keys(t), kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))

        def ports(side: Literal["reads", "writes"]) -> dict[str, Any]:
            found = {}
            for c, pairs in self.pairs(side, t).items():
                quanta, datasets = by_row(rank[pairs.quanta], place[pairs.datasets])
                counts = np.bincount(quanta, minlength=len(order))
                found[task.connections[c].name] = {"counts": hashed(counts), "datasets": hashed(datasets)}
            return found

        return {
            "kind": "quanta",
            "label": task.label,
            "dimensions": list(task.dimensions),
            "count": len(order),
            "data_ids": {d: hashed(codes[d][rows[order, i]]) for i, d in enumerate(task.dimensions)},
            "inputs": ports("reads"),
            "init_inputs": {name: self.all_names(row) for name, row in self.init_reads(t).items() if row},
            "outputs": ports("writes"),
        }

    def quantum_keys(self, task: int) -> Ints:
        """Shape (quanta of the task,): a number for each data id."""
        dimensions = self.graph.tasks[task].dimensions
        sizes = [len(self.graph.vocabulary[d]) for d in dimensions]
        return packed(self.graph.quantum_codes[task][:, : len(dimensions)], sizes)


def hashed(column: Ints | Sequence[str | None]) -> str:
    """A column's hash: of 64-bit integers, little-endian, or of the JSON array of its texts."""
    content = msgspec.json.encode(column) if isinstance(column, Sequence) else column.astype("<i8").tobytes()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def packed(codes: NDArray[np.integer], sizes: Sequence[int]) -> Ints:
    """One number for each row, in the order of the rows.

    >>> packed(np.array([[1, 2], [0, 3]]), [2, 4]).tolist()
    [6, 3]
    """
    total = 1
    for each in sizes:
        total *= max(each, 1)
    if total >= 1 << 62:
        rows: Ints = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return rows
    found = np.zeros(len(codes), dtype=np.int64)
    for place, each in enumerate(sizes):
        found = found * each + codes[:, place]
    return found


def by_row(rows: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Pairs sorted by row, then by value."""
    step = np.diff(rows)
    if len(rows) < 2 or not ((step < 0) | ((step == 0) & (np.diff(values) < 0))).any():
        return rows, values
    order = np.lexsort((values, rows))
    return rows[order], values[order]


def _chosen(texts: Sequence[str], codes: NDArray[np.integer]) -> list[str]:
    return [texts[code] for code in codes.tolist()]
