"""Two security groups: the pool's, whose members reach each other's port 9618, and the head's, for ssh from outside.

Their names are the cluster's, since a list of groups shows no tags that older clouds keep; the description holds what
they were made for. Workers are in the first one only, so nobody reaches them from outside whatever else is open.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, NamedTuple

from providers.provisioning.base import MADE_OF_TAG, CloudError, ClusterPlan, Group, Resource
from providers.provisioning.openstack.wire import RefusedError, Wire

SSH, CONDOR = 22, 9618


class Rule(NamedTuple):
    """Who may reach which ports; empty for any."""

    ethertype: str
    protocol: str
    first: str
    last: str
    network: str
    group: str
    """Id of the security group whose members may."""

    def body(self, group: str) -> dict[str, Any]:
        """As Neutron takes it, in the security group `group`."""
        return {
            "security_group_id": group,
            "direction": "ingress",
            "ethertype": self.ethertype,
            "protocol": self.protocol,
            "port_range_min": int(self.first),
            "port_range_max": int(self.last),
            **({"remote_ip_prefix": self.network} if self.network else {"remote_group_id": self.group}),
        }


def names(cluster: str) -> tuple[str, str]:
    """Of the pool's group and the head's."""
    return f"rubincwl-{cluster}-pool", f"rubincwl-{cluster}-head"


def ensure(wire: Wire, plan: ClusterPlan) -> tuple[Resource, ...]:
    """Make both groups, or bring their rules to what the plan says; gives those that were made or changed."""
    touched = []
    pool, head = names(plan.name)
    ids: dict[str, str] = {}
    for name in (pool, head):
        group, made = wire.made(lambda name=name: _there(wire, name), lambda name=name: _make(wire, plan, name))  # type: ignore[misc]
        ids[name] = group["id"]
        wanted = {_from_pool(ids[pool])} if name == pool else {_from_outside(each) for each in plan.ssh_from}
        if _rule(wire, group, frozenset(wanted)) | _describe(wire, plan, group) | made:
            touched.append(Resource("firewall", group["id"], name, made_of=plan.made_of))
    return tuple(touched)


def of(wire: Wire, plan: ClusterPlan, group: Group) -> tuple[str, ...]:
    """Ids of the groups that machines of `group` are in. Raises `CloudError` if they have not been made."""
    pool, head = names(plan.name)
    wanted = (pool, head) if group.head else (pool,)
    there = {name: _there(wire, name) for name in wanted}
    if missing := [name for name, found in there.items() if found is None]:
        raise CloudError(f"security groups that should be there are not: {', '.join(missing)}; apply again")
    return tuple(found["id"] for found in there.values() if found)


def find(wire: Wire, cluster: str) -> Iterator[Resource]:
    """The cluster's groups."""
    for name in names(cluster):
        for group in _named(wire, name):
            yield Resource("firewall", group["id"], name, made_of=_made_of(group))


def _there(wire: Wire, name: str) -> dict[str, Any] | None:
    """The same one at each look, should there be two."""
    return min(_named(wire, name), key=lambda group: str(group["id"]), default=None)


def _named(wire: Wire, name: str) -> Iterator[dict[str, Any]]:
    # An administrator would see those of others too.
    asked = {"name": name, "project_id": wire.project}
    return wire.items("network", "security_groups", "/security-groups", asked)


def _make(wire: Wire, plan: ClusterPlan, name: str) -> dict[str, Any]:
    body = {"security_group": {"name": name, "description": ""}}
    made: dict[str, Any] = wire.call("network", "POST", "/security-groups", body)["security_group"]
    return made


def _describe(wire: Wire, plan: ClusterPlan, group: dict[str, Any]) -> bool:
    """Say what it was made for, once its rules are right."""
    if _made_of(group) == plan.made_of:
        return False
    body = {"security_group": {"description": f"{MADE_OF_TAG}={plan.made_of}"}}
    wire.call("network", "PUT", f"/security-groups/{group['id']}", body)
    return True


def _made_of(group: dict[str, Any]) -> str:
    """``unfinished`` where its rules may not be right yet."""
    key, _, value = str(group.get("description") or "").partition("=")
    return value if key == MADE_OF_TAG and value else "unfinished"


def _rule(wire: Wire, group: dict[str, Any], wanted: frozenset[Rule]) -> bool:
    """Let in whom the plan names, and nobody else; what may go out is left as Neutron makes it."""
    there = {_read(each): each["id"] for each in group["security_group_rules"] if each["direction"] == "ingress"}
    for rule in sorted(wanted - there.keys()):
        try:
            wire.call("network", "POST", "/security-group-rules", {"security_group_rule": rule.body(group["id"])})
        except RefusedError as refused:
            if not refused.conflict:  # the same rule, made by another apply
                raise
    for rule in sorted(there.keys() - wanted):
        try:
            wire.call("network", "DELETE", f"/security-group-rules/{there[rule]}")
        except RefusedError as refused:
            if not refused.gone:
                raise
    return wanted != there.keys()


def _read(rule: dict[str, Any]) -> Rule:
    fields = ("ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
    return Rule(*("" if rule.get(field) is None else str(rule[field]) for field in fields))


def _from_pool(pool: str) -> Rule:
    return Rule("IPv4", "tcp", str(CONDOR), str(CONDOR), "", pool)


def _from_outside(network: str) -> Rule:
    of = ipaddress.ip_network(network, strict=False)
    return Rule(f"IPv{of.version}", "tcp", str(SSH), str(SSH), str(of), "")
