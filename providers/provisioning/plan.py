"""From settings to a plan: every choice with its price, what machines do at their first start, and all that is wrong.

Nothing is asked of any cloud.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.base import MachineType, Market, Price, Problem, Provider
from providers.prices import disk_usd_gib_hour
from providers.provisioning.base import Choice, ClusterPlan, Group, Limits
from providers.provisioning.first_start import FirstStart
from providers.provisioning.guards import check_money, check_ssh_from, check_user_data
from providers.provisioning.settings import ClusterSettings, Machines, read_settings


def make_plan(
    provider: Provider,
    settings: Mapping[str, Any],
    first_start: FirstStart,
    folder: Path | None = None,
    user_data_limit: int | None = None,
) -> ClusterPlan | tuple[Problem, ...]:
    """The cluster that `settings` (those under ``cluster``) ask for at `provider`, or all that is wrong with them.

    `first_start` writes what machines do at their first start, of which the cloud takes `user_data_limit` bytes (None:
    not checked). Names of files in the settings count from `folder`.
    """
    read = read_settings(settings, folder or Path())
    if not isinstance(read, ClusterSettings):
        return read
    region = provider.machine_region
    problems = [*check_ssh_from(read.ssh_from), *_machines(provider, read), *_zones(provider, region, read)]
    problems += _limits(provider, read)
    texts = first_start(provider, region, read)
    if not isinstance(texts, Mapping):
        problems += texts
    if problems:
        return tuple(problems)
    assert isinstance(texts, Mapping)
    plan = _assembled(provider, region, read, texts)
    found = (*check_money(plan), *(check_user_data(plan, user_data_limit) if user_data_limit is not None else ()))
    return found or plan


def _assembled(provider: Provider, region: str, read: ClusterSettings, texts: Mapping[str, str]) -> ClusterPlan:
    machines = {each.name: each for each in provider.machines()}
    prices = _prices(provider, region, read)
    a_gib = disk_usd_gib_hour(provider.name, region)
    groups = tuple(
        Group(
            name=each.name,
            count=each.count,
            choices=_choices(each, machines, prices),
            disk_gib=each.disk_gib,
            user_data=texts["head" if each.name == "head" else "worker"],
            disk_usd_hour=None if a_gib is None else a_gib * each.disk_gib,
        )
        for each in read.groups
    )
    return ClusterPlan(
        name=read.name,
        provider=provider.name,
        region=region,
        groups=groups,
        ssh_from=read.ssh_from,
        ssh_key=read.ssh_key,
        limits=Limits(read.usd_hour, read.usd_total, read.lease_s, read.idle_s),
        image=read.image,
        identity=read.identity,
        labels=read.labels,
        network=read.network,
    )


def _choices(
    group: Machines, machines: Mapping[str, MachineType], prices: Mapping[tuple[str, Market], Price]
) -> tuple[Choice, ...]:
    """Spot before on demand, types before zones of the next type: the order in which they are tried."""
    markets: tuple[Market, ...] = ("on-demand",)
    if group.spot:
        markets = ("spot", "on-demand") if group.fallback else ("spot",)
    return tuple(
        Choice(
            machines[name],
            market,
            zone,
            prices.get((name, market)),
            # EC2 and Google never ask more for a spot machine than for the same on demand.
            prices[name, "on-demand"].usd_hour if market == "spot" and (name, "on-demand") in prices else None,
        )
        for market in markets
        for name in group.types
        for zone in (group.zones or (None,))
    )


def _prices(provider: Provider, region: str, read: ClusterSettings) -> dict[tuple[str, Market], Price]:
    """By machine and market: the table's, and the user's over them."""
    found: dict[tuple[str, Market], Price] = {(each.machine, each.market): each for each in provider.prices()}
    markets: tuple[Market, ...] = ("on-demand", "spot")
    for machine, said in read.prices.items():
        for market in markets:
            if market in said:
                found[machine, market] = Price(machine, region, market, said[market], "", "cluster.prices")
    return found


def _machines(provider: Provider, read: ClusterSettings) -> list[Problem]:
    """Types of machines that the provider does not know."""
    known = {each.name for each in provider.machines()}
    found = []
    for group in read.groups:
        for number, name in enumerate(group.types):
            if name in known:
                continue
            setting = f"{group.setting}.type" if group.name == "head" else f"{group.setting}.types.{number}"
            near = next(iter(difflib.get_close_matches(name, known, 1, 0.6)), None)
            help = f"did you mean '{near}'?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
            if not known:
                help = f"list it under targets: {provider.name}: machines"
            found.append(Problem("unknown-machine", f"{provider.name} has no machine '{name}' here", help, setting))
    return found


def _zones(provider: Provider, region: str, read: ClusterSettings) -> list[Problem]:
    """Zones that are not of the region, where their names tell."""
    if provider.name not in ("aws", "gcp"):
        return []
    return [
        Problem(
            "bad-zone",
            f"'{zone}' is no zone of {region}",
            "zones bear their region's name: us-east-1a, us-central1-b",
            f"{group.setting}.zones.{number}",
        )
        for group in read.groups
        for number, zone in enumerate(group.zones)
        if not zone.startswith(region) or zone == region
    ]


def _limits(provider: Provider, read: ClusterSettings) -> list[Problem]:
    """Limits of money where machines cost any."""
    if "prices" not in provider.capabilities:
        return []
    missing = [name for name, value in (("usd_hour", read.usd_hour), ("usd_total", read.usd_total)) if value is None]
    help = "say what it may cost: limits: {usd_hour: 5, usd_total: 50}"
    return [
        Problem("no-limit", f"nothing says what the cluster may cost ({name})", help, "cluster.limits")
        for name in missing
    ]


def unknowns(plan: ClusterPlan) -> tuple[str, ...]:
    """What the plan's price leaves out, in words."""
    found = []
    choices = [choice for group in plan.groups for choice in group.choices]
    if unpriced := sorted({choice.machine.name for choice in choices if choice.ceiling is None}):
        found.append(f"what {', '.join(unpriced)} costs")
    guessed = sorted({c.machine.name for c in choices if c.market == "spot" and c.price is None and c.ceiling})
    if guessed:
        found.append(f"the usual spot price of {', '.join(guessed)}; counted as on demand, above which it never rises")
    if any(group.disk_usd_hour is None for group in plan.groups):
        found.append("what disks cost")
    if any(choice.ceiling for choice in choices):
        found.append("traffic, requests, public addresses, and what the bucket holds")
    return tuple(found)
