"""The least that the submitter and the machines must be allowed, as files that the cloud's own tools take."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from providers.provisioning.base import ClusterPlan


def policy_files(plan: ClusterPlan) -> Mapping[str, str]:
    """The policies of the plan's cloud by file name. OpenStack has roles of its operator's and none of ours."""
    held = files("providers.provisioning") / "policies"
    found = sorted((each for each in held.iterdir() if each.name.startswith(f"{plan.provider}-")), key=lambda f: f.name)
    return {each.name.removeprefix(f"{plan.provider}-"): each.read_text(encoding="utf-8") for each in found}
