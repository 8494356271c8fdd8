"""Machines of Google Compute Engine.

Names are what makes a repeated call harmless: a machine, a disk or a firewall rule of a name exists once in its place,
and 409 says that it is there already. What carries the cluster's label (machines, disks, the secret) or names it in its
description (firewall rules, which have no labels) is the cluster's, whoever made it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.base import Problem
from providers.provisioning.base import (
    MADE_OF_TAG,
    TAG,
    CapacityError,
    Choice,
    CloudError,
    ClusterPlan,
    Group,
    Resource,
    node_name,
)
from providers.provisioning.cloud_init.node import secret_name
from providers.provisioning.gce import form, seen
from providers.provisioning.gce.account import Account
from providers.provisioning.gce.preflight import check
from providers.provisioning.gce.wire import PATIENCE_S, RefusedError, Wire
from providers.provisioning.gce.words import DISABLED, GONE, THERE


class GCE:
    """Made from the settings of the target gcp; raises `ImportError` if libcloud or google-auth is not installed.

    A machine is given the cloud's longest run time, since one that shuts itself down is only stopped: its disk costs
    until it is deleted, and its time is cleared.
    """

    user_data_limit = 256 * 1024
    """Of one value of metadata: https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations."""
    can_stop_cost = False

    def __init__(
        self,
        settings: Mapping[str, Any],
        patience_s: Sequence[float] = PATIENCE_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = Account(settings)
        self._wire = Wire(self.account, patience_s, pause)
        self._zones: tuple[str, ...] = self.account.zones

    def preflight(self, plan: ClusterPlan) -> tuple[Problem, ...]:
        """Names, run time, quotas, machine types, image, network, APIs, project and rights.

        Whether the service account exists and may be used is known only when the first machine starts: seeing that
        needs rights beyond those for making machines.
        """
        return check(self._wire, plan)

    def find(self, cluster: str) -> tuple[Resource, ...]:
        """Machines and disks of all regions, the secret and the firewall rules.

        A disk is told where no machine holds it: the others go with their machines. An address is the machine's own
        and goes with it too; nothing of a key is left outside the machine.
        """
        disks = self._wire.everywhere("disks", filter=_labelled(cluster))
        rules = self._wire.items("global/firewalls")
        return (
            *(seen.node(each) for each in self._instances(cluster)),
            *(seen.volume(each) for each in disks if seen.belongs(each, cluster) and not each.get("users")),
            *self._secret(cluster),
            *(seen.firewall(each) for each in rules if seen.belongs(each, cluster)),
        )

    def prepare(self, plan: ClusterPlan, there: Iterable[Resource]) -> tuple[Resource, ...]:
        """Three firewall rules: nobody may come in; the pool to itself; `ssh_from` to the head.

        The last is changed in place where the settings say otherwise now; a cluster cannot move to another network.
        """
        known = {each.name: each for each in there if each.kind == "firewall"}
        made = []
        for rule in form.firewalls(plan, self.account.project):
            old = known.get(rule["name"])
            if old is None:
                made.append(self._made(rule, plan))
            elif old.made_of not in ("", plan.made_of):
                made.append(self._changed(old, rule, plan))
        return tuple(made)

    def start(self, plan: ClusterPlan, group: Group, choice: Choice, number: int) -> Resource:
        """Looks first whether it is there; waits until Google has found a place for it, in any of the zones allowed."""
        name = node_name(plan.name, group.name, number)
        for each in self._instances(plan.name):
            if each["name"] == name and (alive := self._alive_or_removed(seen.node(each))):
                return alive
        zones = (choice.zone,) if choice.zone else self._zones_of(plan.region)
        full = []
        for zone in zones:
            try:
                return self._inserted(plan, group, choice, number, zone)
            except CapacityError as reason:
                full.append(str(reason))
        raise CapacityError("; ".join(full) or f"no zone of {plan.region} is up")

    def destroy(self, resource: Resource) -> None:
        """A machine is certain to go once Google has taken the call; its disk and its address go with it."""
        try:
            if resource.kind == "secret":
                self._wire.secrets("DELETE", resource.id)
            elif resource.kind == "node":
                self._wire.compute("DELETE", resource.id)
            else:
                self._wire.carried_out("DELETE", resource.id)
        except RefusedError as refused:
            if not refused.codes & GONE:
                raise

    def _instances(self, cluster: str) -> list[dict[str, Any]]:
        found = self._wire.everywhere("instances", filter=_labelled(cluster))
        return [each for each in found if seen.belongs(each, cluster)]

    def _secret(self, cluster: str) -> Iterable[Resource]:
        path = f"projects/{self.account.project}/secrets/{secret_name(cluster, 'gcp')}"
        try:
            found = self._wire.secrets("GET", path)
        except RefusedError as refused:
            if refused.codes & (GONE | DISABLED):
                return ()
            raise
        return (seen.secret({**found, "name": path}),) if seen.belongs(found, cluster) else ()

    def _made(self, rule: dict[str, Any], plan: ClusterPlan) -> Resource:
        path = f"global/firewalls/{rule['name']}"
        try:
            self._wire.carried_out("POST", "global/firewalls", rule)
        except RefusedError as refused:
            if not refused.codes & THERE:
                raise
            if not seen.belongs(self._wire.compute("GET", path), plan.name):
                raise CloudError(f"there is a firewall rule {rule['name']} that is not the cluster's") from None
        return Resource(kind="firewall", id=path, name=rule["name"], made_of=plan.made_of)

    def _changed(self, old: Resource, rule: dict[str, Any], plan: ClusterPlan) -> Resource:
        network = seen.last(self._wire.compute("GET", old.id)["network"])
        if network != seen.last(rule["network"]):
            raise CloudError(f"the cluster stands in the network '{network}'; destroy it to move to another one")
        self._wire.carried_out("PATCH", old.id, {key: rule[key] for key in ("sourceRanges", "description")})
        return replace(old, made_of=plan.made_of)

    def _zones_of(self, region: str) -> tuple[str, ...]:
        """Those of the settings, or all of the region; in one order, so that machines stand together."""
        if not self._zones:
            found = self._wire.compute("GET", f"regions/{region}")
            self._zones = tuple(sorted(seen.last(each) for each in found.get("zones", ())))
        return self._zones

    def _inserted(self, plan: ClusterPlan, group: Group, choice: Choice, number: int, zone: str) -> Resource:
        body = form.instance(plan, group, choice, number, self.account.project, zone)
        path = f"zones/{zone}/instances"
        # Once more where a machine of this name, which has ended, stood in the way.
        for last_try in (False, True):
            try:
                self._wire.carried_out("POST", path, body)
                break
            except RefusedError as refused:
                if refused.no_capacity:
                    raise CapacityError(f"{zone}: {refused.text}") from None
                if last_try or not refused.codes & THERE:
                    raise
            if alive := self._ours(f"{path}/{body['name']}", plan.name):
                return alive
        return Resource(
            kind="node",
            id=f"{path}/{body['name']}",
            name=body["name"],
            role=group.name,
            state="pending",
            machine=choice.machine.name,
            zone=zone,
            market=choice.market,
            made_of=body["labels"][MADE_OF_TAG],
        )

    def _ours(self, path: str, cluster: str) -> Resource | None:
        """The machine at `path` if it works; None once one that does not is gone. Raises for one of somebody else."""
        try:
            found = self._wire.compute("GET", path)
        except RefusedError as refused:
            if refused.codes & GONE:
                return None
            raise
        if not seen.belongs(found, cluster):
            raise CloudError(f"there is a machine {path} that is not the cluster's; give the cluster another name")
        return self._alive_or_removed(seen.node(found))

    def _alive_or_removed(self, node: Resource) -> Resource | None:
        if node.state in ("pending", "running"):
            return node
        try:
            self._wire.carried_out("DELETE", node.id)
        except RefusedError as refused:
            if not refused.codes & GONE:
                raise
        return None


def _labelled(cluster: str) -> str:
    return f"labels.{TAG}={cluster}"
