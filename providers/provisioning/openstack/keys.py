"""The key pair of a cluster; Nova keeps it for the user who made it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from providers.provisioning.base import ClusterPlan, Resource
from providers.provisioning.openstack.wire import RefusedError, Wire


def name(plan: ClusterPlan) -> str | None:
    """Another key has another name, so that none is ever replaced under a machine."""
    if plan.ssh_key is None:
        return None
    kind_and_key = " ".join(plan.ssh_key.split()[:2])
    return f"rubincwl-{plan.name}-{hashlib.sha256(kind_and_key.encode()).hexdigest()[:8]}"


def ensure(wire: Wire, plan: ClusterPlan) -> tuple[Resource, ...]:
    """Import the plan's key unless it is there; gives it if it was not."""
    wanted = name(plan)
    if wanted is None or plan.ssh_key is None:
        return ()
    body = {"keypair": {"name": wanted, "public_key": plan.ssh_key, "type": "ssh"}}

    def make() -> Resource:
        try:
            wire.call("compute", "POST", "/os-keypairs", body)
        except RefusedError as refused:
            if not refused.conflict:  # another apply has made it
                raise
        return Resource("key", wanted, wanted)

    key, made = wire.made(lambda: next((each for each in find(wire, plan.name) if each.name == wanted), None), make)
    return (key,) if made else ()


def find(wire: Wire, cluster: str) -> Iterator[Resource]:
    """The cluster's keys of this user, by their names."""
    ours = re.compile(rf"rubincwl-{re.escape(cluster)}-[0-9a-f]{{8}}")
    for each in wire.items("compute", "keypairs", "/os-keypairs"):
        found = str(each["keypair"]["name"])
        if ours.fullmatch(found):
            yield Resource("key", found, found)
