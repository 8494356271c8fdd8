"""The text that cloud-init reads."""

from __future__ import annotations

from providers.provisioning.cloud_init.node import Node


def user_data(node: Node) -> str:
    """The machine's user data: ``#cloud-config`` and YAML. Ask `problems` of the node first."""
    raise NotImplementedError(node.role)
