"""What EC2's error codes mean for the user, in words.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NO_CAPACITY = frozenset(
    (
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "InsufficientAddressCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "MaxSpotFleetRequestCountExceeded",
        "SpotMaxPriceTooLow",
        "Unsupported",
        "UnsupportedOperation.InstanceTypeNotSupportedInZone",
    )
)
"""With another type, market or zone the call may succeed. ``Unsupported`` is what EC2 says of a type that a zone does
not have."""

GONE = frozenset(
    (
        "InvalidInstanceID.NotFound",
        "InvalidVolume.NotFound",
        "InvalidGroup.NotFound",
        "InvalidKeyPair.NotFound",
        "InvalidAllocationID.NotFound",
        "InvalidAddress.NotFound",
        "InvalidSpotInstanceRequestID.NotFound",
        "ParameterNotFound",
    )
)

DENIED = frozenset(("UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "UnauthorizedException"))

_MEANING: Mapping[str, str] = {
    "AuthFailure": "AWS does not take the credentials: the key is wrong, deleted or not yet active",
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": "the account has no role for spot machines yet, and these "
    "credentials may not make it: let an administrator run 'aws iam create-service-linked-role --aws-service-name "
    "spot.amazonaws.com' once",
    "Blocked": "the account is blocked; AWS knows why",
    "DependencyViolation": "something still uses it, for instance a machine that is ending; wait a minute",
    "ExpiredToken": "the credentials have run out: log in again",
    "ExpiredTokenException": "the credentials have run out: log in again",
    "IdempotentParameterMismatch": "the same request was made a moment ago with other particulars; wait and repeat",
    "InvalidAMIID.NotFound": "the image has gone; repeat, and the newest one is looked up again",
    "InvalidClientTokenId": "AWS does not know the access key",
    "InvalidKey.Format": "the public key is none that EC2 takes: RSA or ED25519 in OpenSSH's format",
    "InvalidKeyPair.Format": "the public key is none that EC2 takes: RSA or ED25519 in OpenSSH's format",
    "InvalidParameterValue": "EC2 does not take a value",
    "InvalidSubnetID.NotFound": "there is no such subnet in this region",
    "InvalidUserData.Malformed": "EC2 cannot read the user data, or it is longer than 16384 bytes",
    "InvalidVpcID.NotFound": "there is no such VPC in this region",
    "OptInRequired": "the region or product must first be enabled for the account",
    "PendingVerification": "AWS is still verifying the account",
    "RequestExpired": "the clock of this machine is more than five minutes wrong, or the credentials have run out",
    "SecurityGroupLimitExceeded": "the account has as many security groups as its quota allows",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "UnrecognizedClientException": "AWS does not know the access key",
    "UnsupportedOperation": "EC2 cannot do this here",
    "VPCIdNotSpecified": "the region has no default VPC: name a subnet",
    "VolumeInUse": "a machine still has it",
    "VolumeLimitExceeded": "the account's quota of volumes is used up",
}
_ENCODED = re.compile(r"\s*Encoded authorization failure message: \S+", re.IGNORECASE)
_LONGEST = 300


def explained(call: str, code: str, message: str) -> str:
    """A sentence of a refused call: which, what it means, and what AWS itself says, cut where it stops helping.

    >>> explained("RunInstances", "AuthFailure", "")
    'RunInstances was refused: AWS does not take the credentials: the key is wrong, deleted or not yet active'
    """
    told = _ENCODED.sub("", " ".join(message.split())).strip().rstrip(".")
    if len(told) > _LONGEST:
        told = told[: _LONGEST - 1] + "…"
    meaning = _MEANING.get(code)
    if code in DENIED:
        meaning = "these credentials may not do it; the policy for whoever provisions lists what is needed"
    if meaning is None:
        return f"{call} was refused: {code}" + (f": {told}" if told else "")
    return f"{call} was refused: {meaning}" + (f" ({code}: {told})" if told else "")
