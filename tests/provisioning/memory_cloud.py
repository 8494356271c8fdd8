"""A cloud in memory: what is done to it can be seen from outside, and each of its calls can be made to fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from providers.base import Problem
from providers.provisioning.base import (
    TAG,
    CapacityError,
    Choice,
    CloudError,
    ClusterPlan,
    Group,
    Kind,
    Resource,
    node_name,
)

KINDS: tuple[Kind, ...] = ("firewall", "key")
"""What nodes need before they start."""


@dataclass
class Memory:
    """All of an account, and what happens to the calls of its clients."""

    things: dict[str, tuple[Resource, dict[str, str]]] = field(default_factory=dict)
    """What is there with its tags, by id."""
    full: set[tuple[str, str]] = field(default_factory=set)
    """Machines and markets that are not to be had."""
    quota: int = 1000
    clock: float = 1_700_000_000.0
    made: int = 0
    """So many calls, and changes that they made."""
    changed: int = 0
    faults: dict[int, bool] = field(default_factory=dict)
    """Which calls fail, counted from 1, and whether after they took effect."""
    slow_to_list: float = 0.0
    """Seconds for which lists do not show what was started."""
    ends_in: float = 0.0
    """Seconds that a node takes to be gone, in which it holds the firewall."""
    ending: dict[str, float] = field(default_factory=dict)

    # What a world is, as cloud_contract.World has it.
    def cloud(self) -> MemoryCloud:
        return MemoryCloud(self)

    def fail(self, nth: int, *, after_effect: bool) -> None:
        self.faults = {self.made + nth: after_effect}

    def calls(self) -> int:
        return self.made

    def changes(self) -> int:
        return self.changed

    def left(self) -> list[str]:
        self._pass()
        return sorted(f"{each.kind} {each.name}" for each, _ in self.things.values())

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        self._pass()

    def fill(self, choice: Choice) -> None:
        self.full.add((choice.machine.name, choice.market))

    def take_away(self, name: str) -> None:
        for key, (each, tags) in self.things.items():
            if each.name == name:
                self.things[key] = (replace(each, state="stopped"), tags)

    def _pass(self) -> None:
        for key in [key for key, end in self.ending.items() if end <= self.clock]:
            self.ending.pop(key)
            self.things.pop(key, None)


class MemoryCloud:
    """A client of it, as a user's machine would make one."""

    user_data_limit = 16384
    can_stop_cost = False

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def preflight(self, plan: ClusterPlan) -> tuple[Problem, ...]:
        with self._call("preflight"):
            nodes = sum(each.kind == "node" for each, _ in self._memory.things.values())
            wanted = sum(group.count for group in plan.groups)
            if nodes + wanted > self._memory.quota:
                return (Problem("quota", f"{wanted} machines are wanted, {self._memory.quota - nodes} are left"),)
            return ()

    def find(self, cluster: str) -> tuple[Resource, ...]:
        with self._call("find"):
            now = self._memory.clock
            return tuple(
                each
                for each, tags in self._memory.things.values()
                if tags.get(TAG) == cluster and now - (each.made_at or 0) >= self._memory.slow_to_list
            )

    def prepare(self, plan: ClusterPlan, there: Iterable[Resource]) -> tuple[Resource, ...]:
        known = {each.name: each for each in there}
        made = []
        for kind in KINDS:
            name = f"{plan.name}-{kind}"
            made_of = plan.made_of if kind == "firewall" else ""
            if name in known and known[name].made_of == made_of:
                continue
            with self._call(f"make {kind}"):
                same = [each for each, _ in self._memory.things.values() if each.name == name]
                thing = Resource(kind, same[0].id if same else f"{kind}-{self._memory.made}", name, made_of=made_of)
                if same != [thing]:
                    self._put(thing, plan.tags())
                    made.append(thing)
        return tuple(made)

    def start(self, plan: ClusterPlan, group: Group, choice: Choice, number: int) -> Resource:
        name = node_name(plan.name, group.name, number)
        with self._call(f"start {name}"):
            if (choice.machine.name, choice.market) in self._memory.full:
                raise CapacityError("none left")
            # As by a client token: the machine that an earlier call made is given back.
            for each, _ in self._memory.things.values():
                if each.name == name and each.state != "stopped" and each.id not in self._memory.ending:
                    return each
            tags = plan.tags(group)
            node = Resource(
                "node",
                f"i-{self._memory.made}",
                name,
                role=group.name,
                state="running",
                machine=choice.machine.name,
                zone=choice.zone or "a",
                market=choice.market,
                address="192.0.2.1",
                made_at=self._memory.clock,
                ends_at=self._memory.clock + plan.limits.lease_s,
                made_of=group.made_of,
            )
            self._put(node, tags)
            return node

    def destroy(self, resource: Resource) -> None:
        memory = self._memory
        with self._call(f"destroy {resource.name}"):
            if resource.kind == "firewall" and self._in_use(resource):
                raise CloudError(f"{resource.name} is in use")
            if resource.id in memory.ending or resource.id not in memory.things:
                return
            memory.changed += 1
            if resource.kind == "node" and memory.ends_in:
                thing, tags = memory.things[resource.id]
                memory.things[resource.id] = (replace(thing, state="stopping"), tags)
                memory.ending[resource.id] = memory.clock + memory.ends_in
            else:
                del memory.things[resource.id]

    def _in_use(self, firewall: Resource) -> bool:
        things = self._memory.things
        if firewall.id not in things:
            return False
        cluster = things[firewall.id][1][TAG]
        return any(each.kind == "node" and tags[TAG] == cluster for each, tags in things.values())

    def _put(self, thing: Resource, tags: dict[str, str]) -> None:
        self._memory.changed += 1
        self._memory.things[thing.id] = (thing, tags)

    def _call(self, what: str) -> _Call:
        return _Call(self._memory, what)


class _Call:
    """One call, which may fail before it does anything or after."""

    def __init__(self, memory: Memory, what: str) -> None:
        memory.made += 1
        self._after_effect = memory.faults.pop(memory.made, None)
        self._what = what

    def __enter__(self) -> None:
        if self._after_effect is False:
            raise CloudError(f"{self._what}: the connection was refused")

    def __exit__(self, *fault: object) -> None:
        if self._after_effect and fault == (None, None, None):
            raise CloudError(f"{self._what}: the answer was lost")
