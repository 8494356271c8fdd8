"""What a cluster is, before and after it is there: plain records, and what a cloud must do to make one.

Nothing is kept on the user's machine: everything that is made carries the cluster's name as a tag, a label or, where
there is neither, a prefix of its own name, and is found again by that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from providers.base import MachineType, Market, Price, Problem

TAG = "rubincwl-cluster"
"""Key of the tag or label whose value is the cluster's name."""
ROLE_TAG = "rubincwl-role"
"""``head``, or the name of a group of workers."""
MADE_OF_TAG = "rubincwl-made-of"
"""What it was made from (`Group.made_of`, `ClusterPlan.made_of`), so that a plan that has changed since is told."""

Kind = Literal["firewall", "key", "secret", "address", "volume", "node"]
"""What a cloud charges for or holds: a security group or firewall rule is a ``firewall``."""
DESTROY_ORDER: tuple[Kind, ...] = ("node", "volume", "address", "secret", "key", "firewall")
"""A firewall can only go when no node uses it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to get a machine."""

    machine: MachineType
    market: Market
    zone: str | None = None
    """None for any zone of the region."""
    price: Price | None = None
    """What it costs as a rule. None where it is not known; then no limit of money can be kept, and a plan with one is
    refused."""
    usd_hour_at_most: float | None = None
    """Of a spot machine, whose price moves: what it can rise to, the price on demand. None for `price` itself."""

    @property
    def ceiling(self) -> float | None:
        """The most that it can cost an hour, in USD."""
        return self.usd_hour_at_most or (self.price.usd_hour if self.price is not None else None)


@dataclass(frozen=True, slots=True)
class Group:
    """Machines alike."""

    name: str
    """``head``, or a name for the workers: letters, digits and dashes."""
    count: int
    choices: tuple[Choice, ...]
    """In the order in which they are tried: the next one where the cloud has no capacity."""
    disk_gib: int
    user_data: str
    """What the machine does at its first start, as cloud-init reads it."""
    disk_usd_hour: float | None = None
    """What the disk of one machine costs. None where it is not known; it is not counted then."""

    @property
    def head(self) -> bool:
        """Whether this is the machine that manages and submits."""
        return self.name == "head"

    @property
    def made_of(self) -> str:
        """Twelve hexadecimal digits that change with what its machines do and how large their disks are."""
        return _digest(self.user_data, self.disk_gib)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cluster may cost and how long it may last."""

    usd_hour: float | None
    usd_total: float | None
    lease_s: int
    """After so many seconds every machine ends itself, whatever it does."""
    idle_s: int
    """And after so many without a job."""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """All that is to be made."""

    name: str
    provider: str
    region: str
    groups: tuple[Group, ...]
    """The head first."""
    ssh_from: tuple[str, ...]
    """Networks (CIDR) that may reach the head's port 22."""
    ssh_key: str | None
    """A public key, its text; None to leave the image's own way in."""
    limits: Limits
    image: str
    """Family of images, of which the newest is taken: ``debian-13``."""
    identity: str | None = None
    """The role that machines have: an instance profile, a service account."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The user's own, beside ours."""
    network: str | None = None
    """A network or subnet of the user's; None for the cloud's default."""

    @property
    def made_of(self) -> str:
        """Twelve hexadecimal digits that change with who may come in and where."""
        return _digest(sorted(self.ssh_from), self.network)

    def tags(self, group: Group | None = None) -> dict[str, str]:
        """Tags or labels of a node of `group`, or of what belongs to no group: the user's, and ours over them."""
        ours = {TAG: self.name, MADE_OF_TAG: group.made_of if group else self.made_of}
        return {**self.labels, **ours, **({ROLE_TAG: group.name} if group else {})}

    @property
    def usd_hour(self) -> float | None:
        """The most that it can cost an hour: of each group the dearest choice, with disks. None where that is unknown.

        What is billed by use is not in it: traffic, requests, addresses.
        """
        dearest = [[choice.ceiling for choice in group.choices] for group in self.groups]
        if any(each is None for ceilings in dearest for each in ceilings):
            return None
        return sum(
            group.count * (max((each or 0.0 for each in ceilings), default=0.0) + (group.disk_usd_hour or 0.0))
            for ceilings, group in zip(dearest, self.groups, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that is there."""

    kind: Kind
    id: str
    """As the cloud's calls take it."""
    name: str
    role: str = ""
    """Of a node: the name of its group."""
    state: str = ""
    """Of a node: ``pending``, ``running``, ``stopping``, ``stopped``; what is terminated is not there."""
    machine: str = ""
    zone: str = ""
    market: Market | None = None
    address: str = ""
    """Of a node: the public one if it has one, else the private one."""
    ends_at: float | None = None
    """Seconds since 1970 at which the cloud itself ends it; None where only the node does."""
    made_at: float | None = None
    made_of: str = ""
    """Value of `MADE_OF_TAG`; empty where the cloud keeps none."""


def node_name(cluster: str, group: str, number: int) -> str:
    """The `Resource.name` of a node, by which a repeated `apply` knows which are there.

    >>> node_name("dark", "workers", 2)
    'dark-workers-2'
    """
    return f"{cluster}-{group}-{number}"


def _digest(*facts: object) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


class CapacityError(Exception):
    """The cloud has no such machine now (or takes no more spot requests): try the next choice."""


class CloudError(Exception):
    """A call failed for good. The message says which one and why, in words; it holds no secret."""


@runtime_checkable
class Cloud(Protocol):
    """What provisioning needs of a cloud. Each method may raise `CloudError`, and nothing else but `CapacityError`.

    Calls are made so that repeating one after a failure makes nothing twice: by a client token, by a name that may
    exist once, or by looking first.
    """

    user_data_limit: int
    """Bytes that the cloud takes of a machine's user data."""
    can_stop_cost: bool
    """Whether a machine that shuts itself down costs nothing from then on (EC2 terminates it)."""

    def preflight(self, plan: ClusterPlan) -> tuple[Problem, ...]:
        """What would make `apply` fail: quotas, a missing image, network, role or key. Reads only.

        The groups of `plan` count only what is yet to be started.
        """
        ...

    def find(self, cluster: str) -> tuple[Resource, ...]:
        """Everything of the cluster that is there, whoever made it and from where.

        A node that is ending is there in the state ``stopping`` until it is gone.
        """
        ...

    def prepare(self, plan: ClusterPlan, there: Iterable[Resource]) -> tuple[Resource, ...]:
        """Make what nodes need before they start (firewall, key), unless it is among `there`.

        A firewall that was made for other settings is brought to those of the plan, under nodes that work too: who
        moves house must be able to let himself in. Returns what it made or changed.
        """
        ...

    def start(self, plan: ClusterPlan, group: Group, choice: Choice, number: int) -> Resource:
        """Start the node `number` (from 1) of a group as `choice` says and return when the cloud has taken it.

        It is named `node_name` and carries ``plan.tags(group)`` from its first moment. Where a machine that shuts
        itself down still costs, the cloud itself is told to end it after ``plan.limits.lease_s``. A machine of this
        name that has ended does not stand in the way. Raises `CapacityError` where the cloud has none now.
        """
        ...

    def destroy(self, resource: Resource) -> None:
        """Remove it, and return when it is gone or certain to go; what is gone already is no error.

        What another resource still holds (a firewall of a node that is ending) is a `CloudError`; it is tried again.
        """
        ...
