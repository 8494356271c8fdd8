"""Taking away, one thing at a time; what has gone already is no error."""

from __future__ import annotations

from collections.abc import Mapping

from providers.provisioning.base import Kind, Resource
from providers.provisioning.ec2.wire import RefusedError, Wire
from providers.provisioning.ec2.words import GONE

_CALLS: Mapping[Kind, tuple[str, str]] = {
    "node": ("TerminateInstances", "InstanceId.1"),
    "volume": ("DeleteVolume", "VolumeId"),
    "address": ("ReleaseAddress", "AllocationId"),
    "key": ("DeleteKeyPair", "KeyName"),
    "firewall": ("DeleteSecurityGroup", "GroupId"),
}


def destroy(wire: Wire, resource: Resource) -> None:
    """Remove it. Raises `CloudError` while something else still holds it."""
    try:
        if resource.kind == "secret":
            wire.aws("ssm", "delete_parameter", Name=resource.id)
        elif resource.id.startswith("sir-"):
            wire.ec2("CancelSpotInstanceRequests", {"SpotInstanceRequestId.1": resource.id})
        else:
            action, field = _CALLS[resource.kind]
            wire.ec2(action, {field: resource.id})
    except RefusedError as error:
        if error.code not in GONE:
            raise
