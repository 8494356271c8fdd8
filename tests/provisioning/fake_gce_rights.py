"""Which permissions Google asks for which call, by the section 'IAM Permissions' of each method's reference page.

https://cloud.google.com/compute/docs/reference/rest/v1, https://cloud.google.com/secret-manager/docs/reference/rest/v1.
"""

from __future__ import annotations

import re
from typing import Any

_PLAIN = {
    "GET ": "compute.projects.get",
    "GET regions/*": "compute.regions.get",
    "GET aggregated/instances": "compute.instances.list",
    "GET aggregated/disks": "compute.disks.list",
    "GET aggregated/machineTypes": "compute.machineTypes.list",
    "GET zones/*/instances/*": "compute.instances.get",
    "DELETE zones/*/instances/*": "compute.instances.delete",
    "DELETE zones/*/disks/*": "compute.disks.delete",
    "GET zones/*/operations/*": "compute.zoneOperations.get",
    "GET global/operations/*": "compute.globalOperations.get",
    "GET global/firewalls": "compute.firewalls.list",
    "GET global/firewalls/*": "compute.firewalls.get",
    "GET global/networks/*": "compute.networks.get",
    "GET regions/*/subnetworks/*": "compute.subnetworks.get",
    # Secret Manager's, of the same project.
    "GET secrets/*": "secretmanager.secrets.get",
    "DELETE secrets/*": "secretmanager.secrets.delete",
    "POST secrets": "secretmanager.secrets.create",
    "POST secrets/*:addVersion": "secretmanager.versions.add",
    "GET secrets/*/versions": "secretmanager.versions.list",
    "GET secrets/*/versions/*:access": "secretmanager.versions.access",
    "POST secrets/*/versions/*:destroy": "secretmanager.versions.destroy",
}


def required(method: str, path: str, body: Any) -> tuple[str, ...]:
    """Permissions on the project for a call; `path` is below it. Images of ``debian-cloud`` are everybody's."""
    if (method, path) == ("POST", "global/firewalls"):
        return ("compute.firewalls.create", "compute.networks.updatePolicy")
    if method == "PATCH" and path.startswith("global/firewalls/"):
        return ("compute.firewalls.update", "compute.networks.updatePolicy")
    if method == "DELETE" and path.startswith("global/firewalls/"):
        return ("compute.firewalls.delete", "compute.networks.updatePolicy")
    if method == "POST" and re.fullmatch(r"zones/[^/]+/instances", path):
        return tuple(_of_instance(body))
    if path.startswith("../"):
        return ()
    for pattern, permission in _PLAIN.items():
        verb, _, place = pattern.partition(" ")
        if verb == method and re.fullmatch(re.escape(place).replace(r"\*", "[^/]+"), path):
            return (permission,)
    raise AssertionError(f"no permission is known for {method} {path}")


def _of_instance(body: dict[str, Any]) -> list[str]:
    found = ["compute.instances.create", "compute.disks.create", "compute.subnetworks.use"]
    parts = {
        "metadata": "compute.instances.setMetadata",
        "tags": "compute.instances.setTags",
        "labels": "compute.instances.setLabels",
        "serviceAccounts": "compute.instances.setServiceAccount",
    }
    found += [permission for key, permission in parts.items() if body.get(key)]
    if body["disks"][0]["initializeParams"].get("labels"):
        found.append("compute.disks.setLabels")
    if any(each.get("accessConfigs") for each in body["networkInterfaces"]):
        found.append("compute.subnetworks.useExternalIp")
    return found
