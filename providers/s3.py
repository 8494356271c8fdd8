"""Buckets that are reached by the S3 protocol: Amazon's own, Google's by interoperability, MinIO, Ceph, SeaweedFS.

Names are held to what Pegasus 5.1's S3 client takes, which is less than S3 does. pegasus-transfer finds the bucket of
a URL by ``s3://\\w+@\\w+/+[\\w\\-]+``, so a bucket's name has no dots and the sections of the credentials file are
words; pegasus-s3 reads the site of ``s3://user@site/`` as a host name, in lower case.

It always takes ``access_key`` and ``secret_key`` of its credentials file (5.1.2 to 6.0 alike: ``get_s3_client`` asks
for both, and for no session token), so it cannot use the role of an instance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?!.*//)[A-Za-z0-9._=-][A-Za-z0-9._=/-]*")
_ACCOUNT = re.compile(r"[A-Za-z0-9_]+@[a-z0-9_]+")
_KEY_REFUSED = re.compile(r"[\s\\'\"?#*\[\]$`{}<>|^]|[^\x20-\x7e]")
"""What breaks on the way through Pegasus: its shell quotes, its JSON without escapes, its wildcards and its URLs."""
_MARK = "@BUCKET@"

NO_CHECKSUM_HEADERS: Mapping[str, str] = {
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
"""For stores that are not Amazon's: boto3 adds checksums since 1.36, which Google and older MinIO or Ceph refuse as a
wrong signature (boto3's issue 4400)."""


@dataclass(frozen=True)
class S3Bucket:
    """A bucket and how it is reached: settings ``bucket``, ``prefix``, ``region``, ``endpoint``, ``credentials``
    (``user@site``) and ``profile``."""

    bucket: str
    prefix: str
    account: str
    """The sections ``site`` and ``user@site`` of Pegasus' credentials file."""
    region: str | None = None
    endpoint: str | None = None
    """None for Amazon's own."""
    profile: str | None = None
    """Of this machine's own access, in the configuration of Amazon's tools; None for their default chain."""

    @classmethod
    def of(cls, settings: Mapping[str, Any], account: str, region: str | None = None) -> S3Bucket:
        """As the settings say, else with the default `account` and `region`."""
        given = {key: str(value) for key, value in settings.items() if value}
        return cls(
            bucket=given.get("bucket", _MARK),
            prefix=given.get("prefix", "rubincwl").strip("/"),
            account=given.get("credentials", account),
            region=given.get("region", region),
            endpoint=given.get("endpoint"),
            profile=given.get("profile"),
        )

    def problems(self) -> tuple[Problem, ...]:
        """Names that S3 or Pegasus would refuse."""
        found = []
        if self.bucket != _MARK and not _BUCKET.fullmatch(self.bucket):
            help = "3 to 63 of a-z, 0-9 and '-'; dots are legal in S3 but Pegasus' S3 client cannot read them"
            found.append(Problem("bad-bucket", f"{self.bucket!r} cannot be the bucket", help, "bucket"))
        if not _PREFIX.fullmatch(self.prefix):
            help = "of A-Z a-z 0-9 . _ = - and /"
            found.append(Problem("bad-prefix", f"{self.prefix!r} cannot be the prefix", help, "prefix"))
        if not _ACCOUNT.fullmatch(self.account):
            help = "user@site, of A-Z a-z 0-9 _ (site in lower case): two sections of ~/.pegasus/credentials.conf"
            found.append(Problem("bad-credentials", f"{self.account!r} names no credentials", help, "credentials"))
        if self.endpoint is not None and not _is_endpoint(self.endpoint):
            help = "for instance https://s3.example.org:9000"
            found.append(Problem("bad-endpoint", f"{self.endpoint!r} is no endpoint", help, "endpoint"))
        return tuple(found)

    def placeholders(self) -> tuple[Placeholder, ...]:
        """The bucket, if it is not given."""
        mark = Placeholder(_MARK, "the bucket that stages files and takes the results", "bucket")
        return (mark,) if self.bucket == _MARK else ()

    def store(self) -> Store:
        """Scratch and outputs, apart under the prefix."""
        root = Object("s3", self.bucket, self.prefix, self.account)
        return Store(scratch=root.below("scratch"), outputs=root.below("outputs"))

    def replica(self, url: str) -> Replica | Problem:
        """An existing ``s3://bucket/key``, read with the same credentials; a file on the web as it is."""
        scheme, host = split_url(url)
        if scheme in ("http", "https") and host:
            return Replica(STAGING, Web(url))
        if scheme != "s3" or not host:
            help = "give an s3://bucket/key URL"
            return Problem("unreachable-input", f"jobs cannot fetch {url!r}", help, "inputs_at")
        return self.existing(url)

    def existing(self, url: str) -> Replica | Problem:
        """What is at ``scheme://bucket/key`` of this store, whatever the scheme."""
        bucket, _, key = url.partition("://")[2].partition("/")
        if not _BUCKET.fullmatch(bucket):
            message = f"Pegasus' S3 client cannot read the bucket {bucket!r}"
            return Problem("bad-bucket", message, "3 to 63 of a-z, 0-9 and '-', without dots", "inputs_at")
        if found := _KEY_REFUSED.search(key):
            message = f"Pegasus' S3 client cannot read {found[0]!r} in {url!r}"
            return Problem("bad-key", message, "copy it to another key", "inputs_at")
        return Replica(STAGING, Object("s3", bucket, key.strip("/"), self.account))

    def access(self, url: str) -> Access | Problem:
        """By s3fs with the profile, the web and files of this machine too."""
        if split_url(url)[0] != "s3":
            return plain_access(url)
        options: dict[str, Any] = {"profile": self.profile} if self.profile else {}
        if self.endpoint is not None:
            options["endpoint_url"] = self.endpoint
        if self.region is not None:
            options["client_kwargs"] = {"region_name": self.region}
        return Access("s3", options, "pip install 'rubincwl[aws]'")

    def credentials(self) -> tuple[CredentialsFile, ...]:
        """Pegasus' own file of keys."""
        _, _, site = self.account.partition("@")
        return (credentials_file((site, self.account)),)

    def environment(self) -> Mapping[str, str]:
        """For sites where Pegasus' S3 client runs."""
        return NO_CHECKSUM_HEADERS if self.endpoint is not None else {}


def credentials_file(sections: tuple[str, ...]) -> CredentialsFile:
    """The file from which Pegasus takes keys for S3, and which it carries to the workers."""
    return CredentialsFile("~/.pegasus/credentials.conf", sections, "keys of the object store", "PEGASUS_CREDENTIALS")


def plain_access(url: str) -> Access | Problem:
    """The web, or files of this machine; a `Problem` for any other scheme."""
    scheme, _ = split_url(url)
    if scheme in ("http", "https"):
        return Access(scheme, {}, "pip install aiohttp")
    if scheme == "file" or url.startswith("/"):
        return Access("file")
    return Problem("unreachable-input", f"nothing here reads {url!r}", "s3://, https:// or a path", "inputs_at")


def split_url(url: str) -> tuple[str, str]:
    """Scheme and host of a URL, empty where it has none. (`urlsplit` raises for some, and takes '?' and '#', legal
    letters of keys, for its own.)

    >>> split_url("s3://survey/a?b"), split_url("/data/raw.fits")
    (('s3', 'survey'), ('', ''))
    """
    scheme, separator, rest = url.partition("://")
    return (scheme, rest.partition("/")[0]) if separator else ("", "")


def _is_endpoint(text: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9._-]+(:\d{1,5})?(/[A-Za-z0-9._/-]*)?", text) is not None


class S3Provider:
    """A provider whose one store is a bucket and whose workers share nothing else: derive, and say what is different.

    It gives all of `providers.base.Provider` but ``name`` and ``schema``.
    """

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"object-store"})
    schema: ClassVar[Mapping[str, Any]]
    science: ClassVar[Science] = "container"
    account: ClassVar[str]
    """The credentials where the settings name none."""
    region: ClassVar[str | None] = None
    endpoint: ClassVar[str | None] = None
    """The same for all who use it; None for what the settings say."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = {"endpoint": self.endpoint, **settings}
        self.store = S3Bucket.of(self.settings, self.account, self.region)

    def problems(self) -> tuple[Problem, ...]:
        """Names that S3 or Pegasus would refuse."""
        return self.store.problems()

    def placeholders(self) -> tuple[Placeholder, ...]:
        """The bucket, if it is not given."""
        return self.store.placeholders()

    def sites(self) -> tuple[Site, ...]:
        """Workers without a shared disk, the bucket, and the submit host."""
        environment = self.store.environment()
        return (
            Site(COMPUTE, environment=environment),
            Site(STAGING, store=self.store.store(), environment=environment),
            Site(LOCAL, environment=environment),
        )

    @property
    def handover(self) -> Handover:
        """Through the bucket."""
        return "object-store"

    def replica(self, url: str) -> Replica | Problem:
        """Any ``s3://bucket/key``, read with the credentials of the settings, or a file on the web."""
        return self.store.replica(url)

    def access(self, url: str) -> Access | Problem:
        """By the profile of the settings, at the store's endpoint."""
        return self.store.access(url)

    def credentials(self) -> tuple[CredentialsFile, ...]:
        """Pegasus' credentials file: its S3 client cannot use roles."""
        return self.store.credentials()

    @property
    def machine_region(self) -> str:
        """None."""
        return ""

    def machines(self) -> tuple[MachineType, ...]:
        """None: nobody knows what the pool has."""
        return ()

    def prices(self) -> tuple[Price, ...]:
        """None."""
        return ()

    def cloud(self) -> Cloud:
        """Raises `NotImplementedError`: not of a provider without the capability ``provisioning``."""
        raise NotImplementedError(f"{self.name} makes no machines")
