"""Amazon Web Services: an S3 bucket as staging and output store.

Names are held to what Pegasus 5.1's S3 client takes, which is less than S3 does: it finds the bucket of a URL by
``s3://\\w+@\\w+/+[\\w\\-]+``, so a bucket's name has no dots and the sections of the credentials file are words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from providers.base import (
    COMPUTE,
    LOCAL,
    STAGING,
    Capability,
    MachineType,
    Object,
    Placeholder,
    Problem,
    Replica,
    Site,
    Store,
)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?!.*//)[A-Za-z0-9._=-][A-Za-z0-9._=/-]*")
_ACCOUNT = re.compile(r"[A-Za-z0-9_]+@[A-Za-z0-9_]+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_KEY_REFUSED = re.compile(r"[\s\\'\"?#*\[\]$`{}<>|^]|[^\x20-\x7e]")
"""What breaks on the way through Pegasus: its shell quotes, its JSON without escapes, its wildcards and its URLs."""

# vCPU and GiB as EC2's DescribeInstanceTypes gives them; x86-64, since the science stack is built for it. Machines
# without a disk of their own (None) take an EBS volume of any size.
_MACHINES = (
    MachineType("c6i.xlarge", 4, 8),
    MachineType("c6i.2xlarge", 8, 16),
    MachineType("c6i.4xlarge", 16, 32),
    MachineType("m6i.xlarge", 4, 16),
    MachineType("m6i.2xlarge", 8, 32),
    MachineType("m6i.4xlarge", 16, 64),
    MachineType("r6i.xlarge", 4, 32),
    MachineType("r6i.2xlarge", 8, 64),
    MachineType("r6i.4xlarge", 16, 128),
    MachineType("r6i.8xlarge", 32, 256),
    MachineType("r6i.16xlarge", 64, 512),
    MachineType("r6i.32xlarge", 128, 1024),
    MachineType("x2iedn.4xlarge", 16, 512),
    MachineType("x2iedn.8xlarge", 32, 1024),
    MachineType("x2iedn.16xlarge", 64, 2048),
    MachineType("x2iedn.32xlarge", 128, 4096),
    MachineType("g5.xlarge", 4, 16, gpus=1),
    MachineType("g5.12xlarge", 48, 192, gpus=4),
)

_BUCKET_MARK = Placeholder("@BUCKET@", "the S3 bucket that stages files and takes the results", "aws.bucket")


class AWS:
    """Settings: ``bucket``, ``prefix`` (within it), ``region``, ``credentials`` (``user@site``)."""

    name: ClassVar[str] = "aws"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"object-store"})
    settings: ClassVar[tuple[str, ...]] = ("bucket", "prefix", "region", "credentials")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._given = dict(settings)
        self.bucket = str(settings.get("bucket") or _BUCKET_MARK.mark)
        self.prefix = str(settings.get("prefix") or "rubincwl").strip("/")
        self.region = str(settings.get("region") or "us-east-1")
        self.credentials = str(settings.get("credentials") or "rubin@amazon")

    def problems(self) -> tuple[Problem, ...]:
        """Unknown settings, and names that S3 or Pegasus would refuse."""
        known = ", ".join(self.settings)
        found = [
            Problem("unknown-setting", f"aws has no setting {key!r}", f"settings of aws: {known}")
            for key in self._given
            if key not in self.settings
        ]
        if self.bucket != _BUCKET_MARK.mark and not _BUCKET.fullmatch(self.bucket):
            help = "3 to 63 of a-z, 0-9 and '-'; dots are legal in S3 but Pegasus' S3 client cannot read them"
            found.append(Problem("bad-bucket", f"{self.bucket!r} cannot be the bucket", help))
        if not _PREFIX.fullmatch(self.prefix):
            found.append(Problem("bad-prefix", f"{self.prefix!r} cannot be the prefix", "of A-Z a-z 0-9 . _ = - and /"))
        if not _ACCOUNT.fullmatch(self.credentials):
            help = "user@site, both of A-Z a-z 0-9 _: two sections of ~/.pegasus/credentials.conf"
            found.append(Problem("bad-credentials", f"{self.credentials!r} names no credentials", help))
        if not _REGION.fullmatch(self.region):
            found.append(Problem("bad-region", f"{self.region!r} is no region", "for instance us-east-1"))
        return tuple(found)

    def placeholders(self) -> tuple[Placeholder, ...]:
        """The bucket, if it is not given."""
        return (_BUCKET_MARK,) if self.bucket == _BUCKET_MARK.mark else ()

    def sites(self) -> tuple[Site, ...]:
        """Workers without a shared disk, the bucket, and the submit host."""
        root = Object("s3", self.bucket, self.prefix, self.credentials)
        return (
            Site(COMPUTE),
            Site(STAGING, store=Store(scratch=root.below("scratch"), outputs=root.below("outputs"))),
            Site(LOCAL),
        )

    def machines(self) -> tuple[MachineType, ...]:
        """Current types for computing, general use, much memory, very much memory, and GPUs."""
        return _MACHINES

    def replica(self, url: str) -> Replica | Problem:
        """Any ``s3://bucket/key``, read with the credentials of the settings."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            return Problem("unreachable-input", f"jobs on aws cannot fetch {url!r}", "give an s3://bucket/key URL")
        # Not parts.path: a '?' or '#' is a legal letter of a key, and is told below rather than cut off.
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket):
            return Problem("bad-bucket", f"Pegasus' S3 client cannot read the bucket {bucket!r}")
        if found := _KEY_REFUSED.search(key):
            return Problem(
                "bad-key", f"Pegasus' S3 client cannot read {found[0]!r} in {url!r}", "copy it to another key"
            )
        return Replica(STAGING, Object("s3", bucket, key.strip("/"), self.credentials))
