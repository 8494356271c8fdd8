"""The table of quanta, ``quanta.parquet``, held against the quantum graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compiler.certificate.canonical import GraphColumns
from compiler.certificate.hashes import Hashes, hashes_of, keys, of_task, sums
from compiler.certificate.ledger import LIMIT, Ledger
from compiler.diagnostics import CompileError, Diagnostic, Origin
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("label", "data_id", "job", "place")
_LISTS = ("inputs", "outputs")


@dataclass(frozen=True, eq=False)
class Table:
    """Who runs what, by the table."""

    jobs: Ints
    """Shape (quanta,): the number of the job of each quantum."""
    places: Ints
    """Shape (quanta,): its place in that job."""
    order: Ints
    """Shape (quanta,): the quanta by job, then by place."""
    quantum: Ints
    """Shape (quanta,): the quantum of each row."""


def read_table(graph: QuantumGraph, path: Path, job_numbers: Mapping[str, int], ledger: Ledger) -> Table | None:
    """The table, if it holds every quantum of the graph once and nothing else; None and findings if not.

    Raises `CompileError` for a file that is no such table.
    """
    import pyarrow as pa

    before = ledger.counts.total()  # findings of other things do not end this
    try:
        _check_columns(path)
        found, jobs, places = _rows(path, job_numbers, ledger)
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        message = f"'{path.name}' is no table of quanta: {error}"
        raise CompileError(
            [Diagnostic("unreadable-table", message, Origin(path.name), help="compile again")]
        ) from error
    rows = _row_of_quanta(graph, path, found, ledger)
    if ledger.counts.total() > before:
        return None
    jobs, places = jobs[rows], places[rows]
    order = np.arange(len(rows), dtype=np.int64)
    step = np.diff(jobs)
    if (step < 0).any() or (np.diff(places)[step == 0] < 0).any():
        order = np.lexsort((places, jobs))
    head = np.flatnonzero(np.diff(jobs[order], prepend=-1))
    counted = np.arange(len(order)) - np.repeat(head, np.diff(np.append(head, len(order))))
    tell(
        ledger,
        "wrong-place",
        np.flatnonzero(places[order] != counted),
        lambda n: f"{graph.quantum(int(order[n]))} has the place {places[order[n]]}, not {counted[n]}",
        _at(path),
    )
    quantum = np.empty(len(rows), dtype=np.int32)
    quantum[rows] = np.arange(len(rows), dtype=np.int32)
    if ledger.counts.total() > before:
        return None
    return Table(jobs, places, order.astype(np.int32), quantum)


def check_datasets(graph: QuantumGraph, path: Path, table: Table, names: Hashes, ledger: Ledger) -> None:
    """Whether the table names the datasets that quanta read and write; `names` are those of the graph's datasets."""
    reads = sums(graph.reads.start, names[graph.reads.dataset])
    for t, task in enumerate(graph.tasks):
        reads[graph.task_start[t] : graph.task_start[t + 1]] += names[init_inputs(graph, task.label)].sum()
    wanted = {"inputs": reads, "outputs": sums(graph.writes.start, names[graph.writes.dataset])}
    first = 0
    for rows in _groups(path, tuple(wanted)):
        quanta = table.quantum[first : first + len(rows)]
        first += len(rows)
        for column in wanted:
            lists = _only(rows, column)
            told = sums(lists.offsets.to_numpy() - lists.offsets[0].as_py(), _hashes(lists.flatten()))
            others = np.flatnonzero(told != wanted[column][quanta])
            tell(ledger, "other-datasets", others, partial(_other, graph, quanta, column, lists), _at(path))


def init_inputs(graph: QuantumGraph, label: str) -> list[int]:
    """Datasets that every quantum of a task gets."""
    return sorted({d for each in graph.init if each.label == label for row in each.inputs.values() for d in row})


def _other(graph: QuantumGraph, quanta: Ints, column: str, lists: pa.Array, row: int) -> str:
    """In what the datasets of a row differ from the graph's."""
    quantum = int(quanta[row])
    edges = graph.reads if column == "inputs" else graph.writes
    datasets = edges.dataset[edges.of(quantum)].tolist()
    if column == "inputs":
        datasets += init_inputs(graph, graph.tasks[int(graph.quantum_task[quantum])].label)
    lacking, more = differences(GraphColumns(graph).all_names(datasets), lists[row].as_py() or [])
    return f"{graph.quantum(quantum)}: its {column} {f'lack {lacking[0]!r}' if lacking else f'have {more[0]!r}'}"


def tell(
    ledger: Ledger, code: str, numbers: NDArray[np.integer], message: Callable[[int], str], place: Origin | None
) -> None:
    """A finding for each number; only of those that are told in full is the message made."""
    room = max(LIMIT - ledger.counts[code], 0)
    for number in numbers[:room].tolist():
        ledger.error(code, message(number), place)
    if len(numbers) > room:
        ledger.counts[code] += len(numbers) - room


def differences(wanted: Sequence[str], told: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is lacking, and what is there beyond it."""
    return list((Counter(wanted) - Counter(told)).elements()), list((Counter(told) - Counter(wanted)).elements())


def _at(path: Path) -> Origin:
    return Origin(path.name)


def _rows(path: Path, job_numbers: Mapping[str, int], ledger: Ledger) -> tuple[Hashes, Ints, Ints]:
    """Shape (rows,) each: the key of the quantum, the job's number, the place."""
    found: list[Hashes] = [np.zeros(0, dtype=np.int64)]
    jobs: list[Ints] = [np.zeros(0, dtype=np.int32)]
    places: list[Ints] = [np.zeros(0, dtype=np.int32)]
    for rows in _groups(path, _COLUMNS):
        found.append(_keys_of(rows))
        job = _only(rows, "job").dictionary_encode()
        texts = job.dictionary.to_pylist()
        for id in [*texts, None] if job.null_count else texts:
            if id not in job_numbers:
                ledger.error("unknown-job", f"the table names {id!r}, which is no job", _at(path))
        numbers = np.array([job_numbers.get(id, -1) for id in [*texts, None]], dtype=np.int32)
        jobs.append(numbers[job.indices.fill_null(len(texts)).to_numpy()])
        places.append(_only(rows, "place").fill_null(-1).to_numpy().astype(np.int32))
    return np.concatenate(found), np.concatenate(jobs), np.concatenate(places)


def _check_columns(path: Path) -> None:
    """Raises `KeyError` where a column is missing."""
    import pyarrow.parquet as pq

    missing = {*_COLUMNS, *_LISTS} - set(pq.read_schema(path).names)
    if missing:
        raise KeyError(f"it has no column {', '.join(sorted(missing))}")


def _groups(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Row group by row group, so that little is held at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=list(columns))


def _only(rows: pa.Table, column: str) -> pa.Array:
    whole = rows.column(column).combine_chunks()
    return whole if not hasattr(whole, "chunks") else whole.chunk(0)


def _keys_of(rows: pa.Table) -> Hashes:
    labels = _only(rows, "label").dictionary_encode()
    found = _hashes(_only(rows, "data_id"))
    tasks = [*labels.dictionary.to_pylist(), None]
    of_label = np.concatenate([of_task(label, np.zeros(1, dtype=np.int64)) for label in tasks])
    found ^= of_label[labels.indices.fill_null(len(tasks) - 1).to_numpy()]
    return found


def _hashes(texts: pa.Array) -> Hashes:
    return hashes_of(texts.to_numpy(zero_copy_only=False).tolist(), len(texts))


def _row_of_quanta(graph: QuantumGraph, path: Path, found: Hashes, ledger: Ledger) -> NDArray[np.int64]:
    """Shape (quanta,): the row of each; findings where it is not one."""
    wanted = keys(graph)
    by_key, rows_by_key = np.argsort(wanted), np.argsort(found)
    row = np.empty(len(wanted), dtype=np.int64)
    if np.array_equal(wanted[by_key], found[rows_by_key]):
        row[by_key] = rows_by_key
        return row
    place = np.minimum(np.searchsorted(wanted, found, sorter=by_key), max(len(wanted) - 1, 0))
    quantum = by_key[place] if len(wanted) else np.zeros(len(found), dtype=np.int64)
    extra = np.flatnonzero(wanted[quantum] != found) if len(wanted) else np.arange(len(found))
    texts = _texts(path, extra[:LIMIT].tolist())
    shown = (f"{label}{data_id} stands in the table, not in the graph" for label, data_id in texts)
    tell(ledger, "extra-quantum", extra, lambda _: next(shown), _at(path))
    times = np.bincount(np.delete(quantum, extra), minlength=len(wanted))
    for code, what, quanta in (
        ("missing-quantum", "stands in no row of the table", np.flatnonzero(times == 0)),
        ("doubled-quantum", "stands in the table several times", np.flatnonzero(times > 1)),
    ):
        tell(ledger, code, quanta, partial(_faulty, graph, what), _at(path))
    return row


def _faulty(graph: QuantumGraph, what: str, quantum: int) -> str:
    return f"{graph.quantum(quantum)} {what}"


def _texts(path: Path, rows: Sequence[int]) -> list[tuple[str, str]]:
    """Label and data id of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["label", "data_id"]).take(pa.array(rows, pa.int64()))
    return list(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))
