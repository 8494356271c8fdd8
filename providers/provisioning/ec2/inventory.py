"""What is there of a cluster, found by its tag alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from xml.etree.ElementTree import Element

from providers.provisioning.base import MADE_OF_TAG, ROLE_TAG, TAG, Resource
from providers.provisioning.ec2 import firewall, keys
from providers.provisioning.ec2.form import filters, tags_of
from providers.provisioning.ec2.wire import Wire

ENDED = ("shutting-down", "terminated")
"""Neither costs anything, and nothing brings one back."""
_THERE = ("pending", "running", "shutting-down", "stopping", "stopped")


def find(wire: Wire, cluster: str) -> tuple[Resource, ...]:
    """Everything that carries the cluster's tag, and its secrets, which have its name in their path."""
    by_tag = {f"tag:{TAG}": cluster}
    nodes = [node(item) for item in _instances(wire, cluster)]
    return (
        *nodes,
        *_requests(wire, by_tag),
        *_volumes(wire, by_tag),
        *_addresses(wire, by_tag),
        *_secrets(wire, cluster),
        *keys.find(wire, cluster),
        *firewall.find(wire, cluster),
    )


def node(instance: Element) -> Resource:
    """A machine, from what EC2 says of it."""
    tags = tags_of(instance)
    state = instance.findtext("instanceState/name", "")
    return Resource(
        "node",
        instance.findtext("instanceId", ""),
        tags.get("Name", ""),
        role=tags.get(ROLE_TAG, ""),
        state="stopping" if state in ENDED else state,
        machine=instance.findtext("instanceType", ""),
        zone=instance.findtext("placement/availabilityZone", ""),
        market="spot" if instance.findtext("instanceLifecycle") == "spot" else "on-demand",
        address=instance.findtext("ipAddress") or instance.findtext("privateIpAddress") or "",
        made_at=_seconds(instance.findtext("launchTime", "")),
        made_of=tags.get(MADE_OF_TAG, ""),
    )


def secrets_path(cluster: str) -> str:
    """Below which the cluster's secrets are in Parameter Store."""
    return f"/rubincwl/{cluster}/"


def _instances(wire: Wire, cluster: str) -> Iterator[Element]:
    wanted = filters({f"tag:{TAG}": cluster, "instance-state-name": _THERE})
    return wire.items("DescribeInstances", "reservationSet/item/instancesSet/item", wanted)


def _requests(wire: Wire, by_tag: dict[str, str]) -> Iterator[Resource]:
    """Requests for spot machines that still wait for one."""
    wanted = filters({**by_tag, "state": "open"})
    for item in wire.items("DescribeSpotInstanceRequests", "spotInstanceRequestSet/item", wanted):
        tags = tags_of(item)
        yield Resource(
            "node",
            item.findtext("spotInstanceRequestId", ""),
            tags.get("Name", ""),
            role=tags.get(ROLE_TAG, ""),
            state="pending",
            machine=item.findtext("launchSpecification/instanceType", ""),
            market="spot",
            made_of=tags.get(MADE_OF_TAG, ""),
        )


def _volumes(wire: Wire, by_tag: dict[str, str]) -> Iterator[Resource]:
    wanted = filters({**by_tag, "status": ("creating", "available", "in-use", "error")})
    for item in wire.items("DescribeVolumes", "volumeSet/item", wanted):
        id, tags = item.findtext("volumeId", ""), tags_of(item)
        yield Resource(
            "volume",
            id,
            tags.get("Name", id),
            role=tags.get(ROLE_TAG, ""),
            state=item.findtext("status", ""),
            zone=item.findtext("availabilityZone", ""),
        )


def _addresses(wire: Wire, by_tag: dict[str, str]) -> Iterator[Resource]:
    """Ours make none, but one that carries the tag (of an exported plan, say) costs money and goes with the rest."""
    for item in wire.items("DescribeAddresses", "addressesSet/item", filters(by_tag)):
        address = item.findtext("publicIp", "")
        yield Resource("address", item.findtext("allocationId", ""), address, address=address)


def _secrets(wire: Wire, cluster: str) -> Iterator[Resource]:
    """Names only: what they hold is not read."""
    asked = {"ParameterFilters": [{"Key": "Name", "Option": "BeginsWith", "Values": [secrets_path(cluster)]}]}
    following: dict[str, str] = {}
    while True:
        page = wire.aws("ssm", "describe_parameters", **asked, **following)
        for parameter in page.get("Parameters", ()):
            yield Resource("secret", parameter["Name"], parameter["Name"])
        if not page.get("NextToken"):
            return
        following = {"NextToken": page["NextToken"]}


def _seconds(time: str) -> float | None:
    return datetime.fromisoformat(time).timestamp() if time else None
