"""What the machines of a cluster do at their first start, as its settings say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from providers.base import Problem, Provider
from providers.provisioning.cloud_init import Node, problems, user_data
from providers.provisioning.cloud_init.node import CloudKind
from providers.provisioning.settings import ClusterSettings

FirstStart = Callable[[Provider, str, ClusterSettings], Mapping[str, str] | tuple[Problem, ...]]
"""From the provider, its region and the settings to the texts of ``head`` and ``worker``, or all that is wrong."""

_KINDS: Mapping[str, CloudKind] = {"aws": "aws", "gcp": "gcp", "onprem": "openstack"}
_SETTINGS = {
    "bad-user": "cluster.user",
    "bad-ssh-key": "cluster.ssh_key_file",
    "short-lease": "cluster.lease",
    "short-idle-limit": "cluster.idle",
    "bad-network": "cluster.network_range",
    "bad-project": "project",
    "bad-region": "region",
    "bad-package": "cluster.packages",
    "bad-apt-source": "cluster.apt_sources",
    "unsigned-apt-source": "cluster.apt_sources",
    "no-apt-source": "cluster.runtime",
}
"""Which setting is to blame for what can be wrong with a node."""


def first_start(provider: Provider, region: str, settings: ClusterSettings) -> Mapping[str, str] | tuple[Problem, ...]:
    """The user data of ``head`` and ``worker``; the same settings give the same text, and no secret is in it."""
    kind = _KINDS.get(provider.name)
    if kind is None:
        return (Problem("no-first-start", f"machines of {provider.name} cannot be set up", None, "cluster"),)
    missing: tuple[Problem, ...] = ()
    if kind != "openstack" and not settings.identity:
        message = "without a role the head cannot hand workers their token, and none could join it"
        help = "identity: an instance profile (AWS) or a service account (Google); docs/clusters.md tells its rights"
        missing = (Problem("no-identity", message, help, "cluster.identity"),)
    head = Node(
        role="head",
        cluster=settings.name,
        cloud=kind,
        region=region,
        lease_s=settings.lease_s,
        idle_s=settings.idle_s,
        project=str(getattr(provider, "settings", {}).get("project") or ""),
        network=settings.network_range,
        packages=settings.packages.get("head", ()),
        apt_sources=settings.apt_sources,
        user=settings.user,
        ssh_key=settings.ssh_key,
    )
    worker = replace(head, role="worker", packages=settings.packages.get("workers", ()), runtime=settings.runtime)
    wrong = {(each.code, each.message): each for each in (*problems(head), *problems(worker))}
    if wrong or missing:
        return (*missing, *(replace(each, setting=_SETTINGS.get(each.code, "cluster")) for each in wrong.values()))
    return {"head": user_data(head), "worker": user_data(worker)}
