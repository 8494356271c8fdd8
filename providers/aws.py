"""Amazon Web Services: an S3 bucket as staging and output store, EC2 machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from providers.base import Capability, MachineType, Price, Problem
from providers.provisioning.base import Cloud
from providers.s3 import S3Provider
from schemas import schema

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")

# vCPU and GiB as EC2's DescribeInstanceTypes gives them; x86-64, since the science stack is built for it. Machines
# without a disk of their own (None) take an EBS volume of any size.
_MACHINES = (
    MachineType("c5.large", 2, 4),
    MachineType("c5.xlarge", 4, 8),
    MachineType("c5.2xlarge", 8, 16),
    MachineType("c5.4xlarge", 16, 32),
    MachineType("m5.large", 2, 8),
    MachineType("m5.xlarge", 4, 16),
    MachineType("m5.2xlarge", 8, 32),
    MachineType("m5.4xlarge", 16, 64),
    MachineType("r5.large", 2, 16),
    MachineType("r5.xlarge", 4, 32),
    MachineType("r5.2xlarge", 8, 64),
    MachineType("r5.4xlarge", 16, 128),
    MachineType("c6i.large", 2, 4),
    MachineType("c6i.xlarge", 4, 8),
    MachineType("c6i.2xlarge", 8, 16),
    MachineType("c6i.4xlarge", 16, 32),
    MachineType("m6i.large", 2, 8),
    MachineType("m6i.xlarge", 4, 16),
    MachineType("m6i.2xlarge", 8, 32),
    MachineType("m6i.4xlarge", 16, 64),
    MachineType("r6i.large", 2, 16),
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


class AWS(S3Provider):
    """Settings: schemas/target-aws.schema.json."""

    name: ClassVar[str] = "aws"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"object-store", "provisioning", "prices"})
    schema: ClassVar[Mapping[str, Any]] = schema("target-aws")
    account: ClassVar[str] = "rubin@amazon"
    region: ClassVar[str | None] = "us-east-1"

    def problems(self) -> tuple[Problem, ...]:
        """Names that S3 or Pegasus would refuse, and a region that cannot be one."""
        found = super().problems()
        # A stand-in of Amazon calls its regions as it likes.
        if self.store.endpoint is None and not _REGION.fullmatch(self.store.region or ""):
            message = f"{self.store.region!r} is no region"
            found += (Problem("bad-region", message, "for instance us-east-1", "region"),)
        return found

    def machines(self) -> tuple[MachineType, ...]:
        """Current types for computing, general use, much memory, very much memory, and GPUs."""
        return _MACHINES

    @property
    def machine_region(self) -> str:
        """Where its machines are: the bucket's region."""
        return self.store.region or ""

    def prices(self) -> tuple[Price, ...]:
        """Of its machines in the region, as far as our table knows them."""
        from providers.prices import prices_of

        return prices_of(self.name, self.machine_region)

    def cloud(self) -> Cloud:
        """EC2. Raises `ProviderUnavailableError` if libcloud is not installed."""
        from providers.registry import cloud_of

        return cloud_of("providers.provisioning.ec2:EC2", {**self.settings, "region": self.machine_region})
