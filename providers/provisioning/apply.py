"""Make what a plan says and is not there yet; repeated, it makes nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from providers.base import Problem
from providers.provisioning.base import (
    CapacityError,
    Choice,
    Cloud,
    CloudError,
    ClusterPlan,
    Group,
    Resource,
    node_name,
)
from providers.provisioning.guards import check_before_start, check_ssh_from
from providers.provisioning.standing import Standing, stand

Tell = Callable[[str], None]
"""Takes a sentence about each thing as it is done."""
Sleep = Callable[[float], None]

_WAITS_S = (2.0, 3.0, 5.0, 5.0, 10.0, 10.0, 10.0, 15.0)
"""Between looks at whether the nodes are there and run."""


class RefusedError(Exception):
    """Nothing was made, since it would break a limit or fail; it holds every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(each.message for each in self.problems))


@dataclass(frozen=True, slots=True)
class Applied:
    """What an `apply` did."""

    standing: Standing
    """At the end."""
    made: tuple[Resource, ...]
    """Firewalls that were changed are among them."""
    removed: tuple[Resource, ...]
    """Nodes that had stopped and were in the way."""
    failures: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Whether all of the plan is there."""
        return not self.failures and not self.standing.missing and not self.standing.doors

    @property
    def changed(self) -> bool:
        """Whether anything was made or removed."""
        return bool(self.made or self.removed)


@dataclass(slots=True)
class _Work:
    """What has been done so far."""

    cloud: Cloud
    plan: ClusterPlan
    tell: Tell
    made: list[Resource] = field(default_factory=list)
    removed: list[Resource] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)


def apply(cloud: Cloud, plan: ClusterPlan, tell: Tell = lambda text: None, sleep: Sleep = time.sleep) -> Applied:
    """Make what is missing of `plan`; whatever is there already stays as it is, but for who may come in.

    A call that fails is told in `Applied.failures`; what was made stays, and the next `apply` finishes it or `destroy`
    removes it. The same holds for an interruption at any moment. Raises `RefusedError`, before anything is made, where
    a limit would be broken or the cloud says that it would fail, and `CloudError` where it cannot even be asked.
    """
    there = cloud.find(plan.name)
    before = stand(plan, there)
    if before.missing:
        problems = (*check_before_start(cloud, plan, before), *cloud.preflight(before.rest(plan)))
        if any(each.severity == "error" for each in problems):
            raise RefusedError(problems)
        for each in problems:
            tell(f"note: {each.message}")
    elif problems := check_ssh_from(plan.ssh_from):
        raise RefusedError(problems)
    work = _Work(cloud, plan, tell)
    if _prepare(work, there) and _clear(work, before.ended):
        _start_all(work, before)
    after = _look(work, before, sleep)
    return Applied(after, tuple(work.made), tuple(work.removed), tuple(work.failures))


def _prepare(work: _Work, there: Iterable[Resource]) -> bool:
    try:
        made = work.cloud.prepare(work.plan, there)
    except CloudError as reason:
        work.failures.append(_failed("what nodes need before they start", reason))
        return False
    names = {each.name for each in there}
    for each in made:
        work.tell(f"{'changed' if each.name in names else 'made'} the {each.kind} {each.name}")
    work.made += made
    return True


def _clear(work: _Work, ended: Iterable[Resource]) -> bool:
    """Remove nodes that have stopped: they cost, and a new one may need their name."""
    before = len(work.failures)
    for each in ended:
        try:
            work.cloud.destroy(each)
        except CloudError as reason:
            work.failures.append(_failed(f"removing {each.name}, which has stopped", reason))
        else:
            work.tell(f"removed {each.name}, which had stopped")
            work.removed.append(each)
    return len(work.failures) == before


def _start_all(work: _Work, before: Standing) -> None:
    """The head first: without it workers would wait and cost. Of a group the first failure ends the tries."""
    for group in work.plan.groups:
        full: set[Choice] = set()
        for number in (number for each, number in before.missing if each.name == group.name):
            failure = _start(work, group, number, full)
            if failure is None:
                continue
            work.failures.append(failure)
            if group.head:
                return
            break


def _start(work: _Work, group: Group, number: int, full: set[Choice]) -> Problem | None:
    """Start one node by the first choice that is not `full`; those that turn out to be are added."""
    name = node_name(work.plan.name, group.name, number)
    for choice in group.choices:
        if choice in full:
            continue
        try:
            node = work.cloud.start(work.plan, group, choice, number)
        except CapacityError as reason:
            work.tell(f"no capacity for {described(choice)}: {reason}")
            full.add(choice)
        except CloudError as reason:
            return _failed(f"starting {name}", reason)
        else:
            work.tell(f"started {name}: {described(choice)}")
            work.made.append(node)
            return None
    tried = ", ".join(described(choice) for choice in group.choices)
    help = "apply again later, or give more types or zones, or fallback: on-demand"
    return Problem("no-capacity", f"the cloud has no machine for {name} now; tried: {tried}", help, "cluster.workers")


def described(choice: Choice) -> str:
    """A choice in words: ``m6i.xlarge spot in us-east-1a``."""
    return f"{choice.machine.name} {choice.market}{f' in {choice.zone}' if choice.zone else ''}"


def _look(work: _Work, before: Standing, sleep: Sleep) -> Standing:
    """How the plan stands at the end: what was started shows up late in a cloud's lists, and takes time to run."""
    if not (work.made or work.removed or work.failures):
        return before
    started = {each.id for each in work.made if each.kind == "node"}
    standing = before
    for wait in (*_WAITS_S, None):
        try:
            standing = stand(work.plan, work.cloud.find(work.plan.name))
        except CloudError as reason:
            if wait is None:
                work.failures.append(_failed("looking at what is there", reason))
        else:
            seen = {each.id: each.state for each in standing.alive}
            if all(seen.get(each) == "running" for each in started):
                break
        if wait is not None:
            sleep(wait)
    return standing


def _failed(what: str, reason: CloudError) -> Problem:
    help = "apply again to finish, or destroy to remove what is there"
    return Problem("cloud-failed", f"{what}: {reason}", help)
