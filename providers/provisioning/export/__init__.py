"""A cluster's plan for those who make machines by other means, and the rights that it needs: Terraform's JSON, Packer's
HCL, and policies as the cloud takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from providers.provisioning.base import ClusterPlan
from providers.provisioning.export.packer import packer_files
from providers.provisioning.export.rights import policy_files
from providers.provisioning.export.terraform import terraform_files

__all__ = ["Format", "exported"]

Format = Literal["terraform", "packer", "policies"]
_MAKERS: Mapping[Format, Callable[[ClusterPlan], Mapping[str, str]]] = {
    "terraform": terraform_files,
    "packer": packer_files,
    "policies": policy_files,
}


def exported(plan: ClusterPlan, form: Format) -> Mapping[str, str]:
    """The files of the plan by name; none where a cloud has no policies.

    Raises `KeyError` for a provider without an export.

    They hold no secret and no state, and the same plan gives the same text.
    """
    return _MAKERS[form](plan)
