"""Machines of an OpenStack.

Most names may exist twice there, so what is to be made is looked for first. Machines carry the cluster in their
metadata, security groups and key pairs in their names, an address in its description.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from providers.base import Problem
from providers.provisioning.base import (
    CapacityError,
    Choice,
    CloudError,
    ClusterPlan,
    Group,
    Kind,
    Resource,
    node_name,
)
from providers.provisioning.openstack import addresses, firewall, keys, machines
from providers.provisioning.openstack.login import read_login
from providers.provisioning.openstack.offers import Offers
from providers.provisioning.openstack.preflight import check
from providers.provisioning.openstack.wire import PATIENCE_S, RefusedError, Wire

ENCODED_LIMIT = 65535
"""Of user data, in base64: https://docs.openstack.org/api-ref/compute/#create-server."""

_POLL_S = 2.0
_POLLS = 150
_PATHS: Mapping[Kind, tuple[str, str]] = {
    "node": ("compute", "/servers"),
    "key": ("compute", "/os-keypairs"),
    "firewall": ("network", "/security-groups"),
    "address": ("network", "/floatingips"),
}


class OpenStack:
    """A `Cloud`. Settings: those of the target onprem, of which ``openstack`` is read. Raises `ImportError` if libcloud
    is not installed.

    Nova has no longest run time and ends no machine by itself: one that has shut itself down holds its cores, memory
    and disk until it is removed.
    """

    user_data_limit = ENCODED_LIMIT // 4 * 3
    can_stop_cost = False

    def __init__(
        self,
        settings: Mapping[str, Any],
        patience_s: Sequence[float] = PATIENCE_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        import libcloud.compute.drivers.openstack  # noqa: F401

        self._settings: Mapping[str, Any] = settings.get("openstack") or {}
        self._patience_s = patience_s
        self._pause = pause
        self._made: tuple[Wire, Offers] | None = None

    def preflight(self, plan: ClusterPlan) -> tuple[Problem, ...]:
        """Flavors and their sizes, image, networks, zones and quotas; spot machines are refused."""
        return check(self._wire, self._offers, plan, self._outside)

    def find(self, cluster: str) -> tuple[Resource, ...]:
        """Machines by their metadata, security groups and keys of this user by name, addresses by description.

        A machine's disk and its private address are its own and go with it.
        """
        return (
            *(machines.resource(each) for each in machines.servers(self._wire, cluster)),
            *addresses.find(self._wire, cluster),
            *keys.find(self._wire, cluster),
            *firewall.find(self._wire, cluster),
        )

    def prepare(self, plan: ClusterPlan, there: Iterable[Resource]) -> tuple[Resource, ...]:
        """Both security groups with the rules that the plan gives and no others, the key, and the head's address."""
        made = (*firewall.ensure(self._wire, plan), *keys.ensure(self._wire, plan))
        if not self._outside:
            return made
        made += addresses.ensure(self._wire, plan.name, self._offers.outside(self._outside))
        head = node_name(plan.name, "head", 1)
        for each in there:
            if each.name == head and each.kind == "node" and each.state == "running":
                addresses.attach(self._wire, plan.name, each.id)
        return made

    def start(self, plan: ClusterPlan, group: Group, choice: Choice, number: int) -> Resource:
        """Returns when Nova has found a host for it; workers are told the head's private address by their metadata."""
        name = node_name(plan.name, group.name, number)
        body = machines.body(
            plan,
            group,
            choice,
            number,
            flavor=self._offers.flavor(choice.machine.name)["id"],
            image=self._offers.image(plan)["id"],
            network=self._offers.network(plan.network)["id"],
            firewalls=firewall.of(self._wire, plan, group),
            head="" if group.head else self._head_address(plan),
        )
        server, _ = self._wire.made(lambda: self._alive(plan.name, name), lambda: self._post(body))
        placed = self._when(server["id"], machines.placed, f"{name} has found no place yet")
        if placed["status"] == "ERROR":
            self.destroy(Resource("node", placed["id"], name))
            if machines.no_place(placed):
                raise CapacityError(machines.fault(placed))
            raise CloudError(f"{name} did not start: {machines.fault(placed)}")
        if group.head and self._outside:
            self._when(server["id"], lambda each: bool(machines.private_address(each)), f"{name} has no address yet")
            addresses.attach(self._wire, plan.name, server["id"])
        return machines.resource(placed)

    def destroy(self, resource: Resource) -> None:
        """One call, and no waiting: a machine is certain to go once Nova has taken it, with its disk and its ports."""
        service, path = _PATHS[resource.kind]
        try:
            self._wire.call(service, "DELETE", f"{path}/{resource.id}")
        except RefusedError as refused:
            if not refused.gone:
                raise

    @property
    def _wire(self) -> Wire:
        return self._connected()[0]

    @property
    def _offers(self) -> Offers:
        return self._connected()[1]

    @property
    def _outside(self) -> str:
        """The network from which the head has a floating address; empty for none."""
        return str(self._settings.get("floating_from") or "")

    def _connected(self) -> tuple[Wire, Offers]:
        if self._made is None:
            wire = Wire(read_login(self._settings), self._patience_s, self._pause)
            self._made = wire, Offers(wire)
        return self._made

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            made: dict[str, Any] = self._wire.call("compute", "POST", "/servers", body)["server"]
        except RefusedError as refused:
            if refused.quota:
                raise CapacityError(refused.text) from None
            raise
        return made

    def _alive(self, cluster: str, name: str) -> dict[str, Any] | None:
        """The machine of this name that works; those that have ended keep no other from its name."""
        for each in machines.servers(self._wire, cluster):
            if each["name"] == name and machines.resource(each).state in ("pending", "running"):
                return each
        return None

    def _head_address(self, plan: ClusterPlan) -> str:
        name = node_name(plan.name, "head", 1)
        head = self._alive(plan.name, name)
        if head is None:
            raise CloudError(f"{name} does not run, and workers would not know whom to join")
        found = self._when(head["id"], lambda each: bool(machines.private_address(each)), f"{name} has no address yet")
        if found["status"] == "ERROR":
            raise CloudError(f"{name} did not start: {machines.fault(found)}")
        return machines.private_address(found)

    def _when(self, server: str, ready: Callable[[dict[str, Any]], bool], otherwise: str) -> dict[str, Any]:
        """The machine once it is `ready` or has failed."""
        for _ in range(_POLLS):
            found: dict[str, Any] = self._wire.call("compute", "GET", f"/servers/{server}")["server"]
            if ready(found) or found["status"] == "ERROR":
                return found
            self._pause(_POLL_S)
        raise CloudError(f"{otherwise}, after {_POLLS * _POLL_S:.0f} s; apply again later")
