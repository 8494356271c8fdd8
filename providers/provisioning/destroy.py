"""Remove everything that carries a cluster's name, until nothing of it is found any more."""

from __future__ import annotations

import time
from dataclasses import dataclass

from providers.base import Problem
from providers.provisioning.apply import Sleep, Tell
from providers.provisioning.base import DESTROY_ORDER, Cloud, CloudError, Resource

_PAUSES_S = (3.0, 5.0, 10.0, *(15.0,) * 20)
"""Between rounds: machines take a minute or two to end, and hold their firewall until then."""
_STUCK = 4
"""Rounds without any change after which there is nothing to wait for."""
_LAST_LOOK_S = 3.0
"""What was started a moment ago shows up late in a cloud's lists: nothing twice is nothing."""


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What a `destroy` did."""

    removed: tuple[Resource, ...]
    left: tuple[Resource, ...]
    """What is still there."""
    failures: tuple[Problem, ...]
    """Why."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left."""
        return not self.left and not self.failures


def destroy(cloud: Cloud, cluster: str, tell: Tell = lambda text: None, sleep: Sleep = time.sleep) -> Destroyed:
    """Remove all of `cluster`, whoever made it and from where; nothing that is known here is needed.

    It goes on past calls that fail, tries them again, and tells those that failed to the end. An interruption leaves
    what the next `destroy` finds.
    """
    seen: dict[str, Resource] = {}
    there: tuple[Resource, ...] = ()
    failures: dict[str, str] = {}
    unchanged = 0
    empty = False
    for pause in (*_PAUSES_S, 0.0):
        before, asked = there, True
        try:
            there = cloud.find(cluster)
        except CloudError as reason:
            failures, asked = {"finding what is there": str(reason)}, False
        if asked and not there:
            if empty:
                break
            empty, failures, unchanged = True, {}, 0
            sleep(_LAST_LOOK_S)
            continue
        empty = False
        if asked:
            seen |= {each.id: each for each in there}
            failures = _round(cloud, there, tell)
        unchanged = unchanged + 1 if not asked or there == before else 0
        if unchanged >= _STUCK and not any(each.state == "stopping" for each in there):
            break
        sleep(pause)
    left = {each.id for each in there}
    removed = tuple(each for each in seen.values() if each.id not in left)
    return Destroyed(removed, there, tuple(_failed(what, why) for what, why in failures.items()))


def in_order(resources: tuple[Resource, ...]) -> list[Resource]:
    """As they can be removed: what others hold comes after them, and by name."""
    return sorted(resources, key=lambda each: (DESTROY_ORDER.index(each.kind), each.name, each.id))


def _round(cloud: Cloud, there: tuple[Resource, ...], tell: Tell) -> dict[str, str]:
    """Try to remove each once; what failed, and why."""
    failures: dict[str, str] = {}
    for each in in_order(there):
        try:
            cloud.destroy(each)
        except CloudError as reason:
            failures[f"removing the {each.kind} {each.name}"] = str(reason)
        else:
            if each.state != "stopping":
                tell(f"removed the {each.kind} {each.name}")
    return failures


def _failed(what: str, why: str) -> Problem:
    return Problem("cloud-failed", f"{what}: {why}", "destroy again; what is left still costs")
