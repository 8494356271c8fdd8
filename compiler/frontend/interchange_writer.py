"""Write the interchange format, in blocks; the same graph gives the same bytes, whatever file it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import zstandard

from compiler.frontend.interchange_lines import (
    FORMAT,
    VERSION,
    DatasetsLine,
    EdgeColumn,
    FileColumns,
    GraphLine,
    InitLine,
    Line,
    Numbers,
    Port,
    QuantaLine,
    Run,
    TaskLine,
    TypeLine,
    Values,
)
from compiler.rubin import Edges, QuantumGraph
from compiler.rubin.files import UNKNOWN, Ints
from compiler.rubin.graph import Value
from compiler.rubin.ids import GivenIds, init_id

_ROWS = 8192
"""Of a block: enough that a line costs nothing beside its rows, few enough that a reader holds little."""
_EDGES = 100_000
"""After so many a block of quanta ends."""


def write_interchange(graph: QuantumGraph, path: Path | str) -> None:
    """Write `graph`; compressed if the name ends in ``.zst``."""
    with Path(path).open("wb") as file:
        if not str(path).endswith(".zst"):
            _write(graph, file)
            return
        with zstandard.ZstdCompressor(level=6).stream_writer(file, closefd=False) as packed:
            _write(graph, packed)


def _write(graph: QuantumGraph, file: BinaryIO | zstandard.ZstdCompressionWriter) -> None:
    encoder = msgspec.json.Encoder()
    for line in _lines(graph):
        file.write(encoder.encode(line) + b"\n")


def _lines(graph: QuantumGraph) -> Iterator[Line]:
    yield GraphLine(FORMAT, VERSION, graph.output_run, graph.n_quanta, graph.n_datasets)
    for kind in graph.dataset_types:
        yield TypeLine(kind.name, kind.dimensions, kind.storage_class, kind.is_calibration)
    for task in graph.tasks:
        ports = tuple(Port(c.name, c.kind, c.dataset_type, c.storage_class) for c in task.connections)
        yield TaskLine(task.label, task.task_class, task.dimensions, task.implied, ports)
    given = _told(graph.given_dataset_ids, graph.derived_ids_of(graph.given_dataset_ids.numbers))
    for number in range(len(graph.dataset_types)):
        start, end = graph.type_start[number : number + 2].tolist()
        for first in range(start, end, _ROWS):
            yield _datasets(graph, number, first, min(first + _ROWS, end), given)
    for init in graph.init:
        id = None if init.id.bytes == init_id(init.label) else init.id
        yield InitLine(init.label, dict(init.inputs), dict(init.outputs), id)
    given = _told(graph.given_quantum_ids, graph.derived_quantum_ids_of(graph.given_quantum_ids.numbers))
    for number in range(len(graph.tasks)):
        for first, end in _cuts(graph, number):
            yield _quanta(graph, number, first, end, given)


def _told(given: GivenIds, derived: Sequence[bytes]) -> GivenIds:
    """Those that are not what would be derived."""
    if not len(given.numbers):
        return given
    other = given.ids != np.frombuffer(b"".join(derived), dtype="V16")
    return GivenIds(given.numbers[other], given.ids[other])


def _datasets(graph: QuantumGraph, number: int, first: int, end: int, given: GivenIds) -> DatasetsLine:
    kind = graph.dataset_types[number]
    rows = slice(first - int(graph.type_start[number]), end - int(graph.type_start[number]))
    run = [graph.runs[code] for code in graph.dataset_run[first:end].tolist()]
    usual = run[0] if len(set(run)) == 1 else run
    return DatasetsLine(
        end - first,
        kind.name,
        _columns(graph, kind.dimensions, graph.dataset_codes[number][rows]),
        None if usual == graph.output_run else usual,
        _ids(given, first, end),
        _files(graph, first, end),
    )


def _files(graph: QuantumGraph, first: int, end: int) -> FileColumns | None:
    files = graph.files
    low, high = np.searchsorted(files.numbers, [first, end]).tolist()
    if low == high:
        return None
    rows = (files.numbers[low:high] - first).tolist()
    sizes = [None if size == UNKNOWN else size for size in files.sizes[low:high].tolist()]
    formatters = [files.formatters[code] for code in files.formatter[low:high].tolist()]
    checksums = None if files.checksums is None else files.checksums[low:high]
    known: set[int | None] = set(sizes)
    return FileColumns(
        _placed(files.paths[low:high], rows, end - first, None),
        sizes[0] if len(known) == 1 else _placed(sizes, rows, end - first, None),
        formatters[0] if len(set(formatters)) == 1 else _placed(formatters, rows, end - first, ""),
        _placed(checksums, rows, end - first, None)
        if checksums is not None and any(each is not None for each in checksums)
        else None,
    )


def _placed(values: Sequence[Value | None], rows: list[int], count: int, empty: str | None) -> list:  # type: ignore[type-arg]
    """The values at their rows of a block of `count`."""
    if len(rows) == count:
        return list(values)
    column: list[Value | None] = [empty] * count
    for row, value in zip(rows, values, strict=True):
        column[row] = value
    return column


def _cuts(graph: QuantumGraph, task: int) -> Iterator[tuple[int, int]]:
    """Blocks of a task's quanta, first and behind the last."""
    first, last = graph.task_start[task : task + 2].tolist()
    edges = graph.reads.start + graph.writes.start
    while first < last:
        full = int(np.searchsorted(edges, edges[first] + _EDGES))
        end = min(max(full, first + 1), first + _ROWS, last)
        yield first, end
        first = end


def _quanta(graph: QuantumGraph, number: int, first: int, end: int, given: GivenIds) -> QuantaLine:
    task = graph.tasks[number]
    rows = slice(first - int(graph.task_start[number]), end - int(graph.task_start[number]))
    names = [connection.name for connection in task.connections]
    return QuantaLine(
        end - first,
        task.label,
        _columns(graph, task.all_dimensions, graph.quantum_codes[number][rows]),
        _edges(graph.reads, names, first, end),
        _edges(graph.writes, names, first, end),
        _ids(given, first, end),
    )


def _edges(edges: Edges, names: Sequence[str], first: int, end: int) -> dict[str, EdgeColumn]:
    row = slice(int(edges.start[first]), int(edges.start[end]))
    connection, dataset = edges.connection[row], edges.dataset[row]
    quantum = np.repeat(np.arange(end - first), np.diff(edges.start[first : end + 1]))
    found = {}
    for place in np.flatnonzero(np.bincount(connection)).tolist():
        chosen = connection == place
        counts = np.bincount(quantum[chosen], minlength=end - first)
        same = bool((counts == counts[0]).all())
        fan = int(counts[0]) if same else counts.tolist()
        found[names[place]] = EdgeColumn(_compact(dataset[chosen]), fan)
    return found


def _columns(graph: QuantumGraph, dimensions: Sequence[str], codes: Ints) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for place, dimension in enumerate(dimensions):
        column, values = codes[:, place], graph.vocabulary[dimension]
        if bool((column == column[0]).all()):
            found[dimension] = values[int(column[0])]
            continue
        rows = [values[code] for code in column.tolist()]
        found[dimension] = _run(rows) or rows
    return found


def _compact(numbers: Ints) -> Numbers:
    if bool((numbers == numbers[0]).all()):
        return int(numbers[0])
    rows = numbers.tolist()
    return _run(rows) or rows


def _run(rows: Sequence[Value]) -> Run | None:
    """The run that they are, if they are one."""
    first, second, last = rows[0], rows[1], rows[-1]
    if not (isinstance(first, int) and isinstance(second, int) and isinstance(last, int)) or first == second:
        return None
    step = second - first
    if last != first + step * (len(rows) - 1) or max(abs(first), abs(last), abs(step)) >= 2**62:
        return None
    return Run(first, step) if list(rows) == list(range(first, last + (1 if step > 0 else -1), step)) else None


def _ids(given: GivenIds, first: int, end: int) -> list[str | None] | None:
    low, high = np.searchsorted(given.numbers, [first, end]).tolist()
    if low == high:
        return None
    texts = [_text(id.hex()) for id in given.ids[low:high].tolist()]
    return _placed(texts, (given.numbers[low:high] - first).tolist(), end - first, None)


def _text(id: str) -> str:
    return f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"
