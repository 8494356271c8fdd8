"""What would make `apply` fail, looked for before anything is made; every finding at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

from providers.base import Problem
from providers.provisioning.base import CloudError, ClusterPlan
from providers.provisioning.ec2 import keys, launch, quotas
from providers.provisioning.ec2.form import filters
from providers.provisioning.ec2.images import Image
from providers.provisioning.ec2.network import Network
from providers.provisioning.ec2.wire import NoAnswerError, RefusedError, Wire
from providers.provisioning.ec2.words import NO_CAPACITY

_Found = TypeVar("_Found")


def problems(
    wire: Wire, plan: ClusterPlan, image: Callable[[], Image], network: Callable[[], Network]
) -> tuple[Problem, ...]:
    """What is wrong, as `Cloud.preflight` gives it; `image` and `network` look the plan's up.

    Raises `NoAnswerError` where AWS cannot be asked.
    """
    found = list(_region(wire, plan))
    if found:
        return tuple(found)  # all else would be asked in the wrong place
    taken = _looked_up(image, "no-image", "cluster.image", found)
    if taken is not None:
        found += _disks(plan, taken)
    where = _looked_up(network, "no-network", "cluster.network", found)
    if where is not None:
        found += _zones(plan, where)
        if taken is not None:
            found += _allowed(wire, plan, taken, where)
    for check in (_offered, _identity, quotas.problems):
        try:
            found += check(wire, plan)
        except RefusedError as reason:
            found.append(Problem("cloud-failed", str(reason)))
    return (*found, *keys.problems(plan))


def _region(wire: Wire, plan: ClusterPlan) -> Iterator[Problem]:
    try:
        wire.account.credentials()
        region = wire.account.region
    except CloudError as reason:
        yield Problem("no-access", str(reason), setting="profile")
        return
    if region != plan.region:
        message = f"the plan is for {plan.region}, and the {wire.account.who} says {region}"
        yield Problem("region-differs", message, "say 'region' in the target's settings", "region")
        return
    try:
        wire.ec2("DescribeAvailabilityZones")
    except RefusedError as reason:
        yield Problem("no-access", str(reason), "is the region right, and enabled for the account?", "region")


def _looked_up(look: Callable[[], _Found], code: str, setting: str, found: list[Problem]) -> _Found | None:
    try:
        return look()
    except NoAnswerError:
        raise
    except CloudError as reason:
        found.append(Problem(code, str(reason), setting=setting))
        return None


def _disks(plan: ClusterPlan, image: Image) -> Iterator[Problem]:
    for group in plan.groups:
        if group.disk_gib < image.size_gib:
            message = f"'{group.name}' gets {image.size_gib} GiB of disk and not {group.disk_gib}, as {image.name} has"
            yield Problem("disk-too-small", message, severity="note")


def _zones(plan: ClusterPlan, network: Network) -> Iterator[Problem]:
    """Zones where the network has no subnet, and a head that nobody reaches from outside."""
    for zone in sorted({c.zone for g in plan.groups for c in g.choices if c.zone is not None} - set(network.subnets)):
        known = f"zones of {network.vpc}: {', '.join(sorted(network.subnets))}"
        yield Problem(
            "no-subnet", f"{network.vpc} has no subnet for machines in the zone {zone!r}", known, "cluster.workers"
        )
    if plan.ssh_from and not any(network.public.values()):
        message = f"machines in {network.vpc} get no public address: the head is reached from inside only"
        help = "they also need a NAT gateway to fetch their packages"
        yield Problem("no-public-address", message, help, "cluster.network", severity="note")


def _allowed(wire: Wire, plan: ClusterPlan, image: Image, network: Network) -> Iterator[Problem]:
    """Ask EC2 whether it would start the first machine of each group, without starting any."""
    for group in plan.groups:
        if group.choices[0].zone not in (None, *network.subnets):
            continue  # told already
        asked = launch.asked_for(plan, group, group.choices[0], 1, image, network)
        asked.pop("KeyName", None)  # it is not there yet
        try:
            wire.ec2("RunInstances", {**asked, "DryRun": "true"})
        except RefusedError as error:
            # Capacity is for `start` to find out, and the profile has a finding of its own.
            profile = error.code == "NoSuchEntity" or "iamInstanceProfile" in str(error)
            if error.code in NO_CAPACITY or error.code == "DryRunOperation" or profile:
                continue
            yield Problem("would-be-refused", f"'{group.name}': {error}")


def _offered(wire: Wire, plan: ClusterPlan) -> Iterator[Problem]:
    """Types that the region, or the zone that a choice names, does not have."""
    wanted = sorted({choice.machine.name for group in plan.groups for choice in group.choices})
    asked = {"LocationType": "availability-zone", **filters({"instance-type": wanted})}
    there: dict[str, set[str]] = {name: set() for name in wanted}
    for item in wire.items("DescribeInstanceTypeOfferings", "instanceTypeOfferingSet/item", asked):
        there.setdefault(item.findtext("instanceType", ""), set()).add(item.findtext("location", ""))
    for group in plan.groups:
        lacking = [
            c for c in group.choices if not there[c.machine.name] or (c.zone and c.zone not in there[c.machine.name])
        ]
        for choice in lacking:
            zones = ", ".join(sorted(there[choice.machine.name]))
            message = f"'{group.name}': {plan.region} has no {choice.machine.name}"
            if zones:
                message = f"'{group.name}': the zone {choice.zone} has no {choice.machine.name}; zones with it: {zones}"
            severity: Literal["error", "note"] = "error" if len(lacking) == len(group.choices) else "note"
            yield Problem("type-not-offered", message, "take another type or zone", severity=severity)


def _identity(wire: Wire, plan: ClusterPlan) -> Iterator[Problem]:
    """Whether the instance profile is there; that whoever provisions may not look is no fault."""
    if plan.identity is None:
        help = "name an instance profile with the policy for nodes; without it workers get no token and cannot join"
        yield Problem("no-identity", "machines get no instance profile", help, "cluster.identity", severity="note")
        return
    name = plan.identity.rpartition("/")[2]
    try:
        roles = wire.aws("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]["Roles"]
    except CloudError as error:
        if isinstance(error, RefusedError) and error.code == "NoSuchEntity":
            message = f"there is no instance profile {name!r} in the account"
            yield Problem("no-instance-profile", message, "make it with the policy for nodes", "cluster.identity")
        else:
            message = f"whether the instance profile {name!r} is there could not be found out: {error}"
            yield Problem("identity-unknown", message, setting="cluster.identity", severity="note")
        return
    if not roles:
        message = f"the instance profile {name!r} holds no role"
        yield Problem("no-role", message, "add one with the policy for nodes", "cluster.identity")
