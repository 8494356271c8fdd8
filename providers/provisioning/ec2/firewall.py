"""Two security groups: the pool's, whose members reach each other's port 9618, and the head's, for ssh from outside.

Workers are in the first one only, so nobody reaches them from outside whatever else is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple
from xml.etree.ElementTree import Element

from providers.provisioning.base import MADE_OF_TAG, TAG, CloudError, ClusterPlan, Group, Resource
from providers.provisioning.ec2.form import filters, numbered, tagged, tags_of
from providers.provisioning.ec2.network import Network
from providers.provisioning.ec2.wire import RefusedError, Wire

SSH, CONDOR = 22, 9618
_UNSEEN = frozenset(("InvalidGroup.NotFound", "InvalidGroupId.NotFound"))


class Rule(NamedTuple):
    """Who may reach a TCP port."""

    protocol: str
    first: str
    last: str
    field: str
    """Where EC2's calls take `source`: ``IpRanges.1.CidrIp``, ``Ipv6Ranges.1.CidrIpv6``, ``Groups.1.GroupId``…"""
    source: str


@dataclass(frozen=True, slots=True)
class Firewall:
    """A security group as it is there."""

    id: str
    name: str
    rules: frozenset[Rule]
    tags: Mapping[str, str]

    def resource(self) -> Resource:
        """What is told of it."""
        return Resource("firewall", self.id, self.name, made_of=self.tags.get(MADE_OF_TAG, ""))


def names(cluster: str) -> tuple[str, str]:
    """Of the pool's group and the head's."""
    return f"rubincwl-{cluster}-pool", f"rubincwl-{cluster}-head"


def ensure(wire: Wire, plan: ClusterPlan, network: Network) -> tuple[Resource, ...]:
    """Make both groups, or bring their rules to what the plan says; gives those that were made or changed."""
    there = {group.name: group for group in _in(wire, network, plan.name)}
    pool, head = names(plan.name)
    changed = {name for name in (pool, head) if name not in there}
    for name, what in ((pool, "machines of the pool among themselves"), (head, "ssh to the head")):
        if name not in there:
            there[name] = _make(wire, plan, network, name, f"rubincwl {plan.name}: {what}")
    own = Rule("tcp", str(CONDOR), str(CONDOR), "Groups.1.GroupId", there[pool].id)
    wanted = {pool: frozenset((own,)), head: frozenset(_ssh(network) for network in plan.ssh_from)}
    for name, rules in wanted.items():
        if there[name].rules != rules:
            _rule(wire, there[name], rules)
            changed.add(name)
        if there[name].tags.get(MADE_OF_TAG) != plan.made_of:
            _retag(wire, there[name], plan)
            changed.add(name)
    return tuple(replace(there[name].resource(), made_of=plan.made_of) for name in wanted if name in changed)


def of(wire: Wire, plan: ClusterPlan, group: Group, network: Network) -> tuple[str, ...]:
    """Ids of the groups that machines of `group` are in. Raises `CloudError` if they have not been made."""
    there = {found.name: found.id for found in _in(wire, network, plan.name)}
    pool, head = names(plan.name)
    wanted = (pool, head) if group.head else (pool,)
    if missing := [name for name in wanted if name not in there]:
        raise CloudError(f"security groups that should be there are not: {', '.join(missing)}; apply again")
    return tuple(there[name] for name in wanted)


def find(wire: Wire, cluster: str) -> Iterator[Resource]:
    """The cluster's groups, wherever they are."""
    for group in _described(wire, {f"tag:{TAG}": cluster}):
        yield group.resource()


def _in(wire: Wire, network: Network, cluster: str) -> Iterator[Firewall]:
    return _described(wire, {f"tag:{TAG}": cluster, "vpc-id": network.vpc})


def _described(wire: Wire, wanted: Mapping[str, str]) -> Iterator[Firewall]:
    for item in wire.items("DescribeSecurityGroups", "securityGroupInfo/item", filters(wanted)):
        rules = frozenset(rule for each in item.iterfind("ipPermissions/item") for rule in _rules(each))
        yield Firewall(item.findtext("groupId", ""), item.findtext("groupName", ""), rules, tags_of(item))


def _rules(permission: Element) -> Iterator[Rule]:
    ends = permission.findtext("fromPort", ""), permission.findtext("toPort", "")
    protocol = permission.findtext("ipProtocol", "")
    for path, text, field in (
        ("ipRanges/item", "cidrIp", "IpRanges.1.CidrIp"),
        ("ipv6Ranges/item", "cidrIpv6", "Ipv6Ranges.1.CidrIpv6"),
        ("groups/item", "groupId", "Groups.1.GroupId"),
        ("prefixListIds/item", "prefixListId", "PrefixListIds.1.PrefixListId"),
    ):
        for source in permission.iterfind(path):
            yield Rule(protocol, *ends, field, source.findtext(text, ""))


def _ssh(network: str) -> Rule:
    field = "Ipv6Ranges.1.CidrIpv6" if ":" in network else "IpRanges.1.CidrIp"
    return Rule("tcp", str(SSH), str(SSH), field, network)


def _make(wire: Wire, plan: ClusterPlan, network: Network, name: str, description: str) -> Firewall:
    tags = {**plan.tags(), "Name": name}
    asked = {"GroupName": name, "GroupDescription": description, "VpcId": network.vpc}
    try:
        made = wire.ec2("CreateSecurityGroup", {**asked, **tagged(tags, "security-group")})
        return Firewall(made.findtext("groupId", ""), name, frozenset(), tags)
    except RefusedError as error:
        if error.code != "InvalidGroup.Duplicate":
            raise
    # Another apply, or this very call before its answer was lost, has made it.
    for group in _described(wire, {"group-name": name, "vpc-id": network.vpc}):
        if group.tags.get(TAG) == plan.name:
            return group
    raise CloudError(f"there is a security group {name!r} in {network.vpc} already, without the tag {TAG}={plan.name}")


def _rule(wire: Wire, group: Firewall, wanted: frozenset[Rule]) -> None:
    """Let in whom the plan names, and nobody else."""
    for action, rules in (
        ("AuthorizeSecurityGroupIngress", wanted - group.rules),
        ("RevokeSecurityGroupIngress", group.rules - wanted),
    ):
        if rules:
            asked = {"GroupId": group.id, **_permissions(sorted(rules))}
            try:
                wire.retrying(partial(wire.ec2, action, asked), _UNSEEN)
            except RefusedError as error:
                if error.code not in ("InvalidPermission.Duplicate", "InvalidPermission.NotFound"):
                    raise


def _permissions(rules: list[Rule]) -> dict[str, str]:
    params: dict[str, str] = {}
    for number, rule in enumerate(rules, 1):
        at = f"IpPermissions.{number}"
        params[f"{at}.IpProtocol"] = rule.protocol
        if rule.first:
            params[f"{at}.FromPort"], params[f"{at}.ToPort"] = rule.first, rule.last
        params[f"{at}.{rule.field}"] = rule.source
    return params


def _retag(wire: Wire, group: Firewall, plan: ClusterPlan) -> None:
    """Its tag says what it now lets in; last, so that a change that stopped half-way is taken up again."""
    tags = {"Tag.1.Key": MADE_OF_TAG, "Tag.1.Value": plan.made_of}
    wire.ec2("CreateTags", {**numbered("ResourceId", [group.id]), **tags})
