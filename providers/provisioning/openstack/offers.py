"""What the cloud has to make machines of: flavors, images, networks; looked up once, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from providers.provisioning.base import CloudError, ClusterPlan
from providers.provisioning.openstack.wire import Wire


class Offers:
    """Of one project. Each look-up raises `CloudError` where there is nothing, with what to do."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._images: dict[str, dict[str, Any]] = {}
        self._networks: dict[str | None, dict[str, Any]] = {}

    @cached_property
    def flavors(self) -> Mapping[str, dict[str, Any]]:
        """By name."""
        return {str(each["name"]): each for each in self._wire.items("compute", "flavors", "/flavors/detail")}

    def flavor(self, name: str) -> dict[str, Any]:
        """The flavor `name`."""
        if name not in self.flavors:
            raise CloudError(f"there is no flavor '{name}'; there are {', '.join(sorted(self.flavors)) or 'none'}")
        return self.flavors[name]

    def image(self, plan: ClusterPlan) -> dict[str, Any]:
        """The newest of the plan's name; ``PROJECT-ID/NAME`` takes those of one project only."""
        if plan.image not in self._images:
            owner, _, name = plan.image.rpartition("/")
            asked = {"name": name, "status": "active", "sort": "created_at:desc", **({"owner": owner} if owner else {})}
            found = list(self._wire.items("image", "images", "/images", asked))
            if not found:
                raise CloudError(f"there is no image '{name}'; upload one ('openstack image create'), or name another")
            self._images[plan.image] = found[0]
        return self._images[plan.image]

    def network(self, name: str | None) -> dict[str, Any]:
        """The network of this name or id; without one the only one that there is, those to the outside not counted."""
        if name not in self._networks:
            ours = self._wire.project
            inside = [
                each
                for each in self._wire.items("network", "networks", "/networks")
                if not each.get("router:external") and (each.get("shared") or each.get("project_id") == ours)
            ]
            found = [each for each in inside if name in (None, each["name"], each["id"])]
            if len(found) != 1:
                what = f"'{name}'" if name else "network"
                there = ", ".join(sorted(str(each["name"]) for each in inside)) or "none"
                how_many = "more than one" if found else "no"
                raise CloudError(f"there is {how_many} {what}; there are {there}: name one, by its id if need be")
            self._networks[name] = found[0]
        return self._networks[name]

    def outside(self, name: str) -> str:
        """Id of the network to the outside of this name or id, from which floating addresses are taken."""
        asked = {"router:external": "True"}
        for each in self._wire.items("network", "networks", "/networks", asked):
            if name in (each["name"], each["id"]):
                return str(each["id"])
        raise CloudError(f"there is no external network '{name}': 'openstack network list --external' shows them")
