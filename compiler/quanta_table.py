"""``quanta.parquet``: which job runs which quantum on which datasets, one row a quantum.

Clustering loses nothing because of this table: jobs lead to quanta, and quanta to jobs, data ids and files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from compiler.jobs import Batch, Calls, JobGraph, Rows

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {
    "label": "the task",
    "data_id": "a JSON object: values of the required dimensions",
    "job": "the job's id in workflow.yml",
    "place": "how many quanta of the job run before it",
    "inputs": "file names of the datasets that it reads, init-outputs included",
    "outputs": "file names of the datasets that it writes, log and metadata included",
}
"""The columns and what stands in them."""
VERSION = b"quanta 1"
"""Stands in the file's metadata under ``rubincwl``."""
ROWS = 1 << 16
"""Of a row group: what is held in memory at a time."""


def write_table(path: Path, jobs: JobGraph, ids: Sequence[str]) -> None:
    """Write the table of `jobs` to `path`; `ids` are the jobs' ids as the workflow spells them.

    Rows stand in the order of the jobs, and within a job in the order in which quanta run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    strings = pa.list_(pa.string())
    types = (pa.string(), pa.string(), pa.string(), pa.int32(), strings, strings)
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    # Without a schema of Arrow's own in the file, it reads the same everywhere.
    options = {"compression": "zstd", "use_dictionary": ["label", "job"], "store_schema": False}
    with pq.ParquetWriter(path, schema, write_statistics=["label", "job", "place"], **options) as writer:
        writer.add_key_value_metadata({"rubincwl": VERSION})
        for batch in _row_groups(jobs, ids, schema):
            writer.write_batch(batch)


def _row_groups(jobs: JobGraph, ids: Sequence[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    calls = jobs.calls
    is_quantum = np.array([calls.tools[batch.tool].label is not None for batch in calls.batches], dtype=bool)
    order = jobs.members.item[is_quantum[calls.batch[jobs.members.item]]]
    job, place = _places(jobs, order)
    labels = pa.array([calls.tools[batch.tool].label or "" for batch in calls.batches], pa.string())
    data_ids = pa.concat_arrays([_data_ids(calls, batch) for batch in calls.batches] or [pa.array([], pa.string())])
    names, job_ids = _texts(jobs.files.names), pa.array(ids, pa.string())
    dataset = _datasets(jobs)
    for first in range(0, len(order), ROWS):
        chosen = order[first : first + ROWS]
        columns = [
            labels.take(pa.array(calls.batch[chosen])),
            data_ids.take(pa.array(chosen)),
            job_ids.take(pa.array(job[first : first + ROWS])),
            pa.array(place[first : first + ROWS]),
            _names(names, calls.reads, chosen, dataset),
            _names(names, calls.writes, chosen, dataset),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _texts(texts: Sequence[str]) -> pa.Array:
    """The texts as an array whose memory is asked for once: one that grows takes twice as much."""
    import pyarrow as pa

    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    letters = np.empty(offsets[-1], dtype=np.uint8)
    for first in range(0, len(texts), ROWS):
        piece = "".join(texts[first : first + ROWS])
        if not piece.isascii():
            return pa.array(texts, pa.large_string())
        begin = offsets[first]
        letters[begin : begin + len(piece)] = np.frombuffer(piece.encode(), dtype=np.uint8)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(letters))


def _places(jobs: JobGraph, order: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Shape (quanta,) both, of the calls in `order`: the job, and how many quanta of the job stand before."""
    job = jobs.job_of_call[order]
    starts = np.flatnonzero(np.diff(job, prepend=-1))
    sizes = np.diff(np.append(starts, len(job)))
    return job, (np.arange(len(job)) - np.repeat(starts, sizes)).astype(np.int32)


def _datasets(jobs: JobGraph) -> NDArray[np.bool_]:
    """Shape (files,): which files are datasets; what every job carries, and the records of quanta, are not."""
    dataset = np.ones(len(jobs.files), dtype=bool)
    dataset[: jobs.files.existing] = [not each.startswith("runtime/") for each in jobs.files.locations]
    for port in jobs.files.ports:
        if port.name == "_record" and jobs.calls.tools[port.tool].label is not None:
            dataset[port.first : port.last] = False
    return dataset


def _data_ids(calls: Calls, batch: Batch) -> pa.Array:
    """Shape (calls of the batch,): each data id as JSON."""
    import pyarrow as pa
    import pyarrow.compute as pc

    dimensions = calls.tools[batch.tool].dimensions
    if not batch.values or calls.tools[batch.tool].label is None:
        return pa.repeat(pa.scalar("{}"), batch.last - batch.first)
    parts = []
    for place, (dimension, column) in enumerate(zip(dimensions, batch.values, strict=True)):
        number = {value: number for number, value in enumerate(dict.fromkeys(column))}
        begin = f"{',' if place else '{'}{_json(dimension)}:"
        texts = pa.array([f"{begin}{_json(value)}" for value in number], pa.string())
        codes = np.fromiter(map(number.__getitem__, column), dtype=np.int32, count=len(column))
        parts.append(texts.take(pa.array(codes)))
    return pc.binary_join_element_wise(*parts, pa.scalar("}"), "")


def _json(value: int | str) -> str:
    return msgspec.json.encode(value).decode()


def _names(names: pa.Array, rows: Rows, chosen: NDArray[np.int32], wanted: NDArray[np.bool_]) -> pa.Array:
    """Shape (chosen,): lists of the names of the `wanted` files of the chosen rows."""
    import pyarrow as pa

    first = rows.start[chosen]
    sizes = rows.start[chosen + 1] - first
    ends = np.cumsum(sizes)
    files = rows.item[np.repeat(first - (ends - sizes), sizes) + np.arange(ends[-1])]
    kept = wanted[files]
    offsets = np.concatenate([[0], np.cumsum(kept)])[np.concatenate([[0], ends])]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names.take(pa.array(files[kept])).cast(pa.string()))
