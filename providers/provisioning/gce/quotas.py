"""Whether the quotas of a project leave room for what is to be started.

Source of the names: https://cloud.google.com/compute/resource-usage; a quota that is not among those that Google tells
is not held against anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import Problem
from providers.provisioning.base import Choice, ClusterPlan, Group


@dataclass(slots=True)
class Room:
    """What is left of each quota."""

    where: str
    limit: dict[str, float]
    left: dict[str, float]

    @classmethod
    def of(cls, where: str, quotas: Iterable[Mapping[str, Any]]) -> Room:
        """From the list ``quotas`` of a region or a project."""
        told = [(str(each["metric"]), float(each["limit"]), float(each.get("usage", 0))) for each in quotas]
        limit = {metric: most for metric, most, _ in told}
        return cls(where, limit, {metric: most - used for metric, most, used in told})

    def short(self, needs: Mapping[str, float]) -> list[str]:
        """Quotas that do not suffice, in words."""
        return [
            f"{metric} {self.where} then has {self.left[metric]:g} left of {self.limit[metric]:g}, one takes {need:g}"
            for metric, need in needs.items()
            if metric in self.left and need > self.left[metric]
        ]

    def take(self, needs: Mapping[str, float]) -> None:
        """Use up what a machine needs."""
        for metric, need in needs.items():
            if metric in self.left:
                self.left[metric] -= need


def needs(group: Group, choice: Choice, limits: Mapping[str, float]) -> dict[str, float]:
    """What one machine takes of each quota of its region, whose `limits` say which there are."""
    machine = choice.machine
    family = f"{machine.name.partition('-')[0].upper()}_CPUS"
    cpus = family if family in limits else "CPUS"
    # Spot machines have quotas of their own where those were ever granted, and else share the others.
    if choice.market == "spot" and limits.get("PREEMPTIBLE_CPUS", 0) > 0:
        cpus = "PREEMPTIBLE_CPUS"
    return {cpus: machine.cores, "INSTANCES": 1, "IN_USE_ADDRESSES": 1, "SSD_TOTAL_GB": group.disk_gib}


def check_quotas(plan: ClusterPlan, region: Room, project: Room) -> Iterable[Problem]:
    """Each machine takes the first choice of its group for which there is room, as it does when it starts."""
    for group in plan.groups:
        reasons: dict[str, None] = {}
        fit = 0
        for _ in range(group.count):
            short = _place(group, region, project)
            fit += not short
            reasons |= dict.fromkeys(short)
        if reasons:
            message = (
                f"the quotas have room for {fit} of {group.count} machines of '{group.name}'; {'; '.join(reasons)}"
            )
            help = "ask for more at https://console.cloud.google.com/iam-admin/quotas, or take fewer or other machines"
            yield Problem("quota-short", message, help, "cluster.workers" if not group.head else "cluster.head")


def _place(group: Group, region: Room, project: Room) -> list[str]:
    """Take room for one machine; what each choice lacks where there is none."""
    reasons = []
    for choice in group.choices:
        here = needs(group, choice, region.limit)
        everywhere = {} if choice.market == "spot" else {"CPUS_ALL_REGIONS": float(choice.machine.cores)}
        short = [*region.short(here), *project.short(everywhere)]
        if not short:
            region.take(here)
            project.take(everywhere)
            return []
        reasons += [f"{choice.machine.name} {choice.market}: {each}" for each in short]
    return reasons
