"""Calls become jobs: those of one cluster share one, and what passes between them need not leave it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import Findings
from compiler.jobs.graph import Calls, Files, JobGraph, Rows, Tool
from compiler.jobs.request import Request


def group(
    name: str, files: Files, calls: Calls, keep: Callable[[str, str], bool] = lambda label, port: True
) -> JobGraph:
    """The jobs of `calls`: one for each cluster, one for each call that belongs to none.

    A file that is made and read inside one job and by no other job leaves it as a result if `keep` says so of its
    task's label and its port; a file that nobody reads is a result anyway. Neither is staged in to the job again. Jobs
    stand in the order of their first calls, and calls of a job in the order of all calls, which is one in which data
    flows. Raises `CompileError` for calls that no one command can run.
    """
    number = _job_numbers(calls)
    jobs = int(number.max(initial=-1)) + 1
    members = Rows.from_pairs(number, np.arange(len(calls)), jobs)
    _check_commands(calls, members)
    first, made = calls.producer
    reads, reader = calls.reads.item, number[calls.reads.row]
    maker = np.full(len(reads), -1, dtype=np.int32)
    handed = reads >= first
    maker[handed] = number[made[reads[handed] - first]]
    abroad = maker != reader
    leaves = _leaving(files, calls, first, len(made), keep)
    inside = np.zeros(len(made), dtype=bool)
    inside[reads[handed & ~abroad] - first] = True
    inside[reads[handed & abroad] - first] = False
    writes = calls.writes.item
    out = ~inside[writes - first] | leaves[writes - first]
    requests, request = _requests(calls, members)
    return JobGraph(
        name,
        files,
        calls,
        members,
        _ids(calls, members),
        Rows.from_pairs(reader[abroad], reads[abroad], jobs),
        Rows.from_pairs(number[calls.writes.row[out]], writes[out], jobs),
        requests,
        request,
    )


def _job_numbers(calls: Calls) -> NDArray[np.int32]:
    """Shape (calls,): the job of each call."""
    alone = calls.cluster < 0
    key = np.where(alone, np.arange(len(calls)), calls.cluster.astype(np.int64) + len(calls))
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first), dtype=np.int32)
    return rank[inverse]


def _check_commands(calls: Calls, members: Rows) -> None:
    """Whether all calls of a job begin with the words that it says once, and each has words of its own behind them."""
    several = np.diff(members.start) > 1
    if not several.any():
        return
    begins = _beginnings(calls)
    heads = members.item[members.start[:-1]]
    wrong = (begins[members.item] != begins[heads][members.row]) | (begins[members.item] < 0)
    findings = Findings()
    for place in np.flatnonzero(wrong & several[members.row]).tolist():
        one, other = calls.ids[heads[members.row[place]]], calls.ids[members.item[place]]
        findings.error(
            "unlike-cluster",
            f"calls {one!r} and {other!r} of cluster {calls.cluster[members.item[place]]} cannot share a command",
            help="a cluster's commands are alike up to '--task', the shard of the graph included",
        )
    findings.raise_errors()


def _beginnings(calls: Calls) -> NDArray[np.int32]:
    """Shape (calls,): a number for the words that a job says once; -1 where a call has no others."""
    known: dict[tuple[object, ...], int] = {}
    out = np.empty(len(calls), dtype=np.int32)
    for batch in calls.batches:
        words = batch.words[: batch.shared]
        same = tuple(word if isinstance(word, str) else None for word in words)
        columns = [word for word in words if not isinstance(word, str)]
        found: int | list[int] = -1
        if batch.shared < len(batch.words):
            rows = zip(*columns, strict=True) if columns else [()]
            found = [known.setdefault((same, row), len(known)) for row in rows]
        out[batch.first : batch.last] = found
    return out


def _leaving(files: Files, calls: Calls, first: int, count: int, keep: Callable[[str, str], bool]) -> NDArray[np.bool_]:
    """Shape (made files,): whether a file is kept whoever reads it. Files that no task made always are."""
    leaves = np.zeros(count, dtype=bool)
    for port in files.ports:
        label = calls.tools[port.tool].label
        leaves[port.first - first : port.last - first] = label is None or keep(label, port.name)
    return leaves


def _ids(calls: Calls, members: Rows) -> list[str]:
    """A job of one call has its id; a cluster that of its tool's clusters, with its number."""
    sizes = np.diff(members.start)
    heads = members.item[members.start[:-1]]
    ids = [calls.ids[head] for head in heads.tolist()]
    width = len(str(int(calls.cluster.max(initial=0))))
    for job in np.flatnonzero(sizes > 1).tolist():
        head = int(heads[job])
        tool = calls.tools[calls.batches[int(calls.batch[head])].tool]
        ids[job] = f"{tool.cluster or tool.id}-c{int(calls.cluster[head]):0{width}d}"
    return ids


def _requests(calls: Calls, members: Rows) -> tuple[tuple[Request, ...], NDArray[np.int32]]:
    """What each job asks for, from how often each kind of request stands in it."""
    asked = calls.request[members.item]
    request = asked[members.start[:-1]]
    several = np.flatnonzero(np.diff(members.start) > 1)
    if len(several) and len(calls.requests) > 1:
        asked = asked[np.lexsort((asked, members.row))]
    kinds = list(calls.requests)
    known: dict[tuple[bytes, int], int] = {}
    tools = np.array([batch.tool for batch in calls.batches])[calls.batch[members.item[members.start[:-1]]]].tolist()
    cuts = zip(several.tolist(), members.start[several].tolist(), members.start[several + 1].tolist(), strict=True)
    for job, first, last in cuts:
        key = asked[first:last].tobytes(), tools[job]
        if key not in known:
            places, times = np.unique(asked[first:last], return_counts=True)
            together = _together([kinds[place] for place in places.tolist()], times.tolist(), calls.tools[tools[job]])
            known[key] = kinds.index(together) if together in kinds else len(kinds)
            kinds += [together] if known[key] == len(kinds) else []
        request[job] = known[key]
    return tuple(kinds), request


def _together(kinds: list[Request], times: list[int], tool: Tool) -> Request:
    """What calls ask for that run one after the other: the largest of what is held, the sum of what adds up.

    So does bps with a cluster (ctrl_bps, ``transform.py``): memory, cores and retries are maxima; wall time and disk
    are sums, unless the cluster, which `tool` knows, says them itself.
    """
    asked = list(zip(kinds, times, strict=True))
    disk, walltime, run_time = (
        _sum([(getattr(kind, name), n) for kind, n in asked]) for name in ("disk_mib", "walltime_s", "run_time_s")
    )
    disk = disk if tool.cluster_disk_mib is None else tool.cluster_disk_mib
    walltime = walltime if tool.cluster_walltime_s is None else tool.cluster_walltime_s
    largest = max((kind for kind, _ in asked), key=lambda kind: kind.memory_mib)
    return replace(
        largest,
        cores=max(kind.cores for kind, _ in asked),
        gpus=max(kind.gpus for kind, _ in asked),
        retries=max(kind.retries for kind, _ in asked),
        priority=max(kind.priority for kind, _ in asked),
        disk_mib=None if disk is None else int(disk),
        walltime_s=None if walltime is None else int(walltime),
        run_time_s=run_time,
        environment=tuple(sorted({pair[0]: pair for kind, _ in asked for pair in kind.environment}.values())),
    )


def _sum(amounts: list[tuple[float | None, int]]) -> float | None:
    """The sum over all calls; None if one of them is not known."""
    if any(amount is None for amount, _ in amounts):
        return None
    return sum(amount * n for amount, n in amounts if amount is not None)
