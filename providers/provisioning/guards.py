"""What keeps a cluster from costing more than it may or letting in whom it must not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from providers.base import Problem
from providers.provisioning.base import Choice, Cloud, ClusterPlan, Resource

if TYPE_CHECKING:
    from providers.provisioning.standing import Standing

WIDEST = {4: 8, 6: 24}
"""The shortest prefix of a network that may reach the head, by version of IP; a shorter one is nearly everybody."""


def check_ssh_from(networks: Iterable[str], setting: str = "cluster.ssh_from") -> tuple[Problem, ...]:
    """Whether each of `networks` is one (CIDR), and none is the whole internet or nearly so."""
    found = []
    for number, each in enumerate(networks):
        where = f"{setting}.{number}"
        try:
            network = ipaddress.ip_network(each)
        except ValueError as reason:
            help = "an address with the length of its network: 192.0.2.17/32 is one machine"
            found.append(Problem("bad-network", f"'{each}' is no network: {reason}", help, where))
            continue
        if network.prefixlen < WIDEST[network.version]:
            help = f"give your own address or your institute's network, /{WIDEST[network.version]} or narrower"
            message = f"'{each}' would let nearly everybody try the head's SSH port"
            found.append(Problem("open-to-everybody", message, help, where))
    return tuple(found)


def check_user_data(plan: ClusterPlan, limit: int) -> tuple[Problem, ...]:
    """Whether what machines do at their first start fits into `limit` bytes."""
    found = []
    for group in plan.groups:
        size = len(group.user_data.encode())
        if size > limit:
            message = f"the user data of '{group.name}' has {size:,} bytes; {plan.provider} takes {limit:,}"
            found.append(Problem("user-data-too-long", message, "put more of it into the image", "cluster.image"))
    return tuple(found)


def check_money(plan: ClusterPlan, standing: Standing | None = None) -> tuple[Problem, ...]:
    """Whether `plan` keeps within its limits, each machine at its dearest; with what runs already, as far as it stands.

    The total is that of one lease, after which every machine ends itself.
    """
    limits = plan.limits
    if limits.usd_hour is None and limits.usd_total is None:
        return ()
    new = (standing.rest(plan) if standing else plan).usd_hour
    if new is None:
        unknown = sorted({c.machine.name for g in plan.groups for c in g.choices if c.ceiling is None})
        message = f"the price of {', '.join(unknown)} in {plan.region} is not known, so no limit can be kept"
        return (Problem("unknown-price", message, "give it in cluster.prices", "cluster.prices"),)
    old = 0.0
    for node in standing.alive if standing else ():
        price = _price(plan, node)
        if price is None:
            message = f"'{node.name}' runs already and the price of {node.machine or 'its machine'} is not known"
            return (Problem("unknown-price", message, "destroy the cluster first", "cluster.prices"),)
        old += price
    return tuple(_over(plan, new, old))


def _over(plan: ClusterPlan, new: float, old: float) -> Iterable[Problem]:
    hours = plan.limits.lease_s / 3600
    beside = f", with {old:.2f} for what runs already" if old else ""
    for limit, cost, what, setting in (
        (plan.limits.usd_hour, new + old, "an hour", "usd_hour"),
        (plan.limits.usd_total, (new + old) * hours, f"in a lease of {hours:g} h", "usd_total"),
    ):
        if limit is not None and cost > limit * (1 + 1e-9):
            message = f"the cluster can cost up to {cost:.2f} USD {what}{beside}; the limit is {limit:.2f}"
            help = "take fewer or cheaper machines, a shorter lease, or raise the limit"
            yield Problem("over-limit", message, help, f"cluster.limits.{setting}")


def _price(plan: ClusterPlan, node: Resource) -> float | None:
    """What `node` costs an hour at most, disk included, as far as the plan knows its kind."""
    for group in plan.groups:
        for choice in group.choices:
            if _is(choice, node) and choice.ceiling is not None:
                return choice.ceiling + (group.disk_usd_hour or 0.0)
    return None


def _is(choice: Choice, node: Resource) -> bool:
    return choice.machine.name == node.machine and node.market in (None, choice.market)


def check_before_start(cloud: Cloud, plan: ClusterPlan, standing: Standing) -> tuple[Problem, ...]:
    """All guards, for what is yet to be started beside what runs."""
    return (
        *check_ssh_from(plan.ssh_from),
        *check_user_data(plan, cloud.user_data_limit),
        *check_money(plan, standing),
    )
