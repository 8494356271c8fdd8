"""How each connection gets its datasets inside the nest that `compiler.analysis.structure` found.

Producer and consumer meet in the lowest group that holds both. Seen from there the producer's files are an array,
nested once for each group between; the consumer sits below groups of its own.

- *Direct*: the first `aligned` groups of both sides have the same members, over which the array is scattered; of what
  is left, each consumer takes all. That covers a plain hand-over, a broadcast and a gather.
- *Regroup*: anything else. An index list, shaped like the consumer's side, picks from the flattened array; the step
  that does so waits for the whole array: it is the only barrier in the workflow, and as wide as one member of the
  meeting group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.analysis.flow import Flow, counts
from compiler.analysis.structure import Group, Structure, climb
from compiler.diagnostics import CompileError, Diagnostic, Origin
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints


@dataclass(frozen=True, eq=False)
class Link:
    """The way from a producer's output to a consumer's port."""

    consumer: int
    connection: int
    producer: int
    output: int
    meeting: Group
    aligned: int
    """How many groups below the meeting group, on the consumer's side, the array is scattered over."""
    depth: int
    """Nesting of the array as it leaves the meeting group's steps for the consumer: 0 for one file."""
    index: Ints | None = None
    """For a regroup, shape (edges,): positions in the flattened array, sorted by reader, then by position."""
    reader: Ints | None = None
    """For a regroup, shape (edges,): the consumer's quantum of each position, numbered within its task."""

    @property
    def is_regroup(self) -> bool:
        return self.index is not None


def is_list(graph: QuantumGraph, structure: Structure, task: int, connection: int) -> bool:
    """Whether the port of a connection takes an array of files.

    It does if its datasets have dimensions that the task's data id does not fix, or if some quantum has not exactly
    one: the first is what the pipeline declares, so a gather of one member is still a gather. What is partly made
    and partly there already comes over two ports, neither of which has one file for each quantum.
    """
    port = graph.tasks[task].connections[connection]
    edges = graph.writes if port.kind == "output" else graph.reads
    if not structure.keys.names(task).issuperset(port.dimensions):
        return True
    found = counts(edges, connection, int(graph.task_start[task]), int(graph.task_start[task + 1]))
    made = any((flow.consumer, flow.connection) == (task, connection) for flow in structure.flows)
    return bool(np.any(found != 1)) or (made and reads_existing(graph, task, connection))


def reads_existing(graph: QuantumGraph, task: int, connection: int) -> bool:
    """Whether some quantum reads, over the connection, a dataset that no quantum makes."""
    row = slice(*(int(graph.reads.start[int(graph.task_start[t])]) for t in (task, task + 1)))
    chosen = graph.reads.dataset[row][graph.reads.connection[row] == connection]
    return bool((graph.producer[chosen] < 0).any())


def link(graph: QuantumGraph, structure: Structure, lists: dict[tuple[int, int], bool]) -> tuple[Link, ...]:
    """A link for each connection that reads what the graph makes, in the order of consumers and connections.

    `lists` tells for each (task, connection) whether its port is an array. Raises `CompileError` if two tasks feed
    one connection, which no Rubin pipeline can declare.
    """
    seen: dict[tuple[int, int], int] = {}
    findings = []
    for flow in structure.flows:
        other = seen.setdefault((flow.consumer, flow.connection), flow.producer)
        if other != flow.producer:
            task = graph.tasks[flow.consumer]
            labels = sorted(graph.tasks[t].label for t in (other, flow.producer))
            findings.append(
                Diagnostic(
                    "two-producers",
                    f"connection '{task.connections[flow.connection].name}' of task '{task.label}' "
                    f"reads what two tasks make: {', '.join(labels)}",
                    Origin(graph.source),
                    "let each dataset type be made by one task",
                )
            )
    if findings:
        raise CompileError(findings)
    return tuple(_link(graph, structure, flow, lists) for flow in structure.flows)


def _link(graph: QuantumGraph, structure: Structure, flow: Flow, lists: dict[tuple[int, int], bool]) -> Link:
    meeting = structure.meeting(flow.consumer, flow.producer)
    above = len(meeting.path)
    ours = structure.group_of[flow.consumer].path[above:]
    theirs = structure.group_of[flow.producer].path[above:]
    many = int(lists[flow.producer, flow.output])
    for aligned in range(min(len(ours), len(theirs)), -1, -1):
        left = len(theirs) - aligned + many
        if left != int(lists[flow.consumer, flow.connection]):
            continue
        if _same_members(ours[:aligned], theirs[:aligned]) and _takes_all(graph, structure, flow, meeting, aligned):
            return Link(
                flow.consumer, flow.connection, flow.producer, flow.output, meeting, aligned, len(theirs) + many
            )
    index, reader = _positions(graph, structure, flow, meeting)
    return Link(
        flow.consumer,
        flow.connection,
        flow.producer,
        flow.output,
        meeting,
        len(ours),
        len(ours) + int(lists[flow.consumer, flow.connection]),
        index,
        reader,
    )


def _same_members(ours: Sequence[Group], theirs: Sequence[Group]) -> bool:
    return all(np.array_equal(a.parent_member, b.parent_member) for a, b in zip(ours, theirs, strict=True))


def _takes_all(graph: QuantumGraph, structure: Structure, flow: Flow, meeting: Group, aligned: int) -> bool:
    """Whether each consumer reads exactly the datasets made at its own member of the aligned groups."""
    above = len(meeting.path) + aligned
    mine = _at(structure, flow.consumer, above)
    makers = _at(structure, flow.producer, above)
    if not np.array_equal(mine[flow.reader], makers[flow.writer]):
        return False
    made = counts(
        graph.writes, flow.output, int(graph.task_start[flow.producer]), int(graph.task_start[flow.producer + 1])
    )
    size = int(max(mine.max(initial=-1), makers.max(initial=-1))) + 1
    offered = np.bincount(makers, weights=made, minlength=size)
    taken = np.bincount(flow.reader, minlength=len(mine))
    return bool(np.array_equal(offered[mine], taken))


def _at(structure: Structure, task: int, depth: int) -> Ints:
    """The member, `depth` groups below the root, of each quantum of a task."""
    group = structure.group_of[task]
    path = [structure.root, *group.path]
    return climb(group.standing[task], group, path[depth])


def _positions(graph: QuantumGraph, structure: Structure, flow: Flow, meeting: Group) -> tuple[Ints, Ints]:
    """For each edge, where its dataset stands in the flattened array of one member of the meeting group."""
    first, last = int(graph.task_start[flow.producer]), int(graph.task_start[flow.producer + 1])
    row = slice(int(graph.writes.start[first]), int(graph.writes.start[last]))
    writer = np.repeat(np.arange(last - first), np.diff(graph.writes.start[first : last + 1]))
    chosen = graph.writes.connection[row] == flow.output
    writer, dataset = writer[chosen], graph.writes.dataset[row][chosen]
    order = np.lexsort((dataset, structure.group_of[flow.producer].standing[flow.producer][writer]))
    outer = structure.member(flow.producer, meeting)[writer[order]]
    begin = np.searchsorted(outer, np.arange(meeting.size))
    place = np.full(graph.n_datasets, -1, dtype=np.int64)
    place[dataset[order]] = np.arange(len(order)) - begin[outer]
    found = place[flow.dataset].astype(np.int32)
    order = np.lexsort((found, flow.reader))
    return found[order], flow.reader[order]
