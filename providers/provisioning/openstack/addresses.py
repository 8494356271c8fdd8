"""The head's floating address, where the settings ask for one; its description names the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.provisioning.base import TAG, Resource
from providers.provisioning.openstack.wire import RefusedError, Wire


def ensure(wire: Wire, cluster: str, outside: str) -> tuple[Resource, ...]:
    """Take one from the network `outside` (id), unless the cluster has one; gives it if it had none."""
    body = {"floatingip": {"floating_network_id": outside, "description": _mark(cluster)}}

    def make() -> dict[str, Any]:
        made: dict[str, Any] = wire.call("network", "POST", "/floatingips", body)["floatingip"]
        return made

    address, made = wire.made(lambda: next(_ours(wire, cluster), None), make)
    return (_resource(address),) if made else ()


def attach(wire: Wire, cluster: str, server: str) -> None:
    """Give the cluster's address to a machine, unless it has it."""
    ports = wire.items("network", "ports", "/ports", {"device_id": server})
    port = next((str(each["id"]) for each in ports), None)
    address = next(_ours(wire, cluster), None)
    if port and address and address.get("port_id") != port:
        wire.call("network", "PUT", f"/floatingips/{address['id']}", {"floatingip": {"port_id": port}})


def find(wire: Wire, cluster: str) -> Iterator[Resource]:
    """The cluster's addresses; none in a cloud that has no routers."""
    try:
        yield from (_resource(each) for each in _ours(wire, cluster))
    except RefusedError as refused:
        if not refused.gone:
            raise


def _ours(wire: Wire, cluster: str) -> Iterator[dict[str, Any]]:
    for each in wire.items("network", "floatingips", "/floatingips", {"project_id": wire.project}):
        if each.get("description") == _mark(cluster):
            yield each


def _resource(address: dict[str, Any]) -> Resource:
    return Resource("address", address["id"], str(address["floating_ip_address"]))


def _mark(cluster: str) -> str:
    return f"{TAG}={cluster}"
