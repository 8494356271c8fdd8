"""Where machines are put: the region's default VPC, or the VPC or subnet that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from providers.provisioning.base import CloudError
from providers.provisioning.ec2.form import filters
from providers.provisioning.ec2.wire import Wire


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC, and which of its subnets machines use."""

    vpc: str
    subnets: Mapping[str, str]
    """The subnet of each zone; of the default VPC, the zone's default one."""
    named: bool
    """Whether the user names it. In a default VPC EC2 picks the subnet, and the zone too unless one is asked for."""
    public: Mapping[str, bool]
    """Whether machines in the subnet of a zone get a public address."""

    def subnet(self, zone: str | None) -> str | None:
        """The subnet to ask for; None to leave it to EC2. Raises `CloudError` if there is none in `zone`."""
        if zone is not None and zone not in self.subnets:
            there = ", ".join(sorted(self.subnets)) or "none"
            raise CloudError(f"{self.vpc} has no subnet for machines in the zone {zone}; zones: {there}")
        if not self.named:
            return None
        return self.subnets[zone] if zone is not None else self.subnets[min(self.subnets)]


def look_up(wire: Wire, name: str | None) -> Network:
    """The network ``subnet-…`` or ``vpc-…``, or for None the default VPC.

    Raises `CloudError` if it is not there or has no subnet.
    """
    if name is None:
        wanted = filters({"vpc-id": _default_vpc(wire), "default-for-az": "true"})
    elif name.startswith("subnet-"):
        wanted = {"SubnetId.1": name}
    elif name.startswith("vpc-"):
        wanted = filters({"vpc-id": name})
    else:
        raise CloudError(f"{name!r} is no network of EC2: give subnet-… or vpc-…")
    found = sorted(wire.items("DescribeSubnets", "subnetSet/item", wanted), key=lambda s: s.findtext("subnetId", ""))
    if not found:
        raise CloudError(f"{name or 'the default VPC'} has no subnet for machines: make one, or name another network")
    subnets: dict[str, str] = {}
    public: dict[str, bool] = {}
    for item in found:
        zone, open_ = item.findtext("availabilityZone", ""), item.findtext("mapPublicIpOnLaunch") == "true"
        if zone not in subnets or (open_ and not public[zone]):
            subnets[zone], public[zone] = item.findtext("subnetId", ""), open_
    return Network(found[0].findtext("vpcId", ""), subnets, name is not None, public)


def _default_vpc(wire: Wire) -> str:
    for vpc in wire.items("DescribeVpcs", "vpcSet/item", filters({"is-default": "true"})):
        return vpc.findtext("vpcId", "")
    raise CloudError(
        f"{wire.account.region} has no default VPC: name a subnet (subnet-…) of your own as the cluster's network"
    )
