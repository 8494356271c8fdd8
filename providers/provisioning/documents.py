"""A plan as text: the same plan gives the same bytes, without a time and without a secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from providers.provisioning.base import Choice, ClusterPlan, Group
from providers.provisioning.plan import unknowns


def plan_document(plan: ClusterPlan) -> dict[str, Any]:
    """The plan as schemas/cluster-plan.schema.json has it."""
    hours = plan.limits.lease_s / 3600
    return {
        "name": plan.name,
        "provider": plan.provider,
        "region": plan.region,
        "image": plan.image,
        "identity": plan.identity,
        "network": plan.network,
        "ssh_from": list(plan.ssh_from),
        "ssh_key": plan.ssh_key,
        "labels": dict(sorted(plan.labels.items())),
        "limits": {
            "usd_hour": plan.limits.usd_hour,
            "usd_total": plan.limits.usd_total,
            "lease_s": plan.limits.lease_s,
            "idle_s": plan.limits.idle_s,
        },
        "at_most": {
            "usd_hour": _usd(plan.usd_hour),
            "usd_total": _usd(None if plan.usd_hour is None else plan.usd_hour * hours),
        },
        "not_counted": list(unknowns(plan)),
        "groups": [_group(each) for each in plan.groups],
    }


def cluster_files(plan: ClusterPlan) -> dict[str, str]:
    """What a compile writes of it, by name: the plan, and what the head and the workers do at their first start."""
    head, *workers = plan.groups
    files = {
        "plan.json": json.dumps(plan_document(plan), indent=1, ensure_ascii=False) + "\n",
        "head.cloud-config": head.user_data,
    }
    # All workers do the same; should they once not, each group has its own file.
    texts = {group.user_data for group in workers}
    for group in workers:
        files["worker.cloud-config" if len(texts) == 1 else f"{group.name}.cloud-config"] = group.user_data
    return files


def _group(group: Group) -> dict[str, Any]:
    data = group.user_data.encode()
    return {
        "name": group.name,
        "count": group.count,
        "disk_gib": group.disk_gib,
        "disk_usd_hour": _usd(group.disk_usd_hour),
        "user_data": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        "choices": [_choice(each) for each in group.choices],
    }


def _choice(choice: Choice) -> Mapping[str, Any]:
    price = choice.price
    return {
        "machine": choice.machine.name,
        "cores": choice.machine.cores,
        "memory_gib": choice.machine.memory_gib,
        "market": choice.market,
        "zone": choice.zone,
        "usd_hour": _usd(price.usd_hour if price else None),
        "usd_hour_at_most": _usd(choice.ceiling),
        "as_of": (price.as_of or None) if price else None,
        "source": price.source if price else None,
    }


def _usd(amount: float | None) -> float | None:
    """To a hundredth of a cent, so that sums are not written with their last bits."""
    return None if amount is None else round(amount, 4)
