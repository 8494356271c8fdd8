"""What would make an `apply` fail, asked before anything is made; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from providers.base import Problem
from providers.provisioning.base import Choice, CloudError, ClusterPlan, Group
from providers.provisioning.openstack.machines import resource, servers
from providers.provisioning.openstack.offers import Offers
from providers.provisioning.openstack.wire import RefusedError, Wire

_TAG_BYTES = 255
_COMPUTE = {"instances": "Instances", "cores": "Cores", "MiB of memory": "RAMSize"}
"""Quotas of Nova by what they are of: https://docs.openstack.org/api-ref/compute/#limits-limits."""


def check(wire: Wire, offers: Offers, plan: ClusterPlan, outside: str) -> tuple[Problem, ...]:
    """All that can be known. Raises `CloudError` where the cloud cannot be asked at all."""
    limits: dict[str, Any] = wire.call("compute", "GET", "/limits")["limits"]["absolute"]
    return (
        *_by_itself(plan, limits),
        *_flavors(offers, plan),
        *_image(offers, plan),
        *_asked("no-network", "cluster.network", lambda: offers.network(plan.network)),
        *(_asked("no-network", "openstack.floating_from", lambda: offers.outside(outside)) if outside else ()),
        *_zones(wire, plan),
        *_quotas(plan, limits, _to_be_removed(wire, plan)),
        *_network_quotas(wire, plan),
    )


def _asked(code: str, setting: str, look_up: Callable[[], object]) -> list[Problem]:
    try:
        look_up()
    except CloudError as reason:
        return [Problem(code, str(reason), None, setting)]
    return []


def _by_itself(plan: ClusterPlan, limits: dict[str, Any]) -> Iterable[Problem]:
    for group in plan.groups:
        if any(choice.market == "spot" for choice in group.choices):
            help = "leave out spot, or have it fall back on demand elsewhere"
            yield Problem("no-spot", f"OpenStack has no spot machines for '{group.name}'", help, "cluster.workers")
        if len(plan.tags(group)) + 1 > limits.get("maxServerMeta", 128) >= 0:
            message = f"a machine takes {limits['maxServerMeta']} labels, ours among them"
            yield Problem("too-many-labels", message, "give fewer", "cluster.labels")
            return
    for key, value in plan.labels.items():
        if len(value.encode()) > _TAG_BYTES:
            yield Problem("bad-label", f"the label {key} is too long", f"{_TAG_BYTES} bytes", f"cluster.labels.{key}")


def _flavors(offers: Offers, plan: ClusterPlan) -> Iterable[Problem]:
    told: set[Problem] = set()
    for group in plan.groups:
        for choice in group.choices:
            for problem in _flavor(offers, group, choice):
                if problem not in told:
                    told.add(problem)
                    yield problem


def _flavor(offers: Offers, group: Group, choice: Choice) -> Iterable[Problem]:
    """Whether it is there, and is what the settings say of it."""
    machine = choice.machine
    try:
        flavor = offers.flavor(machine.name)
    except CloudError as reason:
        yield Problem("no-such-machine", str(reason), "take one of these for 'machines' and 'cluster'", "machines")
        return
    memory_gib = flavor["ram"] / 1024
    if flavor["vcpus"] != machine.cores or abs(memory_gib - machine.memory_gib) > 0.05 * machine.memory_gib:
        message = (
            f"the flavor '{machine.name}' has {flavor['vcpus']} cores and {memory_gib:g} GiB; the settings say "
            f"{machine.cores} and {machine.memory_gib:g}"
        )
        yield Problem("machine-differs", message, "correct it in 'machines'", "machines")
    if flavor["disk"] < group.disk_gib:
        message = (
            f"the flavor '{machine.name}' has a disk of {flavor['disk']} GiB; '{group.name}' wants {group.disk_gib}"
        )
        help = "take a flavor with more, or say disk_gib; a disk is the flavor's own here, and goes with the machine"
        yield Problem("small-disk", message, help, "cluster.head" if group.head else "cluster.workers")


def _image(offers: Offers, plan: ClusterPlan) -> Iterable[Problem]:
    try:
        image = offers.image(plan)
    except CloudError as reason:
        yield Problem("unknown-image", str(reason), None, "cluster.image")
        return
    if image.get("architecture", image.get("hw_architecture", "x86_64")) not in ("x86_64", "amd64"):
        yield Problem("bad-image", f"the image {plan.image} is not for x86_64", None, "cluster.image")
    for name in sorted({choice.machine.name for group in plan.groups for choice in group.choices}):
        flavor = offers.flavors.get(name)
        if flavor and (0 < flavor["disk"] < image.get("min_disk", 0) or flavor["ram"] < image.get("min_ram", 0)):
            message = f"the image {plan.image} needs more disk or memory than the flavor '{name}' has"
            yield Problem("bad-image", message, "take another flavor or image", "cluster.image")


def _zones(wire: Wire, plan: ClusterPlan) -> Iterable[Problem]:
    wanted = {choice.zone for group in plan.groups for choice in group.choices if choice.zone}
    if not wanted:
        return
    found = wire.call("compute", "GET", "/os-availability-zone")["availabilityZoneInfo"]
    there = {str(each["zoneName"]) for each in found if each["zoneState"]["available"]}
    for zone in sorted(wanted - there):
        help = f"there are {', '.join(sorted(there)) or 'none'}"
        yield Problem("bad-zone", f"there is no availability zone '{zone}'", help, "cluster")


def _to_be_removed(wire: Wire, plan: ClusterPlan) -> dict[str, float]:
    """What machines hold that have stopped: `apply` removes them before it starts others."""
    ended = [each["flavor"] for each in servers(wire, plan.name) if resource(each).state == "stopped"]
    return {
        "instances": len(ended),
        "cores": sum(each["vcpus"] for each in ended),
        "MiB of memory": sum(each["ram"] for each in ended),
    }


def _quotas(plan: ClusterPlan, limits: dict[str, Any], freed: dict[str, float]) -> Iterable[Problem]:
    """Each group by the smallest of its choices: less than that cannot be had."""
    needs = {what: -amount for what, amount in freed.items()}
    for group in plan.groups:
        needs["instances"] += group.count
        needs["cores"] += group.count * min(each.machine.cores for each in group.choices)
        needs["MiB of memory"] += group.count * 1024 * min(each.machine.memory_gib for each in group.choices)
    for what, key in _COMPUTE.items():
        most, used = limits.get(f"maxTotal{key}", -1), limits.get(f"total{key}Used", 0)
        if 0 <= most < used + needs[what] and needs[what] > 0:
            yield _short(f"{most} {what}, of which {used} are in use", f"{needs[what]:g}")


def _network_quotas(wire: Wire, plan: ClusterPlan) -> Iterable[Problem]:
    """Of ports, of which each machine takes one; only some clouds tell what is in use."""
    try:
        details = wire.call("network", "GET", f"/quotas/{wire.project}/details")["quota"]
    except RefusedError:
        return
    needs = {"port": sum(group.count for group in plan.groups)}
    for what, need in needs.items():
        quota = details.get(what, {"limit": -1})
        if 0 <= quota["limit"] < quota["used"] + need:
            yield _short(f"{quota['limit']} {what}s, of which {quota['used']} are in use", str(need))


def _short(quota: str, need: str) -> Problem:
    help = "ask the cloud's operator for more, or take fewer or smaller machines"
    return Problem("quota-short", f"the project's quota is {quota}; the cluster needs {need} more", help, "cluster")
