"""One machine: what is asked for, asked once however often the call is made, and looked at when it is there."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from xml.etree.ElementTree import Element

from providers.provisioning.base import (
    CapacityError,
    Choice,
    CloudError,
    ClusterPlan,
    Group,
    Resource,
    node_name,
)
from providers.provisioning.ec2 import firewall, keys
from providers.provisioning.ec2.form import numbered, tagged
from providers.provisioning.ec2.images import Image
from providers.provisioning.ec2.inventory import ENDED, node
from providers.provisioning.ec2.network import Network
from providers.provisioning.ec2.wire import RefusedError, Wire
from providers.provisioning.ec2.words import NO_CAPACITY

_UNSEEN = frozenset(("InvalidInstanceID.NotFound", "InvalidGroup.NotFound", "InvalidKeyPair.NotFound"))
"""What EC2 says of what was made a moment ago."""
_LIVES = 50
"""How many machines of one name may have ended while EC2 still knows their tokens, which it does for a day or so."""
_JUST_NOW_S = 600
"""Twice what AWS lets the clock of this machine be wrong."""
_ENDED_AS_TOLD = (
    "Client.UserInitiatedShutdown",
    "Client.InstanceInitiatedShutdown",
    "Server.SpotInstanceTermination",
    "Server.SpotInstanceShutdown",
    "",
)


def asked_for(
    plan: ClusterPlan, group: Group, choice: Choice, number: int, image: Image, network: Network
) -> dict[str, str]:
    """Parameters of ``RunInstances`` but for the security groups."""
    tags = {**plan.tags(group), "Name": node_name(plan.name, group.name, number)}
    params = {
        "ImageId": image.id,
        "InstanceType": choice.machine.name,
        "MinCount": "1",
        "MaxCount": "1",
        "UserData": b64encode(group.user_data.encode()).decode(),
        # A machine whose lease ends shuts itself down, and must then cost nothing.
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions.HttpTokens": "required",
        "MetadataOptions.HttpPutResponseHopLimit": "1",
        "BlockDeviceMapping.1.DeviceName": image.root,
        "BlockDeviceMapping.1.Ebs.VolumeSize": str(max(group.disk_gib, image.size_gib)),
        "BlockDeviceMapping.1.Ebs.VolumeType": "gp3",
        "BlockDeviceMapping.1.Ebs.Encrypted": "true",
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true",
        **_placement(choice, network),
        **_identity(plan),
    }
    if (key := keys.name(plan)) is not None:
        params["KeyName"] = key
    spot = choice.market == "spot"
    if spot:
        params |= _spot(choice)
    return params | tagged(tags, "instance", "volume", *(("spot-instances-request",) if spot else ()))


def start(
    wire: Wire, plan: ClusterPlan, group: Group, choice: Choice, number: int, image: Image, network: Network
) -> Resource:
    """Start a machine, or find the one that the same request has started before, and see that it is as asked.

    Raises `CapacityError` for what another choice may get, `CloudError` for the rest. A machine that came up without
    its security groups is ended again.
    """
    groups = firewall.of(wire, plan, group, network)
    params = asked_for(plan, group, choice, number, image, network) | numbered("SecurityGroupId", groups)
    for life in range(_LIVES):
        started = _run(wire, params, life)
        if started is None:
            continue
        instance = _described(wire, started)
        if instance.findtext("instanceState/name") not in ENDED:
            _as_asked(wire, instance, frozenset(groups))
            return node(instance)
        _died(instance, time.time())
    raise CloudError(f"{node_name(plan.name, group.name, number)} has been started and ended too often today")


def _run(wire: Wire, params: Mapping[str, str], life: int) -> str | None:
    """The id of the machine that this request has started, now or before; None where that one has ended.

    EC2 starts one machine for one token and particulars, however often it is asked, and still knows the token when the
    machine has ended. So a machine that follows another one has a token of its own.
    """
    token = hashlib.sha256(json.dumps([sorted(params.items()), life]).encode()).hexdigest()
    try:
        run = partial(wire.ec2, "RunInstances", {**params, "ClientToken": token})
        return str(wire.retrying(run, _UNSEEN).findtext("instancesSet/item/instanceId"))
    except RefusedError as error:
        if error.code == "IdempotentInstanceTerminated":
            return None
        if error.code in NO_CAPACITY:
            raise CapacityError(str(error)) from None
        raise


def _described(wire: Wire, instance: str) -> Element:
    def look() -> Element:
        path = "reservationSet/item/instancesSet/item"
        for found in wire.items("DescribeInstances", path, {"InstanceId.1": instance}):
            return found
        raise RefusedError("DescribeInstances", "InvalidInstanceID.NotFound", instance)

    return wire.retrying(look, _UNSEEN)


def _as_asked(wire: Wire, instance: Element, groups: frozenset[str]) -> None:
    id = instance.findtext("instanceId", "")
    has = frozenset(item.findtext("groupId", "") for item in instance.iterfind("groupSet/item"))
    tokens = instance.findtext("metadataOptions/httpTokens")
    if has == groups and tokens == "required":
        return
    wire.ec2("TerminateInstances", {"InstanceId.1": id})
    wrong = "security groups" if has != groups else "protection of its metadata"
    raise CloudError(f"{id} came up without its {wrong}, and was ended again; this is not what was asked for")


def _died(instance: Element, now: float) -> None:
    """Tell of a machine that EC2 could not keep up, instead of starting another one for ever."""
    reason = instance.findtext("stateReason/code", "")
    if reason in _ENDED_AS_TOLD or now - (node(instance).made_at or now) > _JUST_NOW_S:
        return
    words = f"{instance.findtext('instanceId')} ended as it started: {instance.findtext('stateReason/message', reason)}"
    raise CapacityError(words) if "InsufficientInstanceCapacity" in reason else CloudError(words)


def _placement(choice: Choice, network: Network) -> dict[str, str]:
    subnet = network.subnet(choice.zone)
    if subnet is not None:
        return {"SubnetId": subnet}
    return {"Placement.AvailabilityZone": choice.zone} if choice.zone is not None else {}


def _identity(plan: ClusterPlan) -> dict[str, str]:
    if plan.identity is None:
        return {}
    field = "Arn" if plan.identity.startswith("arn:") else "Name"
    return {f"IamInstanceProfile.{field}": plan.identity}


def _spot(choice: Choice) -> dict[str, str]:
    """A machine for once, which ends when it is taken away, and never costs more than the plan says."""
    options = "InstanceMarketOptions.SpotOptions"
    asked = {
        "InstanceMarketOptions.MarketType": "spot",
        f"{options}.SpotInstanceType": "one-time",
        f"{options}.InstanceInterruptionBehavior": "terminate",
    }
    if choice.ceiling is not None:
        asked[f"{options}.MaxPrice"] = f"{choice.ceiling:.5f}"
    return asked
