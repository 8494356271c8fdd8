"""What would make an `apply` fail, asked before anything is made; nothing here changes anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Any

from providers.base import Problem
from providers.provisioning.base import ClusterPlan, Group, node_name
from providers.provisioning.cloud_init.node import secret_name
from providers.provisioning.gce import form
from providers.provisioning.gce.quotas import Room, check_quotas
from providers.provisioning.gce.seen import last
from providers.provisioning.gce.wire import RefusedError, Wire
from providers.provisioning.gce.words import GONE
from providers.provisioning.images import GCE_IMAGES

LONGEST_S, SHORTEST_S = 120 * 24 * 3600, 30
"""Of a machine's run time: https://cloud.google.com/compute/docs/instances/limit-vm-runtime#restrictions."""

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][-_a-z0-9]{0,62}")
_LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
_METADATA_BYTES = 512 * 1024


def check(wire: Wire, plan: ClusterPlan) -> tuple[Problem, ...]:
    """All that can be known; where the project or its API cannot be used at all, only that."""
    offline = tuple(_by_itself(plan))
    try:
        region = wire.compute("GET", f"regions/{plan.region}")
        project = wire.compute("GET", f"../{wire.account.project}")
    except RefusedError as refused:
        return (*offline, _no_region(plan, refused))
    inside = Room.of(f"in {plan.region}", region.get("quotas", ()))
    whole = Room.of(f"in {wire.account.project}", project.get("quotas", ()))
    return (
        *offline,
        *check_quotas(plan, inside, whole),
        *_asked(lambda: _machines(wire, plan, region)),
        *_asked(lambda: _image(wire, plan)),
        *_asked(lambda: _network(wire, plan)),
        *_asked(lambda: _secrets(wire, plan)),
    )


def _asked(question: Callable[[], Iterable[Problem]]) -> list[Problem]:
    try:
        return list(question())
    except RefusedError as refused:
        return [refused.problem]


def _no_region(plan: ClusterPlan, refused: RefusedError) -> Problem:
    if refused.problem.code == "not-found":
        return Problem("unknown-region", f"Google has no region {plan.region}", "gcloud compute regions list", "region")
    return refused.problem


def _by_itself(plan: ClusterPlan) -> Iterable[Problem]:
    """What can be told without asking."""
    names = [node_name(plan.name, group.name, group.count) for group in plan.groups]
    for name in (*names, *form.rule_names(plan.name).values(), form.node_tag(plan.name)):
        if not _NAME.fullmatch(name):
            help = "a-z, 0-9 and '-', at most 63 with the cluster's and the group's name"
            yield Problem("bad-name", f"Google takes no name like '{name}'", help, "cluster.name")
    for key, value in plan.labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            help = "of a-z, 0-9, '_' and '-', at most 63, the key with a letter first"
            yield Problem("bad-label", f"Google takes no label {key}={value}", help, f"cluster.labels.{key}")
    if not SHORTEST_S <= plan.limits.lease_s <= LONGEST_S:
        message = f"Google lets a machine run from {SHORTEST_S} s to {LONGEST_S // 86400} days"
        yield Problem("bad-lease", message, "give another lease", "cluster.lease")
    if not plan.identity:
        message = "machines have no service account, so that workers cannot fetch their token from Secret Manager"
        help = "name one that has the role of providers/provisioning/policies/gcp-nodes.yaml"
        yield Problem("no-identity", message, help, "cluster.identity")
    yield from _ranges(plan)
    yield from (each for group in plan.groups for each in _metadata(plan, group))


def _ranges(plan: ClusterPlan) -> Iterable[Problem]:
    for number, each in enumerate(plan.ssh_from):
        try:
            version = ip_network(each).version
        except ValueError:
            continue  # told by the guards of every cloud
        if version == 6:
            message = f"machines have no IPv6 address for '{each}' to reach"
            yield Problem("ipv6-range", message, "give an IPv4 network", f"cluster.ssh_from.{number}")


def _metadata(plan: ClusterPlan, group: Group) -> Iterable[Problem]:
    size = sum(len(key) + len(value.encode()) for key, value in form.metadata(plan, group).items())
    if size > _METADATA_BYTES:
        message = f"all metadata of '{group.name}' would have {size:,} bytes; Google takes {_METADATA_BYTES:,}"
        yield Problem("user-data-too-long", message, "put more of it into the image", "cluster.image")


def _machines(wire: Wire, plan: ClusterPlan, region: dict[str, Any]) -> Iterable[Problem]:
    """Whether each type is offered in the region, and each group has a choice that is offered where it may stand."""
    there = {last(each) for each in region.get("zones", ())}
    allowed = set(wire.account.zones) or there
    offered: dict[str, set[str]] = {}
    for name in sorted({choice.machine.name for group in plan.groups for choice in group.choices}):
        found = wire.everywhere("machineTypes", filter=f"name={name}")
        offered[name] = {last(each["zone"]) for each in found if each["name"] == name} & there
        if not offered[name]:
            yield Problem("no-such-machine", f"{plan.region} has no machine type {name}", "take another", "cluster")
    for group in plan.groups:
        known = [choice for choice in group.choices if offered[choice.machine.name]]
        if known and not any(({c.zone} if c.zone else allowed) & offered[c.machine.name] for c in known):
            types = ", ".join(f"{name}: {', '.join(sorted(offered[name]))}" for name in {c.machine.name for c in known})
            message = f"the zones given have none of the machines of '{group.name}'"
            yield Problem("no-such-machine", message, f"zones that have them: {types}", "zones")


def _image(wire: Wire, plan: ClusterPlan) -> Iterable[Problem]:
    """Whether the family has an image that fits the disks and starts securely."""
    try:
        family = GCE_IMAGES.family(plan.image)
    except KeyError:
        help = f"{', '.join(GCE_IMAGES.known)}, or PROJECT/FAMILY"
        yield Problem("unknown-image", f"no family of images is known as '{plan.image}'", help, "cluster.image")
        return
    try:
        found = wire.compute("GET", f"../{family.owner}/global/images/family/{family.pattern}")
    except RefusedError as refused:
        if not refused.codes & GONE:
            raise
        help = f"gcloud compute images list --project {family.owner} shows the families"
        message = f"the project {family.owner} has no images of a family {family.pattern}"
        yield Problem("unknown-image", message, help, "cluster.image")
        return
    features = {each.get("type") for each in found.get("guestOsFeatures", ())}
    if "UEFI_COMPATIBLE" not in features:
        message = f"the image {found['name']} cannot start securely (UEFI)"
        yield Problem("bad-image", message, "take a newer image", "cluster.image")
    if found.get("architecture", "X86_64") != "X86_64":
        yield Problem("bad-image", f"the image {found['name']} is for {found['architecture']}", None, "cluster.image")
    for group in plan.groups:
        if group.disk_gib < int(found.get("diskSizeGb", 0)):
            message = (
                f"a disk of {group.disk_gib} GiB of '{group.name}' cannot hold the image's {found['diskSizeGb']} GiB"
            )
            yield Problem("small-disk", message, "give more", "cluster")


def _network(wire: Wire, plan: ClusterPlan) -> Iterable[Problem]:
    """Whether the network is there, and its subnetwork where it needs one."""
    network, setting = form.Network.of(plan), "cluster.network"
    try:
        found = wire.compute("GET", f"global/networks/{network.name}")
    except RefusedError as refused:
        if refused.problem.code != "not-found":
            raise
        help = "gcloud compute networks list shows those there are; set 'network' to one of them"
        yield Problem("no-network", f"{wire.account.project} has no network '{network.name}'", help, setting)
        return
    if not network.subnetwork:
        if found.get("autoCreateSubnetworks") is False:
            message = f"the network '{network.name}' has no subnetwork of its own making in {plan.region}"
            yield Problem("no-subnetwork", message, f"name one: {network.name}/SUBNETWORK", setting)
        return
    try:
        inside = wire.compute("GET", f"regions/{plan.region}/subnetworks/{network.subnetwork}")
    except RefusedError as refused:
        if refused.problem.code != "not-found":
            raise
        message = f"{plan.region} has no subnetwork '{network.subnetwork}'"
        yield Problem("no-subnetwork", message, "gcloud compute networks subnets list", setting)
        return
    if last(inside["network"]) != network.name:
        message = f"the subnetwork '{network.subnetwork}' is one of '{last(inside['network'])}'"
        yield Problem("no-subnetwork", message, f"say {last(inside['network'])}/{network.subnetwork}", setting)


def _secrets(wire: Wire, plan: ClusterPlan) -> Iterable[Problem]:
    """Whether Secret Manager answers, whose secret the workers fetch; that there is none yet is well."""
    try:
        wire.secrets("GET", f"projects/{wire.account.project}/secrets/{secret_name(plan.name, 'gcp')}")
    except RefusedError as refused:
        if not refused.codes & GONE:
            yield refused.problem
