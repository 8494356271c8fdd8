"""What stands for texts where there are millions of them: Python's hash, 64 bits that are keyed anew in each process.

A set of texts is compared by the sum of their hashes, modulo 2**64. Nothing that is written depends on them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from compiler.certificate.canonical import GraphColumns
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints
from compiler.runtime.quantum_runner import dataset_name

Hashes = NDArray[np.int64]
_CHUNK = 1 << 16
_NEVER_CUT = 120
"""`dataset_name` leaves names of so many characters as they are."""


class Ragged(Protocol):
    """Rows of hashes: those of row r stand at ``start[r]:start[r + 1]``."""

    start: NDArray[np.int64]
    """Shape (rows + 1,)."""
    item: Hashes


def hashes_of(texts: Iterable[str], count: int) -> Hashes:
    """Shape (count,)."""
    return np.fromiter(map(hash, texts), dtype=np.int64, count=count)


def sums(start: NDArray[np.int64], item: Hashes) -> Hashes:
    """Shape (rows,): the sum of each row."""
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(item)])
    found: Hashes = total[start[1:]] - total[start[:-1]]
    return found


def file_names(graph: QuantumGraph) -> Hashes:
    """Shape (datasets,): the name of each dataset's file."""
    named = GraphColumns(graph)
    found = np.empty(graph.n_datasets, dtype=np.int64)
    for y, kind in enumerate(graph.dataset_types):
        first, last = int(graph.type_start[y]), int(graph.type_start[y + 1])
        texts = [[f"-{text}" for text in named.texts(dimension)] for dimension in kind.dimensions]
        start = dataset_name(kind.name, ())
        longest = len(start) + sum(max(map(len, each), default=0) for each in texts)
        if longest <= _NEVER_CUT and not named.existing[first:last].any():
            found[first:last] = _joined(start, texts, graph.dataset_codes[y], "")
            continue
        for begin in range(first, last, _CHUNK):
            numbers = np.arange(begin, min(begin + _CHUNK, last))
            found[begin : begin + len(numbers)] = hashes_of(named.names(numbers), len(numbers))
    return found


def keys(graph: QuantumGraph) -> Hashes:
    """Shape (quanta,): label and data id of each quantum, this as the table of quanta says it."""
    found = []
    for t, task in enumerate(graph.tasks):
        texts = [
            [f"{',' if n else ''}{_json(d)}:{_json(value)}" for value in graph.vocabulary.get(d, ())]
            for n, d in enumerate(task.dimensions)
        ]
        found.append(of_task(task.label, _joined("{", texts, graph.quantum_codes[t], "}")))
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def of_task(label: str, data_ids: Hashes) -> Hashes:
    """The keys of quanta of one task."""
    return data_ids ^ np.int64(hash(f"{label} "))


def commands(graph: QuantumGraph) -> Hashes:
    """Shape (quanta,): the words that name each quantum on a command line, quoted for a shell."""
    found = []
    for t, task in enumerate(graph.tasks):
        texts = [[f" {shlex.quote(f'{d}={value}')}" for value in graph.vocabulary.get(d, ())] for d in task.dimensions]
        found.append(_joined(shlex.quote(task.label), texts, graph.quantum_codes[t], ""))
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def command(graph: QuantumGraph, quantum: int) -> str:
    """The words of one quantum."""
    label = graph.tasks[int(graph.quantum_task[quantum])].label
    data_id = graph.quantum(quantum).data_id
    return shlex.join([label, *(f"{d}={value}" for d, value in data_id.items())])


def _json(value: int | str) -> str:
    return msgspec.json.encode(value).decode()


def _joined(start: str, texts: Sequence[Sequence[str]], codes: Ints, end: str) -> Hashes:
    """Shape (rows,): for each row of codes, `start`, the text of each code and `end`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not texts:
        return np.full(len(codes), hash(start + end), dtype=np.int64)
    known = [pa.array(each, pa.string()) for each in texts]
    found = np.empty(len(codes), dtype=np.int64)
    for first in range(0, len(codes), _CHUNK):
        rows = codes[first : first + _CHUNK]
        columns = [each.take(pa.array(rows[:, n])) for n, each in enumerate(known)]
        joined = pc.binary_join_element_wise(pa.scalar(start), *columns, pa.scalar(end), "")
        found[first : first + len(rows)] = hashes_of(joined.to_numpy(zero_copy_only=False).tolist(), len(rows))
    return found
