"""What Google says is there, as resources of a cluster."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from providers.provisioning.base import MADE_OF_TAG, ROLE_TAG, TAG, Resource
from providers.provisioning.gce.form import rule_names

_STATES = {
    "PROVISIONING": "pending",
    "STAGING": "pending",
    "RUNNING": "running",
    "REPAIRING": "running",
    "STOPPING": "stopping",
    "PENDING_STOP": "stopping",
    "SUSPENDING": "stopping",
    "DEPROVISIONING": "stopping",
    "SUSPENDED": "stopped",
    "TERMINATED": "stopped",
}
"""Google calls a machine that has stopped, and whose disk still costs, ``TERMINATED``."""


def last(url: str) -> str:
    """The name at the end of a link."""
    return url.rpartition("/")[2]


def node(found: dict[str, Any]) -> Resource:
    """A machine, from the resource ``Instance``."""
    labels, zone = found.get("labels", {}), last(found["zone"])
    scheduling = found.get("scheduling", {})
    spot = scheduling.get("provisioningModel") == "SPOT" or scheduling.get("preemptible") is True
    state = _STATES.get(found.get("status", ""), "pending")
    return Resource(
        kind="node",
        id=f"zones/{zone}/instances/{found['name']}",
        name=found["name"],
        role=labels.get(ROLE_TAG, ""),
        state=state,
        machine=last(found["machineType"]),
        zone=zone,
        market="spot" if spot else "on-demand",
        address=_address(found),
        # A machine that has stopped stays until it is deleted; its time begins anew when it is started.
        ends_at=_end(found) if state in ("pending", "running") else None,
        made_at=_seconds(found.get("creationTimestamp")),
        made_of=labels.get(MADE_OF_TAG, ""),
    )


def volume(found: dict[str, Any]) -> Resource:
    """A disk, from the resource ``Disk``."""
    zone = last(found["zone"])
    return Resource(
        kind="volume",
        id=f"zones/{zone}/disks/{found['name']}",
        name=found["name"],
        role=found.get("labels", {}).get(ROLE_TAG, ""),
        zone=zone,
        made_at=_seconds(found.get("creationTimestamp")),
    )


def firewall(found: dict[str, Any]) -> Resource:
    """A rule, from the resource ``Firewall``; only the one that lets in from outside depends on the settings."""
    made_at = _seconds(found.get("creationTimestamp"))
    name, about = found["name"], told(found)
    made_of = about.get(MADE_OF_TAG, "") if name == rule_names(about.get(TAG, ""))["ssh"] else ""
    return Resource(kind="firewall", id=f"global/firewalls/{name}", name=name, made_at=made_at, made_of=made_of)


def secret(found: dict[str, Any]) -> Resource:
    """A secret, from the resource ``Secret``; never what it holds."""
    made_at = _seconds(found.get("createTime"))
    return Resource(kind="secret", id=found["name"], name=last(found["name"]), made_at=made_at)


def told(found: dict[str, Any]) -> dict[str, str]:
    """Keys and values in a description."""
    words = (each.partition("=") for each in str(found.get("description", "")).split())
    return {key: value for key, equals, value in words if equals}


def belongs(found: dict[str, Any], cluster: str) -> bool:
    """Whether its labels, or its description where it has none, name the cluster."""
    return (found.get("labels") or told(found)).get(TAG) == cluster


def _address(found: dict[str, Any]) -> str:
    for interface in found.get("networkInterfaces", ()):
        outside = (each.get("natIP") for each in interface.get("accessConfigs", ()))
        if address := next((each for each in outside if each), None) or interface.get("networkIP"):
            return str(address)
    return ""


def _end(found: dict[str, Any]) -> float | None:
    planned = found.get("resourceStatus", {}).get("scheduling", {}).get("terminationTimestamp")
    if planned:
        return _seconds(planned)
    seconds = found.get("scheduling", {}).get("maxRunDuration", {}).get("seconds")
    begin = _seconds(found.get("lastStartTimestamp") or found.get("creationTimestamp"))
    return None if seconds is None or begin is None else begin + float(seconds)


def _seconds(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None
