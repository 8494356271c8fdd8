"""What a provider says about itself: plain records, and the protocol that gives them.

A provider states facts and writes no file: which format they end in is a backend's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

COMPUTE, STAGING, LOCAL = "compute", "staging", "local"
"""Names of sites, the same for every provider, so that a workflow need not know where it runs."""

Capability = Literal["object-store", "provisioning", "prices"]


@dataclass(frozen=True, slots=True)
class Object:
    """A place in an object store."""

    scheme: str
    """``s3`` or ``gs``."""
    bucket: str
    key: str
    """Without a leading or trailing slash; empty for the bucket itself."""
    account: str = ""
    """Who asks: the name of a section in a credentials file, for schemes whose URLs say so."""

    def below(self, *names: str) -> Object:
        """The place under this one."""
        return Object(self.scheme, self.bucket, "/".join(n for n in (self.key, *names) if n), self.account)


@dataclass(frozen=True, slots=True)
class Store:
    """Where a site keeps files that jobs hand to each other, and where it keeps results."""

    scratch: Object
    outputs: Object


@dataclass(frozen=True, slots=True)
class Site:
    """A logical site: one of `COMPUTE`, `STAGING`, `LOCAL`."""

    name: str
    architecture: str = "x86_64"
    system: str = "linux"
    store: Store | None = None
    """None where files live in the workers' own folders."""


@dataclass(frozen=True, slots=True)
class Replica:
    """An existing file as jobs reach it."""

    site: str
    place: Object


@dataclass(frozen=True, slots=True)
class MachineType:
    """A kind of machine that can be had."""

    name: str
    cores: int
    """What a scheduler hands out: threads (vCPU) on clouds."""
    memory_gib: float
    """As it is published."""
    disk_gib: float | None = None
    """None where a volume of any size can be attached."""
    gpus: int = 0
    usable: float = 0.96
    """How much of the published memory jobs can have. The kernel and its page tables take their share before the
    scheduler sees any: an 8 GiB machine of AWS shows 7985 MiB, 97.5 % (AWS Batch user guide, 'Compute resource memory
    management'); what is left of it runs the scheduler's own processes."""

    @property
    def usable_mib(self) -> int:
        """The most that one job can ask for."""
        return int(self.memory_gib * 1024 * self.usable)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the settings; the driver turns it into a finding."""

    code: str
    message: str
    help: str | None = None


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A value that the user has not given yet, and the mark that stands for it in what is written."""

    mark: str
    """``@NAME@``."""
    meaning: str
    setting: str
    """The setting that takes its place."""


@runtime_checkable
class Provider(Protocol):
    """A place to run workflows.

    It is made from the user's settings for it, never reaches the network and never raises for a wrong setting:
    `problems` tells them all.
    """

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]

    def __init__(self, settings: Mapping[str, Any]) -> None: ...

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the settings."""
        ...

    def placeholders(self) -> tuple[Placeholder, ...]:
        """What is missing from the settings, each with the mark that stands in its place."""
        ...

    def sites(self) -> tuple[Site, ...]:
        """The sites `COMPUTE`, `STAGING` and `LOCAL`, in this order."""
        ...

    def replica(self, url: str) -> Replica | Problem:
        """How jobs reach the existing file or folder at `url`, or why they cannot."""
        ...

    def machines(self) -> tuple[MachineType, ...]:
        """Kinds of machines that suit, from small to large; none where nobody knows what the pool has."""
        ...
