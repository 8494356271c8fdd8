"""A cluster's plan for those who make machines by other means: Terraform's JSON and Packer's HCL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from providers.provisioning.base import ClusterPlan
from providers.provisioning.export.packer import packer_files
from providers.provisioning.export.terraform import terraform_files

__all__ = ["FORMATS", "Format", "exported"]

Format = Literal["terraform", "packer"]
FORMATS: tuple[Format, ...] = ("terraform", "packer")


def exported(plan: ClusterPlan, form: Format) -> Mapping[str, str]:
    """The files of the plan by name; raises `KeyError` for a provider without an export.

    They hold no secret and no state, and the same plan gives the same text.
    """
    return terraform_files(plan) if form == "terraform" else packer_files(plan)
