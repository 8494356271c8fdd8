"""Cuts a large workflow into sub-workflows where few files cross.

Jobs are put in a line in which whoever waits stands behind, and which stays with what belongs together; the line is
cut, within what a part may hold, where the fewest files have been made that are still to be read. Parts can then not
wait for each other in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.jobs import JobGraph, Rows
from compiler.jobs.graph import Ints


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may hold; Pegasus' planner takes time and memory for jobs, and more so for their files."""

    jobs: int = 20_000
    files: int = 200_000
    """Counted once for each job that uses them."""


@dataclass(frozen=True, eq=False)
class Part:
    """Jobs of one sub-workflow."""

    name: str
    jobs: Ints
    """Numbers, ascending."""
    inputs: Ints
    """Files that jobs elsewhere make."""
    outputs: Ints
    """Files that jobs elsewhere read."""


def partition(jobs: JobGraph, limits: Limits) -> tuple[Part, ...]:
    """The sub-workflows of a workflow beyond `limits`, in an order in which they may run; none if it is within.

    Jobs that initialise a run and wait for nobody are of no part: they stay in the main workflow.
    """
    files = np.diff(jobs.inputs.start) + np.diff(jobs.outputs.start)
    if len(jobs) <= limits.jobs and int(files.sum()) <= limits.files:
        return ()
    order = line_of(jobs.edges)
    stays = _stay(jobs)
    order = order[~stays[order]]
    alive = _files_across(jobs, order)
    ends = _cut(files[order], alive, limits)
    part = np.full(len(jobs), -1, dtype=np.int32)
    part[order] = np.repeat(np.arange(len(ends), dtype=np.int32), np.diff([0, *ends]))
    return _parts(jobs, part, len(ends))


def line_of(waits: Rows) -> Ints:
    """Numbers of all jobs, each behind those that it waits for, next to what it shares work with.

    A job nobody waits for is put down with everything that it needs and that is not there yet; whoever thereby has all
    that it needs follows at once. `waits`: the jobs that each job waits for; without a circle.

    >>> line_of(Rows.from_pairs(np.array([2, 3]), np.array([0, 1]), 4)).tolist()
    [0, 2, 1, 3]
    """
    count = len(waits)
    followers = Rows.from_pairs(waits.item, waits.row, count)
    start, item = waits.start.tolist(), waits.item.tolist()
    after_start, after = followers.start.tolist(), followers.item.tolist()
    missing = np.diff(waits.start).tolist()
    seen = start[:-1]  # how far each job's needs have been looked at
    there = bytearray(count)
    line: list[int] = []
    for last in np.flatnonzero(np.diff(followers.start) == 0).tolist():
        stack = [last]
        while stack:
            job = stack[-1]
            while seen[job] < start[job + 1] and there[item[seen[job]]]:
                seen[job] += 1
            if seen[job] < start[job + 1]:
                stack.append(item[seen[job]])
                continue
            stack.pop()
            if there[job]:
                continue
            there[job] = 1
            line.append(job)
            for each in reversed(after[after_start[job] : after_start[job + 1]]):
                missing[each] -= 1
                if not missing[each]:
                    stack.append(each)
    return np.array(line, dtype=np.int32)


def _stay(jobs: JobGraph) -> NDArray[np.bool_]:
    """Shape (jobs,): those that initialise the run and wait for nobody."""
    calls = jobs.calls
    init = np.array([calls.tools[batch.tool].is_init for batch in calls.batches], dtype=bool)
    heads = jobs.members.item[jobs.members.start[:-1]]
    stays: NDArray[np.bool_] = init[calls.batch[heads]] & (np.diff(jobs.edges.start) == 0)
    return stays


def _files_across(jobs: JobGraph, order: Ints) -> NDArray[np.int64]:
    """Shape (jobs in line + 1,): how many files a cut before each place would part from a reader of theirs."""
    place = np.full(len(jobs), -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    size = len(jobs.files)
    last = np.full(size, -1, dtype=np.int64)
    np.maximum.at(last, jobs.inputs.item, place[jobs.inputs.row])
    made, until = place[jobs.outputs.row], last[jobs.outputs.item]
    crossing = (made >= 0) & (until > made)
    change = np.bincount(made[crossing] + 1, minlength=len(order) + 2) - np.bincount(
        until[crossing] + 1, minlength=len(order) + 2
    )
    return np.cumsum(change)[: len(order) + 1]


def _cut(files: NDArray[np.int64], alive: NDArray[np.int64], limits: Limits) -> list[int]:
    """Where the parts end: each between half of what it may hold and all of it, where the fewest files cross."""
    total = np.concatenate([[0], np.cumsum(files)])
    ends: list[int] = []
    start = 0
    while start < len(files):
        most = int(np.searchsorted(total, total[start] + limits.files, side="right")) - 1
        most = max(start + 1, min(most, start + limits.jobs))
        if most >= len(files):
            ends.append(len(files))
            break
        least = start + max(1, (most - start) // 2)
        found = alive[least : most + 1]
        start = most - int(np.argmin(found[::-1]))
        ends.append(start)
    return ends


def _parts(jobs: JobGraph, part: Ints, count: int) -> tuple[Part, ...]:
    """`part`, shape (jobs,): the part of each job, or -1."""
    maker = np.full(len(jobs.files), -2, dtype=np.int64)
    maker[jobs.outputs.item] = part[jobs.outputs.row]
    reader, read = part[jobs.inputs.row], jobs.inputs.item
    across = (maker[read] >= -1) & (maker[read] != reader)
    inputs = Rows.from_pairs(reader[across & (reader >= 0)], read[across & (reader >= 0)], count)
    given = across & (maker[read] >= 0)
    outputs = Rows.from_pairs(maker[read][given], read[given], count)
    width = len(str(count))
    order = np.argsort(part, kind="stable")
    ends = np.searchsorted(part[order], np.arange(count + 1))
    return tuple(
        Part(f"part-{n + 1:0{width}d}", order[ends[n] : ends[n + 1]].astype(np.int32), inputs.of(n), outputs.of(n))
        for n in range(count)
    )
