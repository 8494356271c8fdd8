"""Jobs and files as columns: the only thing that a backend or the cost model sees.

A *call* is one invocation of a command-line tool, for a Rubin workflow one quantum; a *job* runs one call, or several
of one cluster in one process. Everything is an array or a list indexed by the number of a call, a job or a file; views
of one job or one file are made on demand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from compiler.jobs.request import Request

Ints = NDArray[np.int32]
Value = int | str
QuantumKey = tuple[str, tuple[tuple[str, Value], ...]]
"""A task's label and a data id's (dimension, value) pairs, in the order of the job order."""
Word = str | Sequence[str] | Sequence[tuple[str, ...]]
"""Of a batch's command: the same for all its calls, or for each call one word or several."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Compressed rows of numbers: those of row r stand at ``start[r]:start[r + 1]``."""

    start: NDArray[np.int64]
    """Shape (rows + 1,)."""
    item: Ints
    """Shape (items,)."""

    def __len__(self) -> int:
        return len(self.start) - 1

    def of(self, row: int) -> Ints:
        return self.item[int(self.start[row]) : int(self.start[row + 1])]

    @cached_property
    def row(self) -> Ints:
        """Shape (items,): the row of each item."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))

    @classmethod
    def from_pairs(cls, row: NDArray[np.integer], item: NDArray[np.integer], rows: int) -> Rows:
        """Rows of distinct items, sorted, from (row, item) pairs in any order."""
        width = int(item.max(initial=0)) + 1
        key = row.astype(np.int64) * width
        key += item
        if len(key) and not (key[1:] > key[:-1]).all():
            key.sort()
            key = key[np.concatenate([[True], key[1:] != key[:-1]])]
        start = np.searchsorted(key, np.arange(rows + 1) * width)
        return cls(start, (key % width).astype(np.int32))


@dataclass(frozen=True, slots=True)
class Tool:
    """A command-line tool of the workflow: a transformation."""

    id: str
    label: str | None = None
    """Of the task whose quanta it runs; None for a tool that is no task."""
    dimensions: tuple[str, ...] = ()
    """Of the task's data ids."""
    is_init: bool = False
    cluster: str = ""
    """What users call the clusters of its calls."""
    cluster_disk_mib: int | None = None
    """What a job of one of these clusters asks for as a whole; None leaves it to the sum of its calls."""
    cluster_walltime_s: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls of one tool by one step, which stand next to each other."""

    tool: int
    first: int
    last: int
    """Calls ``first`` to ``last``, the latter not included."""
    words: tuple[Word, ...]
    """The command: program and arguments, with every staged file standing under its logical name."""
    shared: int
    """How many of `words` a job of several calls says once; the others it says for each call."""
    values: tuple[Sequence[Value], ...] = ()
    """For each dimension of the tool, the value in each call's data id."""


@dataclass(frozen=True, slots=True)
class Port:
    """Files that an output port of a batch made, which stand next to each other."""

    tool: int
    name: str
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Files:
    """All files: first those that exist before the workflow, then those that calls make, port by port."""

    names: list[str]
    """Logical names, each once: base names under which jobs see the files."""
    locations: list[str]
    """Of the files that exist before, as the job order says it."""
    sizes: NDArray[np.int64]
    """Of the files that exist before, bytes; -1 where unknown."""
    ports: tuple[Port, ...]
    """In the order of their files."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def existing(self) -> int:
        """How many exist before the workflow."""
        return len(self.locations)

    def port(self, number: int) -> Port | None:
        """The port that made a file; None for one that exists before."""
        return next((each for each in self.ports if each.first <= number < each.last), None)


@dataclass(frozen=True, eq=False)
class Calls:
    """Every invocation of a tool."""

    tools: tuple[Tool, ...]
    batches: tuple[Batch, ...]
    """In an order in which data flows; together they hold every call once, in order."""
    ids: list[str]
    """Unique, `[A-Za-z0-9._+-]`, from tool and data id; the same for the same input."""
    reads: Rows
    """Files that each call reads, each once, sorted."""
    writes: Rows
    requests: tuple[Request, ...]
    """The kinds of requests that there are."""
    request: Ints
    """Shape (calls,): each call's place in `requests`."""
    cluster: Ints
    """Shape (calls,): the cluster that each call belongs to, or -1."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def batch(self) -> Ints:
        """Shape (calls,): the batch of each call."""
        sizes = [each.last - each.first for each in self.batches]
        return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    @cached_property
    def producer(self) -> tuple[int, Ints]:
        """The number of the first file that a call made, and from there on the call that made each."""
        if not len(self.writes.item):
            return np.iinfo(np.int32).max, np.zeros(0, dtype=np.int32)
        first = int(self.writes.item.min())
        made = np.full(int(self.writes.item.max()) + 1 - first, -1, dtype=np.int32)
        made[self.writes.item - first] = self.writes.row
        return first, made

    @cached_property
    def edges(self) -> tuple[Ints, Ints]:
        """Pairs (earlier, later) of calls, one a file handed over; a pair may stand several times."""
        first, made = self.producer
        handed = self.reads.item >= first
        return made[self.reads.item[handed] - first], self.reads.row[handed]

    def words(self, call: int, all: bool = True) -> tuple[str, ...]:
        """The command of a call; without those that a job says once, if not `all`."""
        batch = self.batches[int(self.batch[call])]
        out: list[str] = []
        for word in batch.words if all else batch.words[batch.shared :]:
            each = word if isinstance(word, str) else word[call - batch.first]
            out.extend([each] if isinstance(each, str) else each)
        return tuple(out)

    def quantum(self, call: int) -> QuantumKey | None:
        """The quantum that a call runs; None if its tool is no task."""
        batch = self.batches[int(self.batch[call])]
        tool = self.tools[batch.tool]
        if tool.label is None:
            return None
        values = [column[call - batch.first] for column in batch.values]
        return tool.label, tuple(zip(tool.dimensions, values, strict=True))


@dataclass(frozen=True, slots=True)
class File:
    """A view of one file."""

    lfn: str
    size: int | None = None
    """Bytes where known before anything ran."""
    location: str | None = None
    """For a file that exists before the workflow: its location in the job order, as written there."""
    port: str = ""
    """For a file that a job makes: the tool's output port, so that records can be told from datasets."""


@dataclass(frozen=True, slots=True)
class Job:
    """A view of one job."""

    id: str
    tool: str
    """Id of the tool in the workflow; in a cluster, that of its first call."""
    command: tuple[str, ...]
    inputs: tuple[int, ...]
    """Numbers of the files that are staged in."""
    outputs: tuple[int, ...]
    """Numbers of the files that leave it."""
    request: Request
    quanta: tuple[QuantumKey, ...] = ()
    """In the order in which they run; empty if it runs none."""


@dataclass(frozen=True, eq=False)
class JobGraph:
    """All jobs of a workflow."""

    name: str
    files: Files
    calls: Calls
    members: Rows
    """The calls of each job, in the order in which they run."""
    ids: list[str]
    """Of the jobs; unique, and those of their calls where each runs one."""
    inputs: Rows
    """Files that are staged in to each job, each once, sorted: what it makes itself is not among them."""
    outputs: Rows
    """Files that leave each job, sorted."""
    requests: tuple[Request, ...]
    request: Ints
    """Shape (jobs,): each job's place in `requests`."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def job_of_call(self) -> Ints:
        """Shape (calls,): the job that runs each call."""
        out = np.empty(len(self.calls), dtype=np.int32)
        out[self.members.item] = self.members.row
        return out

    @cached_property
    def edges(self) -> Rows:
        """The jobs that each job waits for, each once, sorted."""
        earlier, later = self.calls.edges
        earlier, later = self.job_of_call[earlier], self.job_of_call[later]
        apart = earlier != later
        return Rows.from_pairs(later[apart], earlier[apart], len(self))

    def job(self, number: int) -> Job:
        """A view of the job `number`."""
        calls = self.members.of(number).tolist()
        first = self.calls.batches[int(self.calls.batch[calls[0]])]
        words = self.calls.words(calls[0])
        for each in calls[1:]:
            words += self.calls.words(each, all=False)
        return Job(
            self.ids[number],
            self.calls.tools[first.tool].id,
            words,
            tuple(self.inputs.of(number).tolist()),
            tuple(self.outputs.of(number).tolist()),
            self.requests[int(self.request[number])],
            tuple(key for key in map(self.calls.quantum, calls) if key is not None),
        )

    def jobs(self) -> Iterator[Job]:
        """Every job, in order."""
        return map(self.job, range(len(self)))

    def file(self, number: int) -> File:
        """A view of the file `number`."""
        if number < self.files.existing:
            size = int(self.files.sizes[number])
            return File(self.files.names[number], size if size >= 0 else None, self.files.locations[number])
        port = self.files.port(number)
        return File(self.files.names[number], port="" if port is None else port.name)
