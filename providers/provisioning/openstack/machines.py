"""Machines as Nova keeps them, and what is told of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from providers.provisioning.base import (
    MADE_OF_TAG,
    ROLE_TAG,
    TAG,
    Choice,
    ClusterPlan,
    Group,
    Resource,
    node_name,
)
from providers.provisioning.cloud_init.node import HEAD_METADATA
from providers.provisioning.openstack.keys import name as key_name
from providers.provisioning.openstack.wire import Wire

_PENDING = frozenset(("BUILD", "REBUILD"))
_ENDED = frozenset(
    ("SHUTOFF", "SUSPENDED", "PAUSED", "SHELVED", "SHELVED_OFFLOADED", "ERROR", "RESCUE", "DELETED", "SOFT_DELETED")
)
"""What does no work; it still holds what it was given. https://docs.openstack.org/api-guide/compute/server_concepts.html"""


def servers(wire: Wire, cluster: str) -> Iterator[dict[str, Any]]:
    """The cluster's machines, by their metadata."""
    for each in wire.items("compute", "servers", "/servers/detail"):
        if each["metadata"].get(TAG) == cluster:
            yield each


def resource(server: dict[str, Any]) -> Resource:
    """What is told of a machine. OpenStack ends none by itself, so that `Resource.ends_at` is None."""
    metadata = server["metadata"]
    return Resource(
        kind="node",
        id=server["id"],
        name=server["name"],
        role=metadata.get(ROLE_TAG, ""),
        state=_state(server),
        machine=server["flavor"].get("original_name", ""),
        zone=server.get("OS-EXT-AZ:availability_zone") or "",
        market="on-demand",
        address=_address(server, "floating") or _address(server, "fixed"),
        made_at=datetime.fromisoformat(server["created"]).timestamp(),
        made_of=metadata.get(MADE_OF_TAG, ""),
    )


def private_address(server: dict[str, Any]) -> str:
    """By which the other machines reach it; empty until it has one."""
    return _address(server, "fixed")


def placed(server: dict[str, Any]) -> bool:
    """Whether Nova has found a place for it, or told that there is none."""
    return server["status"] not in _PENDING or server.get("OS-EXT-STS:task_state") in ("networking", "spawning")


def no_place(server: dict[str, Any]) -> bool:
    """Whether it has failed since there is no host for it."""
    return server["status"] == "ERROR" and "No valid host" in fault(server)


def fault(server: dict[str, Any]) -> str:
    """Why it is in error, in Nova's words."""
    return str((server.get("fault") or {}).get("message") or server["status"])


def body(
    plan: ClusterPlan,
    group: Group,
    choice: Choice,
    number: int,
    flavor: str,
    image: str,
    network: str,
    firewalls: tuple[str, ...],
    head: str,
) -> dict[str, Any]:
    """What Nova makes a machine of; `head` is the head's private address, for workers."""
    server = {
        "name": node_name(plan.name, group.name, number),
        "flavorRef": flavor,
        "imageRef": image,
        "networks": [{"uuid": network}],
        "security_groups": [{"name": each} for each in firewalls],
        "metadata": {**plan.tags(group), **({HEAD_METADATA: head} if head else {})},
        "user_data": b64encode(group.user_data.encode()).decode(),
        "config_drive": True,
    }
    if key := key_name(plan):
        server["key_name"] = key
    if choice.zone:
        server["availability_zone"] = choice.zone
    return {"server": server}


def _state(server: dict[str, Any]) -> str:
    if server.get("OS-EXT-STS:task_state") in ("deleting", "soft-deleting"):
        return "stopping"
    status = server["status"]
    return "pending" if status in _PENDING else "stopped" if status in _ENDED else "running"


def _address(server: dict[str, Any], kind: str) -> str:
    """IPv4 first, since HTCondor is told one network."""
    found = [
        (each.get("version", 4), str(each["addr"]))
        for addresses in server.get("addresses", {}).values()
        for each in addresses
        if each.get("OS-EXT-IPS:type", "fixed") == kind
    ]
    return min(found, default=(4, ""))[1]
