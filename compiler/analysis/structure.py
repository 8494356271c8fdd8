"""Find the nest of scatters that generates a quantum graph.

The answer is a tree of groups. A group repeats its children once per *member* (a detector, an image, a patch);
a task that is a child of a group runs once per member. Tasks that share a data id thus form one chain with no
barrier inside, and a task that gathers over a dimension closes the group it gathers from.

The tree follows from declared dimensions and connections, and the edges confirm it: a group stands only if no edge
leaves one of its members for another. Tasks are added in the order in which data flows; where one fits into no nest
together with its sources, it begins a nest of its own, and its inputs are regrouped (see `compiler.analysis.links`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from compiler.analysis.dimensions import Keys, task_keys
from compiler.analysis.flow import Flow, flows
from compiler.rubin import QuantumGraph
from compiler.rubin.graph import Ints


@dataclass(eq=False)
class Group:
    """One level of a nest."""

    dimensions: tuple[str, ...]
    """What tells members of one parent member apart; empty if a member can only be there or be absent."""
    parent: Group | None
    parent_member: Ints
    """Shape (members,), sorted: the parent's member to which each member belongs."""
    children: list[Group | int] = field(default_factory=list)
    """Groups and task numbers, in an order in which data flows."""
    standing: dict[int, Ints] = field(default_factory=dict)
    """For each task that is a child, shape (members,): the member at which each of its quanta stands, a permutation."""

    @property
    def path(self) -> list[Group]:
        """From the outermost group below the root down to this one."""
        return [] if self.parent is None else [*self.parent.path, self]

    @property
    def size(self) -> int:
        return len(self.parent_member)

    def walk(self) -> Iterator[Group]:
        """This group and every one below it."""
        yield self
        for child in self.children:
            if isinstance(child, Group):
                yield from child.walk()

    def tasks(self) -> list[int]:
        """Numbers of the tasks in it and below, in order."""
        return [t for child in self.children for t in (child.tasks() if isinstance(child, Group) else [child])]


@dataclass(frozen=True, eq=False)
class Structure:
    """The nests of a graph and where each quantum stands in them."""

    root: Group
    """One member; its children are the nests."""
    group_of: dict[int, Group]
    """The group whose child each task is."""
    flows: tuple[Flow, ...]
    keys: Keys

    def member(self, task: int, group: Group) -> Ints:
        """Shape (quanta of the task,): the member of `group`, at or above the task, to which each quantum belongs."""
        below = self.group_of[task]
        return climb(below.standing[task], below, group)

    def meeting(self, one: int, other: int) -> Group:
        """The lowest group that holds both tasks."""
        mine = [self.root, *self.group_of[one].path]
        theirs = [self.root, *self.group_of[other].path]
        return [a for a, b in zip(mine, theirs, strict=False) if a is b][-1]


def climb(member: Ints, group: Group, above: Group) -> Ints:
    """The members of `above` that hold the given members of `group`."""
    while group is not above:
        member = group.parent_member[member]
        assert group.parent is not None
        group = group.parent
    return member


def recover(graph: QuantumGraph) -> Structure:
    """The structure of a graph; every graph has one, at worst a scatter a task with regroups between."""
    builder = _Builder(graph)
    nests: list[list[int]] = []
    for task in range(len(graph.tasks)):
        nests = builder.place(task, nests)
    root = _root()
    for nest in builder.in_flow_order(nests):
        builder.grow(root, nest)
    return _structure(root, builder.flows, builder.keys)


class _CannotNestError(Exception):
    """These tasks form no nest without regrouping inside."""


def _root() -> Group:
    return Group((), None, np.zeros(1, dtype=np.int32))


def _structure(root: Group, known: tuple[Flow, ...], keys: Keys) -> Structure:
    return Structure(root, {t: group for group in root.walk() for t in group.standing}, known, keys)


class _Builder:
    def __init__(self, graph: QuantumGraph) -> None:
        self.graph = graph
        self.flows = flows(graph)
        self.keys: Keys = task_keys(graph, self.flows)
        self.sources: dict[int, set[int]] = {t: set() for t in range(len(graph.tasks))}
        for flow in self.flows:
            self.sources[flow.consumer].add(flow.producer)

    def place(self, task: int, nests: list[list[int]]) -> list[list[int]]:
        """The nests with `task` in them: joined to its sources' nests where that gives a nest, else on its own."""
        feeding = [nest for nest in nests if self.sources[task].intersection(nest)]
        choices = [feeding] if feeding else []
        if len(feeding) > 1:
            choices += [[nest] for nest in reversed(feeding)]
        for joined in choices:
            candidate = sorted([t for nest in joined for t in nest] + [task])
            rest = [nest for nest in nests if nest not in joined]
            if self._ordered([*rest, candidate]) is not None and self._stands(candidate):
                return [*rest, candidate]
        return [*nests, [task]]

    def in_flow_order(self, parts: list[list[int]]) -> list[list[int]]:
        order = self._ordered(parts)
        assert order is not None
        return order

    def grow(self, root: Group, tasks: Sequence[int]) -> None:
        """Hang the nest of `tasks` below the root; raises `_CannotNestError`."""
        whole = {t: np.zeros(len(self.graph.quanta_of(t)), dtype=np.int32) for t in tasks}
        self._grow(root, list(tasks), frozenset(), whole)

    def _stands(self, tasks: list[int]) -> bool:
        root = _root()
        try:
            self.grow(root, tasks)
        except _CannotNestError:
            return False
        found = _structure(root, self.flows, self.keys)
        return all(self._inside(found, flow) for flow in self.flows if {flow.consumer, flow.producer} <= set(tasks))

    @staticmethod
    def _inside(found: Structure, flow: Flow) -> bool:
        """Whether no edge leaves a member of the group in which both ends meet."""
        group = found.meeting(flow.consumer, flow.producer)
        ours, theirs = found.member(flow.consumer, group), found.member(flow.producer, group)
        return bool(np.array_equal(ours[flow.reader], theirs[flow.writer]))

    def _grow(self, group: Group, tasks: list[int], key: frozenset[str], member: dict[int, Ints]) -> None:
        """Add `tasks` below `group`, whose members `key` tells apart; `member` holds the member of each quantum."""
        level = {t for t in tasks if key.issuperset(self.graph.tasks[t].dimensions)}
        for part in self._parts(tasks, level):
            if part[0] in level and _once_each(member[part[0]], group.size):
                group.children.append(part[0])
                group.standing[part[0]] = member[part[0]]
                continue
            inner = frozenset.intersection(*(self.keys.names(t) for t in part))
            repeated = int(np.bincount(member[part[0]]).max(initial=0)) > 1
            if inner == key and (part[0] not in level or repeated):
                raise _CannotNestError
            child, below = self._subgroup(group, inner - key, part, member)
            group.children.append(child)
            self._grow(child, part, inner, below)

    def _subgroup(
        self, group: Group, new: frozenset[str], part: list[int], member: dict[int, Ints]
    ) -> tuple[Group, dict[int, Ints]]:
        """A group below `group` whose members `new` dimensions tell apart, and its member of each quantum."""
        order = [d for d in self.keys.order if d in new]
        rank = np.concatenate([member[t] for t in part]).astype(np.int64)
        parent = rank
        for dimension in order:
            codes = np.concatenate([self.keys.columns[t][dimension] for t in part])
            rank = rank * (int(codes.max(initial=0)) + 1) + codes
            rank = np.unique(rank, return_inverse=True)[1].reshape(-1)
        first, place = np.unique(rank, return_index=True, return_inverse=True)[1:]
        shown = {d for t in part for d in self.graph.tasks[t].dimensions}
        child = Group(tuple(d for d in order if d in shown), group, parent[first].astype(np.int32))
        cuts = np.cumsum([len(member[t]) for t in part])[:-1]
        return child, dict(zip(part, np.split(place.reshape(-1).astype(np.int32), cuts), strict=True))

    def _parts(self, tasks: list[int], level: set[int]) -> list[list[int]]:
        """Each task of the level alone, and the others by the sets that can share a group, in flow order.

        Two tasks that hand data over without a task of the level between can share one; with such a task between,
        the second waits for it, so a common group would not be convex.
        """
        known = set(tasks)
        stage: dict[int, int] = {}
        for t in tasks:
            stage[t] = max((stage[s] + (s in level) for s in self.sources[t] & known), default=0)
        parts: list[set[int]] = []
        for t in tasks:
            near = {s for s in self.sources[t] & known - level if stage[s] == stage[t]} if t not in level else set()
            touching = [part for part in parts if part & near]
            parts = [part for part in parts if not part & near]
            parts.append({t}.union(*touching))
        order = self._ordered([sorted(part) for part in parts])
        assert order is not None
        return order

    def _ordered(self, parts: list[list[int]]) -> list[list[int]] | None:
        """The parts in an order in which data flows, ties by first task; None if they wait for each other."""
        part_of = {t: i for i, part in enumerate(parts) for t in part}
        waits = [
            {part_of[s] for t in part for s in self.sources[t] if s in part_of} - {i} for i, part in enumerate(parts)
        ]
        done: list[int] = []
        left = set(range(len(parts)))
        while left:
            ready = [i for i in left if not waits[i] & left]
            if not ready:
                return None
            done.append(min(ready, key=lambda i: parts[i][0]))
            left.remove(done[-1])
        return [parts[i] for i in done]


def _once_each(member: Ints, size: int) -> bool:
    return len(member) == size and bool(np.all(np.bincount(member, minlength=size) == 1))
