"""What Pegasus shows of a job: the quantum that it runs, as people write it."""

from __future__ import annotations

import numpy as np

from compiler.backends.pegasus.quoting import json_string
from compiler.jobs import JobGraph
from compiler.jobs.graph import Ints


def labels_of(jobs: JobGraph, heads: Ints) -> list[str]:
    """Shape (jobs,): each job's label as JSON, ``label{dimension: value, ...} and N more``; `heads`: its first call."""
    found = list(map(json_string, jobs.ids))
    batch_of, calls = jobs.calls.batch[heads], jobs.calls
    others = (np.diff(jobs.members.start) - 1).tolist()
    for number, batch in enumerate(calls.batches):
        tool = calls.tools[batch.tool]
        if tool.label is None:
            continue
        mine = np.flatnonzero(batch_of == number)
        rows = (heads[mine] - batch.first).tolist()
        values = ", ".join(f"{dimension}: %s" for dimension in tool.dimensions)
        template = f"{tool.label.replace('%', '%%')}{{{values}}}"
        columns = [[column[row] for row in rows] for column in batch.values]
        texts = [template % row for row in zip(*columns, strict=True)] if columns else [template % ()] * len(rows)
        for job, text in zip(mine.tolist(), texts, strict=True):
            found[job] = json_string(f"{text} and {others[job]} more" if others[job] else text)
    return found
