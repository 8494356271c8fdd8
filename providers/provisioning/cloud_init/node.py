"""What a machine must know to become a head or a worker, and what can be wrong with that."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from providers.base import Problem

Role = Literal["head", "worker"]
CloudKind = Literal["aws", "gcp", "openstack"]
Runtime = Literal["apptainer", "docker"]

HEAD_METADATA = "rubincwl-head"
"""Key of a worker's own metadata whose value is the head's private address, on clouds without a store of secrets."""

NEEDS_SOURCE = {"apptainer": "Debian 13 has no package apptainer"}
"""What a node can be asked to have and Debian does not."""

_CLUSTER = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?")
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_KEY_BLOCK = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_SHORTEST_LEASE_S = 15 * 60
_SHORTEST_IDLE_S = 10 * 60


@dataclass(frozen=True, slots=True)
class AptSource:
    """A repository of packages that is not Debian's own."""

    name: str
    """Of its file under ``/etc/apt/sources.list.d``: of a-z, 0-9 and dashes."""
    line: str
    """As in a sources.list; ``$KEY_FILE`` stands for the file that holds `key`:
    ``deb [signed-by=$KEY_FILE] https://… trixie main``."""
    key: str
    """The public key that signs it, as armoured text."""


@dataclass(frozen=True, slots=True)
class Node:
    """Everything that a machine is told at its first start. None of it is secret."""

    role: Role
    cluster: str
    """The cluster's name: a letter, then a-z, 0-9 and dashes, at most 40."""
    cloud: CloudKind
    region: str
    lease_s: int
    """Seconds from the first start after which the machine ends itself, whatever it does."""
    idle_s: int
    """Seconds without work after which it ends itself."""
    project: str = ""
    """Of Google: the project that holds the secret."""
    network: str = ""
    """Of OpenStack: the cluster's network (CIDR), from which requests for tokens are granted for a short time."""
    head_address: str = ""
    """Of OpenStack's workers: the head's private address, if it is fixed; else it is read from the worker's metadata
    (`HEAD_METADATA`)."""
    packages: tuple[str, ...] = ()
    """Beyond HTCondor and what it needs: on the head for instance ``pegasus``, which is not in Debian."""
    apt_sources: tuple[AptSource, ...] = ()
    runtime: Runtime | None = None
    """What runs containers on workers; None where the image has it or no job needs it."""
    user: str = "rubin"
    """Who logs in by SSH, on the head only to submit; made at the first start."""
    ssh_key: str | None = None
    """The user's public key; None to leave the image's own way in."""

    @property
    def head(self) -> bool:
        """Whether this is the machine that manages and submits."""
        return self.role == "head"


def secret_name(cluster: str, cloud: CloudKind) -> str | None:
    """Under which name the cloud's store of secrets holds the workers' token; None where there is no store.

    Its value is JSON: ``{"head": address, "token": text, "expires": seconds since 1970}``.
    """
    if cloud == "aws":
        return f"/rubincwl/{cluster}/worker-token"
    if cloud == "gcp":
        return f"rubincwl-{cluster}-worker-token"
    return None


def problems(node: Node) -> tuple[Problem, ...]:
    """What keeps a node from becoming what it should, all of it."""
    return (*_names(node), *_limits(node), *_place(node), *_software(node))


def _names(node: Node) -> list[Problem]:
    found = []
    if not _CLUSTER.fullmatch(node.cluster):
        way = "a letter, then a-z, 0-9 and '-', at most 40"
        found.append(Problem("bad-cluster-name", f"{node.cluster!r} cannot be the cluster's name", way))
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", node.user):
        found.append(Problem("bad-user", f"{node.user!r} cannot be a user's name", "of a-z, 0-9, '_' and '-'"))
    elif node.user in ("root", "condor", "nobody"):
        found.append(Problem("bad-user", f"{node.user!r} is a user of the system", "name another one"))
    if node.ssh_key is not None and not re.fullmatch(r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+( [^\n]*)?", node.ssh_key):
        found.append(Problem("bad-ssh-key", "the SSH key is no public key", "the line of a file that ends in .pub"))
    return found


def _limits(node: Node) -> list[Problem]:
    found = []
    if node.lease_s < _SHORTEST_LEASE_S:
        message = f"a lease of {node.lease_s} s ends the machine before it has set itself up"
        found.append(Problem("short-lease", message, f"at least {_SHORTEST_LEASE_S} s"))
    if node.idle_s < _SHORTEST_IDLE_S:
        message = f"an idle limit of {node.idle_s} s ends the machine before a job can reach it"
        found.append(Problem("short-idle-limit", message, f"at least {_SHORTEST_IDLE_S} s"))
    return found


def _place(node: Node) -> list[Problem]:
    found = []
    if node.cloud == "aws" and not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", node.region):
        found.append(Problem("bad-region", f"{node.region!r} is no region", "for instance us-east-1"))
    if node.cloud == "gcp" and not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", node.project):
        found.append(Problem("bad-project", f"{node.project!r} is no project's id", "as in the console"))
    if node.cloud == "openstack" and node.head and not _is_network(node.network):
        way = "for instance 10.20.0.0/24; whoever is in it can join for a short time"
        found.append(Problem("bad-network", f"{node.network!r} is no network of 256 to 65,536 private addresses", way))
    if node.head_address and not _is_address(node.head_address):
        message = f"{node.head_address!r} is no address of the head"
        found.append(Problem("bad-head-address", message, "its private IPv4 address"))
    return found


def _software(node: Node) -> list[Problem]:
    found = [
        Problem("bad-package", f"{package!r} is no package's name", "as apt-get install takes it, one a line")
        for package in node.packages
        if not _PACKAGE.fullmatch(package)
    ]
    for source in node.apt_sources:
        if not _SOURCE_NAME.fullmatch(source.name) or not source.line.startswith("deb ") or "\n" in source.line:
            message = f"{source.name!r} is no source of packages"
            found.append(Problem("bad-apt-source", message, "a name, and a line that starts with 'deb '"))
        elif "signed-by=$KEY_FILE" not in source.line or not source.key.lstrip().startswith(_KEY_BLOCK):
            message = f"packages of the source {source.name!r} would not be verified"
            found.append(Problem("unsigned-apt-source", message, "give its public key, and [signed-by=$KEY_FILE]"))
    if not node.head and node.runtime in NEEDS_SOURCE and not node.apt_sources:
        way = "give a source of packages that has it, an image that has it with no runtime named, or take docker"
        found.append(Problem("no-apt-source", NEEDS_SOURCE[node.runtime], way))
    return found


def _is_network(text: str) -> bool:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return network.is_private and 16 <= network.prefixlen <= 30


def _is_address(text: str) -> bool:
    try:
        return ipaddress.IPv4Address(text).is_private
    except ValueError:
        return False
