"""What of a cluster is there now: states, ages, what is left of the time that it has, what it has cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from providers.base import Market, Price
from providers.provisioning.base import Cloud, Resource
from providers.provisioning.standing import ALIVE

Rates = Mapping[tuple[str, Market], float]
"""USD an hour by machine and market."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node."""

    node: Resource
    age_s: float | None
    lease_left_s: float | None
    """Until it ends itself, by the lease of the settings; None where nobody knows when it was made."""
    cloud_left_s: float | None
    """Until the cloud ends it, whatever it does; None where the cloud does not."""
    usd_hour: float | None
    usd: float | None
    """What it has cost so far, without its disk; None where its price or its age is not known."""


@dataclass(frozen=True, slots=True)
class Status:
    """A whole cluster."""

    nodes: tuple[NodeStatus, ...]
    others: tuple[Resource, ...]
    """What is there beside nodes."""

    @property
    def usd_hour(self) -> float | None:
        """What the nodes that work cost an hour; None if the price of one is not known."""
        return _sum(each.usd_hour for each in self.nodes if each.node.state in ALIVE)

    @property
    def usd(self) -> float | None:
        """What those that are there have cost so far; those that are gone are not in it."""
        return _sum(each.usd for each in self.nodes)


def status(
    cloud: Cloud, cluster: str, rates: Rates, lease_s: int | None, clock: Callable[[], float] = time.time
) -> Status:
    """Look at `cluster`; reads only. `lease_s` and `rates` are what the settings say. Raises `CloudError`."""
    there = cloud.find(cluster)
    now = clock()
    nodes = sorted((each for each in there if each.kind == "node"), key=lambda each: (each.role != "head", each.name))
    others = tuple(sorted((each for each in there if each.kind != "node"), key=lambda each: (each.kind, each.name)))
    return Status(tuple(_node(each, rates, lease_s, now) for each in nodes), others)


def rates_of(prices: Iterable[Price], said: Mapping[str, Mapping[str, float]]) -> Rates:
    """From the table of prices, with those of the settings (``cluster.prices``) over them; a spot machine whose price
    is not known is counted as on demand, above which it never rises."""
    rates: dict[tuple[str, Market], float] = {(each.machine, each.market): each.usd_hour for each in prices}
    markets: tuple[Market, ...] = ("on-demand", "spot")
    for machine, usd in said.items():
        rates |= {(machine, market): usd[market] for market in markets if market in usd}
    dearest: Rates = {(machine, "spot"): usd for (machine, market), usd in rates.items() if market == "on-demand"}
    return {**dearest, **rates}


def _node(node: Resource, rates: Rates, lease_s: int | None, now: float) -> NodeStatus:
    age = max(0.0, now - node.made_at) if node.made_at is not None else None
    usd_hour = rates.get((node.machine, node.market or "on-demand"))
    return NodeStatus(
        node=node,
        age_s=age,
        lease_left_s=max(0.0, lease_s - age) if lease_s is not None and age is not None else None,
        cloud_left_s=max(0.0, node.ends_at - now) if node.ends_at is not None else None,
        usd_hour=usd_hour,
        usd=usd_hour * age / 3600 if usd_hour is not None and age is not None else None,
    )


def _sum(amounts: Iterable[float | None]) -> float | None:
    found = tuple(amounts)
    known = [each for each in found if each is not None]
    return sum(known) if len(known) == len(found) else None
