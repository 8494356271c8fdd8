"""The public key with which its owner logs in. The private one never leaves its owner."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator

from providers.base import Problem
from providers.provisioning.base import TAG, CloudError, ClusterPlan, Resource
from providers.provisioning.ec2.form import filters, tagged
from providers.provisioning.ec2.wire import RefusedError, Wire

_TAKEN = ("ssh-rsa", "ssh-ed25519")


def name(plan: ClusterPlan) -> str | None:
    """What EC2 calls the plan's key: another key has another name, so that none is ever replaced under a machine."""
    if plan.ssh_key is None:
        return None
    kind_and_key = " ".join(plan.ssh_key.split()[:2])
    return f"rubincwl-{plan.name}-{hashlib.sha256(kind_and_key.encode()).hexdigest()[:8]}"


def problems(plan: ClusterPlan) -> Iterator[Problem]:
    """Keys that EC2 does not take."""
    if plan.ssh_key is not None and not _is_public(plan.ssh_key):
        kind = "a private key" if "PRIVATE KEY" in plan.ssh_key else "no public key that EC2 takes"
        help = "the text of a public key, RSA or ED25519: what is in ~/.ssh/id_ed25519.pub"
        yield Problem("bad-ssh-key", f"the ssh key is {kind}", help, "cluster.ssh_key_file")


def _is_public(text: str) -> bool:
    """Whether it is ``type base64 comment``, and the base64 says the same type."""
    kind, _, rest = text.partition(" ")
    try:
        inside = b64decode(rest.split()[0], validate=True)
    except (ValueError, IndexError):
        return False
    return kind in _TAKEN and inside.startswith(len(kind).to_bytes(4) + kind.encode())


def ensure(wire: Wire, plan: ClusterPlan) -> tuple[Resource, ...]:
    """Import the plan's key unless it is there; gives it if it was not."""
    wanted = name(plan)
    if wanted is None or plan.ssh_key is None or any(key.name == wanted for key in find(wire, plan.name)):
        return ()
    material = b64encode(plan.ssh_key.encode()).decode()
    asked = {"KeyName": wanted, "PublicKeyMaterial": material}
    try:
        wire.ec2("ImportKeyPair", {**asked, **tagged({**plan.tags(), "Name": wanted}, "key-pair")})
    except RefusedError as error:
        if error.code != "InvalidKeyPair.Duplicate":
            raise
        # Another apply, or this very call before its answer was lost, has imported it.
        if all(key.name != wanted for key in find(wire, plan.name)):
            words = f"there is a key pair {wanted!r} already, without the tag {TAG}={plan.name}"
            raise CloudError(words) from error
    return (Resource("key", wanted, wanted),)


def find(wire: Wire, cluster: str) -> Iterator[Resource]:
    """The cluster's keys."""
    for item in wire.items("DescribeKeyPairs", "keySet/item", filters({f"tag:{TAG}": cluster})):
        key = item.findtext("keyName", "")
        yield Resource("key", key, key)
