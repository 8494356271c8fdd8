"""What Google is asked to make: bodies of calls, by the names of its REST API, version 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from providers.provisioning.base import MADE_OF_TAG, TAG, Choice, ClusterPlan, Group, node_name
from providers.provisioning.cloud_init import google_startup
from providers.provisioning.images import GCE_IMAGES

POOL_PORT = "9618"
DISK_TYPE = "pd-balanced"

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# Before the rules that a network has by itself (65534) or that people make without saying (1000).
_ALLOW, _DENY = 900, 950


@dataclass(frozen=True, slots=True)
class Network:
    """Where machines stand: ``NETWORK`` or ``NETWORK/SUBNETWORK`` of the plan; ``default`` where it says nothing."""

    name: str
    subnetwork: str

    @classmethod
    def of(cls, plan: ClusterPlan) -> Network:
        """As the plan says."""
        name, _, subnetwork = (plan.network or "default").partition("/")
        return cls(name, subnetwork)


def email(identity: str, project: str) -> str:
    """The service account in full.

    >>> email("nodes", "survey-1")
    'nodes@survey-1.iam.gserviceaccount.com'
    """
    return identity if "@" in identity else f"{identity}@{project}.iam.gserviceaccount.com"


def node_tag(cluster: str) -> str:
    """The network tag of all machines of a cluster."""
    return f"rubincwl-node-{cluster}"


def head_tag(cluster: str) -> str:
    """The network tag of its head."""
    return f"rubincwl-head-{cluster}"


def rule_names(cluster: str) -> dict[str, str]:
    """Names of its firewall rules by what they do, in the order in which they are made."""
    return {each: f"rubincwl-{cluster}-{each}" for each in ("closed", "pool", "ssh")}


def description(plan: ClusterPlan) -> str:
    """Of firewall rules, which have no labels."""
    return " ".join(f"{key}={value}" for key, value in ((TAG, plan.name), (MADE_OF_TAG, plan.made_of)))


def firewalls(plan: ClusterPlan, project: str) -> Iterator[dict[str, Any]]:
    """Rules of the cluster: nobody may come in, but its own machines to HTCondor's port and `ssh_from` to the head.

    The first is needed: Google's network ``default`` lets the whole internet reach port 22 of every machine.
    """
    names, tag = rule_names(plan.name), node_tag(plan.name)
    common = {
        "network": f"projects/{project}/global/networks/{Network.of(plan).name}",
        "description": description(plan),
        "direction": "INGRESS",
    }
    yield {
        **common,
        "name": names["closed"],
        "priority": _DENY,
        "denied": [{"IPProtocol": "all"}],
        "sourceRanges": ["0.0.0.0/0"],
        "targetTags": [tag],
    }
    yield {
        **common,
        "name": names["pool"],
        "priority": _ALLOW,
        "allowed": [{"IPProtocol": "tcp", "ports": [POOL_PORT]}],
        "sourceTags": [tag],
        "targetTags": [tag],
    }
    # Google takes a rule without a source for one that lets everybody in.
    if plan.ssh_from:
        yield {
            **common,
            "name": names["ssh"],
            "priority": _ALLOW,
            "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],
            "sourceRanges": list(plan.ssh_from),
            "targetTags": [head_tag(plan.name)],
        }


def instance(plan: ClusterPlan, group: Group, choice: Choice, number: int, project: str, zone: str) -> dict[str, Any]:
    """A machine with its disk, labelled from its first moment. Raises `KeyError` for an unknown family of images."""
    name, labels = node_name(plan.name, group.name, number), plan.tags(group)
    image = GCE_IMAGES.family(plan.image)
    tags = [node_tag(plan.name), *([head_tag(plan.name)] if group.head else [])]
    accounts = [{"email": email(plan.identity, project), "scopes": [_SCOPE]}] if plan.identity else []
    return {
        "name": name,
        "machineType": f"zones/{zone}/machineTypes/{choice.machine.name}",
        "labels": labels,
        "tags": {"items": tags},
        "metadata": {"items": [{"key": key, "value": value} for key, value in metadata(plan, group).items()]},
        "disks": [
            {
                "boot": True,
                "autoDelete": True,
                "initializeParams": {
                    "sourceImage": f"projects/{image.owner}/global/images/family/{image.pattern}",
                    "diskSizeGb": str(group.disk_gib),
                    "diskType": f"zones/{zone}/diskTypes/{DISK_TYPE}",
                    "labels": labels,
                },
            }
        ],
        "networkInterfaces": [_interface(plan, project)],
        "serviceAccounts": accounts,
        "scheduling": _scheduling(plan, choice),
        "shieldedInstanceConfig": {
            "enableSecureBoot": True,
            "enableVtpm": True,
            "enableIntegrityMonitoring": True,
        },
    }


def metadata(plan: ClusterPlan, group: Group) -> dict[str, str]:
    """What the machine is told, by key.

    A key that the plan names is put in its place by cloud-init; without one, OS Login lets in whom Google's roles let
    in. Keys of the project open nothing here, nor does the serial console.
    """
    return {
        "user-data": group.user_data,
        "startup-script": google_startup(plan.limits.lease_s),
        "block-project-ssh-keys": "TRUE",
        "enable-oslogin": "FALSE" if plan.ssh_key else "TRUE",
        "serial-port-enable": "FALSE",
    }


def _interface(plan: ClusterPlan, project: str) -> dict[str, Any]:
    network = Network.of(plan)
    place = {"network": f"projects/{project}/global/networks/{network.name}"}
    if network.subnetwork:
        place["subnetwork"] = f"projects/{project}/regions/{plan.region}/subnetworks/{network.subnetwork}"
    return {**place, "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "name": "External NAT"}]}


def _scheduling(plan: ClusterPlan, choice: Choice) -> dict[str, Any]:
    """Google deletes it at the end of its lease, and when it takes a spot machine away: stopped, its disk would cost.

    It is never restarted by itself, since its time would begin anew.
    """
    spot = choice.market == "spot"
    moved = {} if not (spot or choice.machine.gpus) else {"onHostMaintenance": "TERMINATE"}
    return {
        "provisioningModel": "SPOT" if spot else "STANDARD",
        "automaticRestart": False,
        "instanceTerminationAction": "DELETE",
        "maxRunDuration": {"seconds": str(plan.limits.lease_s)},
        **moved,
    }
