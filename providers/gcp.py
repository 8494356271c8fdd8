"""Google Cloud: a Cloud Storage bucket as staging and output store, Compute Engine machines.

Jobs reach the bucket in one of two ways, by the setting ``access``.

``interoperability`` (the default)
    Pegasus' S3 client against storage.googleapis.com with HMAC keys, which Google makes for service accounts. It is
    what suits Pegasus 5.1: one client for all targets, any Python.
``native``
    pegasus-transfer calls gsutil. Pegasus 5.1 needs Python before 3.12 on the workers (it calls
    ``configparser.SafeConfigParser``, which 3.12 dropped), gsutil on each, a boto configuration and a PKCS12 key file
    (Google has stopped recommending them); a transfer that fails is counted as done too (``GSHandler.do_transfers``).
    Pegasus 6.0 calls gcloud instead.

Existing files are named ``gs://bucket/key`` in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from providers.base import (
    COMPUTE,
    LOCAL,
    STAGING,
    Access,
    Capability,
    CredentialsFile,
    Handover,
    MachineType,
    Object,
    Place,
    Placeholder,
    Price,
    Problem,
    Replica,
    Science,
    Site,
    Store,
    Web,
)
from providers.provisioning.base import Cloud
from providers.s3 import S3Bucket, plain_access, split_url
from schemas import schema

ENDPOINT = "https://storage.googleapis.com"
_REGION = re.compile(r"[a-z]+(-[a-z]+)+\d{1,2}")
_ZONE = re.compile(_REGION.pattern + "-[a-z]")
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")

# vCPU and GB (which Google means as GiB) as Compute Engine's pages of machine families give them; x86-64.
_MACHINES = (
    MachineType("e2-standard-2", 2, 8),
    MachineType("e2-standard-4", 4, 16),
    MachineType("e2-standard-8", 8, 32),
    MachineType("e2-highmem-8", 8, 64),
    MachineType("n2-standard-4", 4, 16),
    MachineType("n2-standard-8", 8, 32),
    MachineType("n2-standard-16", 16, 64),
    MachineType("n2-standard-32", 32, 128),
    MachineType("n2-highmem-4", 4, 32),
    MachineType("n2-highmem-8", 8, 64),
    MachineType("n2-highmem-16", 16, 128),
    MachineType("n2-highmem-32", 32, 256),
    MachineType("n2-highmem-64", 64, 512),
    MachineType("n2-highmem-128", 128, 864),
    MachineType("n2d-standard-8", 8, 32),
    MachineType("n2d-standard-16", 16, 64),
    MachineType("n2d-standard-32", 32, 128),
    MachineType("n2d-highmem-8", 8, 64),
    MachineType("n2d-highmem-16", 16, 128),
    MachineType("n2d-highmem-32", 32, 256),
    MachineType("c2-standard-4", 4, 16),
    MachineType("c2-standard-8", 8, 32),
    MachineType("c2-standard-16", 16, 64),
    MachineType("c2-standard-30", 30, 120),
    MachineType("c2-standard-60", 60, 240),
    MachineType("c3-standard-4", 4, 16),
    MachineType("c3-standard-8", 8, 32),
    MachineType("c3-standard-22", 22, 88),
    MachineType("c3-highmem-22", 22, 176),
    MachineType("c3-highmem-44", 44, 352),
    MachineType("m3-ultramem-32", 32, 976),
    MachineType("m3-ultramem-64", 64, 1952),
    MachineType("m3-ultramem-128", 128, 3904),
    MachineType("g2-standard-4", 4, 16, gpus=1),
    MachineType("g2-standard-48", 48, 192, gpus=4),
)


class GCP:
    """Settings: schemas/target-gcp.schema.json."""

    name: ClassVar[str] = "gcp"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"object-store", "provisioning", "prices"})
    schema: ClassVar[Mapping[str, Any]] = schema("target-gcp")
    science: ClassVar[Science] = "container"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.native = settings.get("access") == "native"
        self.region = str(settings.get("region") or "us-central1")
        # The name and the endpoint of the bucket as S3's client sees it; `access` has none of them.
        self.bucket = S3Bucket.of({**settings, "endpoint": ENDPOINT, "region": "auto"}, "rubin@google")

    def problems(self) -> tuple[Problem, ...]:
        """Names that Google or Pegasus would refuse."""
        found = list(self.bucket.problems())
        if self.native:
            found = [each for each in found if each.setting != "credentials"]
        if not _REGION.fullmatch(self.region):
            found.append(Problem("bad-region", f"{self.region!r} is no region", "for instance us-central1", "region"))
        for number, zone in enumerate(self._zones()):
            if not _ZONE.fullmatch(zone) or not zone.startswith(f"{self.region}-"):
                message = f"{zone!r} is no zone of {self.region}"
                found.append(Problem("bad-zone", message, f"for instance {self.region}-b", f"zones.{number}"))
        project = self.settings.get("project")
        if project and not _PROJECT.fullmatch(str(project)):
            help = "the id, not the name or number: 6 to 30 of a-z, 0-9 and '-'"
            found.append(Problem("bad-project", f"{project!r} is no project", help, "project"))
        return tuple(found)

    def placeholders(self) -> tuple[Placeholder, ...]:
        """The bucket, if it is not given."""
        return self.bucket.placeholders()

    def sites(self) -> tuple[Site, ...]:
        """Workers without a shared disk, the bucket, and the submit host."""
        environment = {} if self.native else self.bucket.environment()
        store = self.bucket.store()
        store = Store(*(self._object(place) for place in (store.scratch, store.outputs)))
        return (
            Site(COMPUTE, environment=environment),
            Site(STAGING, store=store, environment=environment),
            Site(LOCAL, environment=environment),
        )

    @property
    def handover(self) -> Handover:
        """Through the bucket."""
        return "object-store"

    def replica(self, url: str) -> Replica | Problem:
        """Any ``gs://bucket/key``, or a file on the web."""
        scheme, host = split_url(url)
        if scheme in ("http", "https") and host:
            return Replica(STAGING, Web(url))
        if scheme != "gs" or not host:
            help = "give a gs://bucket/key URL"
            return Problem("unreachable-input", f"jobs on gcp cannot fetch {url!r}", help, "inputs_at")
        found = self.bucket.existing(url)
        return found if isinstance(found, Problem) else replace(found, place=self._object(found.place))

    def access(self, url: str) -> Access | Problem:
        """By gcsfs, with the key file of the settings or what this machine is logged in with."""
        if split_url(url)[0] != "gs":
            return plain_access(url)
        anonymous = self.settings.get("anonymous") is True
        given = self.settings.get
        token = "anon" if anonymous else str(given("key_file") or "google_default")
        options = {
            "token": token,
            "project": self.settings.get("project"),
            "endpoint_url": self.settings.get("endpoint"),
        }
        return Access("gs", {key: value for key, value in options.items() if value}, "pip install 'rubincwl[gcp]'")

    def credentials(self) -> tuple[CredentialsFile, ...]:
        """HMAC keys in Pegasus' credentials file; for the native tool a boto configuration and a key file."""
        if not self.native:
            return self.bucket.credentials()
        boto = str(self.settings.get("boto_config") or "~/.boto")
        key = str(self.settings.get("pkcs12") or "~/.pegasus/google.p12")
        return (
            CredentialsFile(boto, ("Credentials",), "gsutil's configuration", "BOTO_CONFIG"),
            CredentialsFile(key, (), "key of a service account, PKCS12", "GOOGLE_PKCS12"),
        )

    def machines(self) -> tuple[MachineType, ...]:
        """Types for general use, computing, much memory, and GPUs."""
        return _MACHINES

    @property
    def machine_region(self) -> str:
        """Where its machines are."""
        return self.region

    def prices(self) -> tuple[Price, ...]:
        """Of its machines in the region, as far as our table knows them."""
        from providers.prices import prices_of

        return prices_of(self.name, self.machine_region)

    def cloud(self) -> Cloud:
        """Compute Engine. Raises `ProviderUnavailableError` if libcloud is not installed."""
        from providers.registry import cloud_of

        return cloud_of("providers.provisioning.gce:GCE", {**self.settings, "region": self.machine_region})

    def _zones(self) -> tuple[str, ...]:
        zones = self.settings.get("zones")
        return tuple(str(each) for each in zones) if isinstance(zones, list | tuple) else ()

    def _object(self, place: Place) -> Object:
        assert isinstance(place, Object)
        return Object("gs", place.bucket, place.key) if self.native else place
