"""``quanta.parquet``: which job runs which quantum on which files, one row a quantum.

Clustering loses nothing because of this table: jobs lead to quanta, and quanta to jobs, data ids and files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from compiler.jobs import Calls, JobGraph, Rows

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {
    "label": "the task",
    "data_id": "a JSON object: values of the required dimensions",
    "job": "the job's id in workflow.yml",
    "place": "how many quanta of the job stand before it",
    "inputs": "names of the files that it reads, the runtime's included",
    "outputs": "names of the files that it writes, its record included",
}
"""The columns and what stands in them."""


def write_table(path: Path, jobs: JobGraph, ids: Sequence[str]) -> None:
    """Write the table of `jobs` to `path`; `ids` are the jobs' ids as the workflow spells them.

    Rows stand in the order of the jobs, and within a job in the order in which quanta run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    calls = jobs.calls
    is_quantum = np.array([calls.tools[batch.tool].label is not None for batch in calls.batches])[calls.batch]
    order = jobs.members.item[is_quantum[jobs.members.item]]
    job = jobs.job_of_call[order]
    starts = np.flatnonzero(np.diff(job, prepend=-1))
    place = np.arange(len(job)) - np.repeat(starts, np.diff(np.append(starts, len(job))))
    label, data_id = _labels(calls), _data_ids(calls)
    names = pa.array(jobs.files.names, pa.string())
    chosen = pa.array(order, pa.int32())
    columns = {
        "label": label.take(chosen),
        "data_id": data_id.take(chosen),
        "job": pa.array(list(ids), pa.string()).take(pa.array(job, pa.int32())),
        "place": pa.array(place, pa.int32()),
        "inputs": _names(names, calls.reads).take(chosen),
        "outputs": _names(names, calls.writes).take(chosen),
    }
    table = pa.table(columns).replace_schema_metadata({"rubincwl": "quanta 1"})
    pq.write_table(table, path, compression="zstd", use_dictionary=["label", "job"])


def _labels(calls: Calls) -> pa.Array:
    import pyarrow as pa

    return pa.array([calls.tools[batch.tool].label or "" for batch in calls.batches], pa.string()).take(
        pa.array(calls.batch, pa.int32())
    )


def _data_ids(calls: Calls) -> pa.Array:
    """Shape (calls,): each data id as JSON."""
    import pyarrow as pa

    encode = msgspec.json.encode
    texts: list[str] = []
    for batch in calls.batches:
        dimensions = calls.tools[batch.tool].dimensions
        pattern = "{" + ",".join(f"{encode(each).decode()}:%s" for each in dimensions) + "}"
        known = {value: encode(value).decode() for column in batch.values for value in set(column)}
        columns = [[known[value] for value in column] for column in batch.values]
        texts += (
            [pattern % row for row in zip(*columns, strict=True)] if columns else ["{}"] * (batch.last - batch.first)
        )
    return pa.array(texts, pa.string())


def _names(names: pa.Array, rows: Rows) -> pa.Array:
    """Shape (calls,): lists of file names."""
    import pyarrow as pa

    return pa.LargeListArray.from_arrays(pa.array(rows.start, pa.int64()), names.take(pa.array(rows.item, pa.int32())))
