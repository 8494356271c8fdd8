"""What of a plan is there already, what is missing, and where the two differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from providers.base import Problem
from providers.provisioning.base import ClusterPlan, Group, Resource, node_name

ALIVE = ("pending", "running")
"""States of a node that works or soon will."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A plan held against what is there."""

    kept: tuple[Resource, ...]
    """Nodes of the plan that work."""
    missing: tuple[tuple[Group, int], ...]
    """Group and number of each node that is yet to be started, the head first."""
    ended: tuple[Resource, ...]
    """Nodes that have stopped and stand in the way of new ones, or still cost."""
    extra: tuple[Resource, ...]
    """Nodes that work and are not in the plan."""
    doors: tuple[Resource, ...]
    """Firewalls that were made for other settings; the next `apply` changes them."""
    differences: tuple[Problem, ...]
    """What else is there and otherwise than planned; it is told and never changed."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.missing or self.ended or self.doors)

    @property
    def alive(self) -> tuple[Resource, ...]:
        """All nodes that work, planned or not."""
        return (*self.kept, *self.extra)

    def rest(self, plan: ClusterPlan) -> ClusterPlan:
        """The plan of what is yet to be started."""
        counts = {group.name: sum(each.name == group.name for each, _ in self.missing) for group in plan.groups}
        groups = (replace(group, count=counts[group.name]) for group in plan.groups if counts[group.name])
        return replace(plan, groups=tuple(groups))


def stand(plan: ClusterPlan, there: Iterable[Resource]) -> Standing:
    """Hold `plan` against what `there` is."""
    there = tuple(there)
    planned = {
        node_name(plan.name, group.name, number): (group, number)
        for group in plan.groups
        for number in range(1, group.count + 1)
    }
    nodes = [each for each in there if each.kind == "node"]
    alive = [each for each in nodes if each.state in ALIVE]
    kept = {each.name: each for each in alive if each.name in planned}
    ended = [
        each
        for each in nodes
        if each.state == "stopped" or (each.state == "stopping" and each.name in planned and each.name not in kept)
    ]
    extra = [each for each in alive if each.name not in planned]
    doubles = [each for each in alive if each.name in kept and each is not kept[each.name]]
    return Standing(
        tuple(kept.values()),
        tuple(where for name, where in planned.items() if name not in kept),
        tuple(ended),
        (*extra, *doubles),
        tuple(each for each in there if each.kind == "firewall" and each.made_of and each.made_of != plan.made_of),
        (
            *(each for node in kept.values() for each in _node(planned[node.name][0], node)),
            *(_extra(node) for node in extra),
            *(_double(node) for node in doubles),
            *_orphaned_workers(plan, kept, planned),
        ),
    )


_AGAIN = "destroy the cluster and apply again"


def _node(group: Group, node: Resource) -> Iterable[Problem]:
    """Where a node is otherwise than its group."""
    known = {choice.machine.name for choice in group.choices}
    if node.machine and node.machine not in known:
        message = f"'{node.name}' is a {node.machine}, and the plan says {' or '.join(sorted(known))}"
        yield Problem("differs-from-plan", message, _AGAIN)
    markets = {choice.market for choice in group.choices}
    if node.market and node.market not in markets:
        message = f"'{node.name}' is {node.market}, and the plan says {' or '.join(sorted(markets))}"
        yield Problem("differs-from-plan", message, _AGAIN)
    if node.made_of and node.made_of != group.made_of:
        message = (
            f"'{node.name}' was set up otherwise than the settings say now (its start-up, or the size of its disk)"
        )
        yield Problem("differs-from-plan", message, _AGAIN)


def _extra(node: Resource) -> Problem:
    message = f"'{node.name}' runs and is not in the plan (any more)"
    return Problem("not-in-plan", message, "it ends with its lease or when idle; destroy removes all")


def _double(node: Resource) -> Problem:
    return Problem("node-twice", f"'{node.name}' is there twice: also as {node.id}", _AGAIN)


def _orphaned_workers(
    plan: ClusterPlan, kept: dict[str, Resource], planned: dict[str, tuple[Group, int]]
) -> Iterable[Problem]:
    """Workers know the head that was there when they started, by the key that it made."""
    head = node_name(plan.name, "head", 1)
    workers = sum(not planned[name][0].head for name in kept)
    if workers and head in planned and head not in kept:
        message = f"{workers} workers run without their head; a new head has a new key, with which they cannot join it"
        yield Problem("head-gone", message, _AGAIN)
