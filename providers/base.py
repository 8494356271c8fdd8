"""What a provider says about itself: plain records, and the protocol that gives them.

A provider states facts and writes no file: which format they end in is a backend's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from providers.provisioning.base import Cloud

COMPUTE, STAGING, LOCAL = "compute", "staging", "local"
"""Names of sites, the same for every provider, so that a workflow need not know where it runs."""

Capability = Literal["object-store", "provisioning", "prices"]

Handover = Literal["object-store", "shared-folder", "submit-host"]
"""How jobs hand files to each other: through a store that each reaches itself, through a folder that all of them see,
or through the machine that submits them."""

Science = Literal["container", "setup-script"]
"""How the science stack reaches a worker where nothing else is said: an image, or a script that sets it up."""


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
class Folder:
    """A place in a file system that the machines of a site share."""

    path: str
    """Absolute, without a trailing slash."""

    def below(self, *names: str) -> Folder:
        """The place under this one."""
        return Folder("/".join((self.path, *names)))


@dataclass(frozen=True, slots=True)
class Web:
    """A file that anybody may fetch."""

    url: str
    """``http://`` or ``https://``."""


Place = Object | Folder | Web


@dataclass(frozen=True, slots=True)
class Store:
    """Where a site keeps files that jobs hand to each other, and where it keeps results."""

    scratch: Object | Folder
    outputs: Object | Folder


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch system of a site that is no HTCondor pool itself."""

    system: Literal["slurm"]
    queue: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A logical site: one of `COMPUTE`, `STAGING`, `LOCAL`."""

    name: str
    architecture: str = "x86_64"
    system: str = "linux"
    store: Store | None = None
    """None where files live in the workers' own folders."""
    batch: Batch | None = None
    """None for an HTCondor pool."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What must be set where programs of this site reach the store."""


@dataclass(frozen=True, slots=True)
class Replica:
    """An existing file as jobs reach it."""

    site: str
    place: Place


@dataclass(frozen=True, slots=True)
class CredentialsFile:
    """A file of secrets that the user keeps on the submit host; nothing of it is ever read into what we write."""

    path: str
    """As a shell expands it, with ``~`` for the home folder."""
    sections: tuple[str, ...] = ()
    """Sections that it must have, of files that have any."""
    meaning: str = ""
    """What it is for, in half a sentence."""
    variable: str = ""
    """The environment variable by which those who transfer files find it, where it does not stand at the place that
    they know: ``PEGASUS_CREDENTIALS``, ``BOTO_CONFIG``, ``GOOGLE_PKCS12``."""


@dataclass(frozen=True, slots=True)
class Access:
    """How fsspec reaches a store from this machine."""

    protocol: str
    """fsspec's name: ``s3``, ``gs``, ``https``, ``file``."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of its file system. Names of profiles and files of credentials, never secrets."""
    install: str = ""
    """How to install the client, should it be missing."""


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


Market = Literal["on-demand", "spot"]
"""Spot machines are cheaper and may be taken away; Google calls them Spot or preemptible."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a machine costs an hour."""

    machine: str
    region: str
    market: Market
    usd_hour: float
    as_of: str
    """The day on which it was so, ``YYYY-MM-DD``."""
    source: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the settings; the driver turns it into a finding."""

    code: str
    message: str
    help: str | None = None
    setting: str | None = None
    """The setting that is to blame, with dots for those inside others: ``cluster.workers.0.types``."""
    severity: Literal["error", "note"] = "error"
    """A ``note`` tells what could not be found out, or is only unwise; nothing is refused for it."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A value that the user has not given yet, and the mark that stands for it in what is written."""

    mark: str
    """``@NAME@``."""
    meaning: str
    setting: str
    """The setting of the target that takes its place."""


@runtime_checkable
class Provider(Protocol):
    """A place to run workflows.

    It is made from the user's settings for it, never reaches the network and never raises for a wrong setting:
    `problems` tells them all.
    """

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]
    schema: ClassVar[Mapping[str, Any]]
    """The JSON Schema of its own settings (an object with ``properties``); those of every target are not among them."""
    science: ClassVar[Science]

    def __init__(self, settings: Mapping[str, Any]) -> None: ...

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the settings beyond what the schema says."""
        ...

    def placeholders(self) -> tuple[Placeholder, ...]:
        """What is missing from the settings, each with the mark that stands in its place."""
        ...

    def sites(self) -> tuple[Site, ...]:
        """The sites `COMPUTE`, `STAGING` and `LOCAL`, in this order."""
        ...

    @property
    def handover(self) -> Handover:
        """How jobs hand files to each other; a cloud's never pass through the submit host."""
        ...

    def replica(self, url: str) -> Replica | Problem:
        """How jobs reach the existing file or folder at `url`, or why they cannot."""
        ...

    def access(self, url: str) -> Access | Problem:
        """How this machine reaches `url`, to list, verify and copy what is there."""
        ...

    def credentials(self) -> tuple[CredentialsFile, ...]:
        """Files that must be on the submit host before anything runs; none where roles of machines suffice."""
        ...

    @property
    def machine_region(self) -> str:
        """Where its machines are, as the provider calls it; empty where there is one place only."""
        ...

    def machines(self) -> tuple[MachineType, ...]:
        """Kinds of machines that suit, from small to large; none where nobody knows what the pool has."""
        ...

    def prices(self) -> tuple[Price, ...]:
        """Of its machines; none where they are not known."""
        ...

    def cloud(self) -> Cloud:
        """What makes and removes machines; only of providers with the capability ``provisioning``.

        Raises `ProviderUnavailableError` if a package that it needs is not installed.
        """
        ...
