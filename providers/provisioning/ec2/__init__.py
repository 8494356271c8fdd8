"""Amazon EC2 as provisioning needs it: libcloud connects and signs, everything that is made carries the cluster's tag.

Nothing but the settings is kept on the user's machine. A machine that shuts itself down is terminated by EC2 and costs
nothing from then on, so leases need no credentials of AWS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from providers.base import Problem
from providers.provisioning.base import Choice, ClusterPlan, Group, Resource
from providers.provisioning.ec2 import firewall, images, inventory, keys, launch, network, preflight, removal
from providers.provisioning.ec2.account import Account
from providers.provisioning.ec2.wire import PATIENCE_S, Wire

USER_DATA_LIMIT = 16384
"""Bytes, before they are encoded. Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html"""


class EC2:
    """A `Cloud`. Settings: ``profile`` (of AWS's own configuration) and ``region``; without them the environment's."""

    user_data_limit = USER_DATA_LIMIT
    can_stop_cost = True

    def __init__(
        self,
        settings: Mapping[str, Any],
        patience_s: Sequence[float] = PATIENCE_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`patience_s` are the pauses before a call is repeated that AWS was too busy for."""
        self._wire = Wire(Account(settings.get("profile"), settings.get("region")), patience_s, pause)
        self._images: dict[str, images.Image] = {}
        self._networks: dict[str | None, network.Network] = {}

    def preflight(self, plan: ClusterPlan) -> tuple[Problem, ...]:
        """Access, image, network, types and zones, instance profile, quotas and permissions; only reads."""
        return preflight.problems(self._wire, plan, lambda: self._image(plan), lambda: self._network(plan))

    def find(self, cluster: str) -> tuple[Resource, ...]:
        """By tag: machines that have not ended, requests for spot machines, volumes, addresses, keys, security groups;
        by path: secrets in Parameter Store, whose values are not read."""
        return inventory.find(self._wire, cluster)

    def prepare(self, plan: ClusterPlan, there: Iterable[Resource]) -> tuple[Resource, ...]:
        """Both security groups, with the rules that the plan gives and no others, and the key."""
        return (*firewall.ensure(self._wire, plan, self._network(plan)), *keys.ensure(self._wire, plan))

    def start(self, plan: ClusterPlan, group: Group, choice: Choice, number: int) -> Resource:
        """One machine with an encrypted gp3 volume that goes with it; it answers metadata with a token only, one hop
        far, and is terminated when it shuts down."""
        image, where = self._image(plan), self._network(plan)
        return launch.start(self._wire, plan, group, choice, number, image, where)

    def destroy(self, resource: Resource) -> None:
        """One call, and no waiting: a machine is certain to go once EC2 has taken it."""
        removal.destroy(self._wire, resource)

    def _image(self, plan: ClusterPlan) -> images.Image:
        if plan.image not in self._images:
            self._images[plan.image] = images.newest(self._wire, plan.image)
        return self._images[plan.image]

    def _network(self, plan: ClusterPlan) -> network.Network:
        if plan.network not in self._networks:
            self._networks[plan.network] = network.look_up(self._wire, plan.network)
        return self._networks[plan.network]
