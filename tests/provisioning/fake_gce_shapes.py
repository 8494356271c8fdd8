"""Answers of Compute Engine in the shapes that libcloud recorded from Google, filled with what a fake holds."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import libcloud

Json = dict[str, Any]

PROJECT = "survey-123"
REGION = "us-central1"
LINK = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}"

_RECORDED = Path(libcloud.__file__).parent / "test/compute/fixtures/gce"
_PACIFIC = timezone(timedelta(hours=-8))


@cache
def _read(name: str) -> Json:
    return json.loads((_RECORDED / f"{name}.json").read_text().replace("projects/project_name", f"projects/{PROJECT}"))


def recorded(name: str) -> Json:
    """One of Google's recorded answers, of our project, to be changed at will."""
    return deepcopy(_read(name))


def moment(seconds: float) -> str:
    """As Google writes it: ``2013-12-13T10:45:23.351-08:00``."""
    return datetime.fromtimestamp(seconds, _PACIFIC).isoformat(timespec="milliseconds")


def instance(body: Json, zone: str, number: int, now: float, disk: str) -> Json:
    """A machine just asked for."""
    made = recorded("zones_us-central1-a_instances_node-name")
    made |= {key: value for key, value in body.items() if key not in ("disks", "networkInterfaces")}
    for key in ("metadata", "tags"):
        made[key] = {"fingerprint": "42WmSpB8rSM=", **body[key]}
    attached = made["disks"][0] | {"source": f"{LINK}/zones/{zone}/disks/{disk}", "autoDelete": True}
    asked = body["networkInterfaces"][0]
    interface = made["networkInterfaces"][0] | {"networkIP": f"10.128.0.{number}", "network": _link(asked["network"])}
    outside = interface["accessConfigs"][0] | {"natIP": f"192.0.2.{number}"}
    interface["accessConfigs"] = [outside] if asked.get("accessConfigs") else []
    return made | {
        "id": str(4006034190819017667 + number),
        "creationTimestamp": moment(now),
        "selfLink": f"{LINK}/zones/{zone}/instances/{body['name']}",
        "zone": f"{LINK}/zones/{zone}",
        "machineType": f"{LINK}/{body['machineType']}",
        "disks": [attached],
        "networkInterfaces": [interface],
        "status": "PROVISIONING",
    }


def disk(body: Json, zone: str, name: str, user: str, now: float) -> Json:
    """The disk that comes with a machine."""
    asked = body["disks"][0]["initializeParams"]
    return recorded("zones_us-central1-a_disks_lcdisk") | {
        "name": name,
        "creationTimestamp": moment(now),
        "zone": f"{LINK}/zones/{zone}",
        "selfLink": f"{LINK}/zones/{zone}/disks/{name}",
        "sizeGb": asked["diskSizeGb"],
        "labels": asked["labels"],
        "type": f"{LINK}/{asked['diskType']}",
        "users": [f"{LINK}/zones/{zone}/instances/{user}"],
    }


def firewall(body: Json, now: float) -> Json:
    """A rule just made; one without a source lets everybody in."""
    made = recorded("global_firewalls_lcfirewall")
    for key in ("allowed", "sourceServiceAccounts", "targetTags"):
        made.pop(key, None)
    sources = {} if body.get("sourceTags") or body.get("sourceRanges") else {"sourceRanges": ["0.0.0.0/0"]}
    link = {"selfLink": f"{LINK}/global/firewalls/{body['name']}", "network": _link(body["network"])}
    return made | body | sources | link | {"creationTimestamp": moment(now)}


def operation(name: str, place: str, verb: str, target: str) -> Json:
    """An operation that has begun; `place` is ``zones/Z`` or ``global``."""
    base = "global_firewalls_post" if place == "global" else "zones_us-central1-a_instances_post"
    made = recorded(base) | {
        "name": name,
        "operationType": verb,
        "targetLink": f"{LINK}/{target}",
        "selfLink": f"{LINK}/{place}/operations/{name}",
    }
    return made if place == "global" else made | {"zone": f"{LINK}/{place}"}


def ended(operation: Json, error: tuple[int, str, str] | None) -> Json:
    """The same when it is done, well or not: `error` is a status, a code and a message."""
    done = operation | {"status": "DONE", "progress": 100}
    if error is None:
        return done
    status, code, message = error
    shape = recorded("operations_operation_zones_europe-west1-a_instances_post")
    failure = {"errors": [shape["error"]["errors"][0] | {"code": code, "message": message}]}
    return done | {"error": failure, "httpErrorStatusCode": status, "httpErrorMessage": "ERROR"}


def refusal(status: int, reason: str, message: str, canonical: str = "", detail: str = "") -> tuple[int, Json]:
    """A call that is refused."""
    body = recorded("global_images_family_notfound")
    error = body["error"]
    error |= {"code": status, "message": message}
    error["errors"][0] |= {"reason": reason, "message": message}
    if canonical:
        error["status"] = canonical
    if detail:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": detail}]
    return status, body


def everywhere(kind: str, zones: tuple[str, ...], found: list[Json]) -> Json:
    """A page of a list of all zones; those that have nothing on it carry a warning."""
    page = recorded("aggregated_instances")
    quiet = page["items"]["zones/europe-west1-b"]
    items: Json = {f"zones/{zone}": deepcopy(quiet) for zone in zones}
    for each in found:
        inside = items[f"zones/{each['zone'].rpartition('/')[2]}"]
        inside.pop("warning", None)
        inside.setdefault(kind, []).append(each)
    return page | {"id": f"projects/{PROJECT}/aggregated/{kind}", "items": items}


def region(zones: tuple[str, ...], quotas: dict[str, tuple[float, float]]) -> Json:
    """A region with its quotas: limit and usage, over those recorded."""
    found = recorded(f"regions_{REGION}")
    return found | {"zones": [f"{LINK}/zones/{each}" for each in zones], "quotas": _quotas(found["quotas"], quotas)}


def zones(names: tuple[str, ...]) -> Json:
    """The list of zones."""
    one = recorded("zones_us-central1-a")
    items = [one | {"name": each, "selfLink": f"{LINK}/zones/{each}"} for each in names]
    return recorded("zones") | {"items": items}


def project(quotas: dict[str, tuple[float, float]]) -> Json:
    """The project with its quotas."""
    found = recorded("project")
    return found | {"name": PROJECT, "quotas": _quotas(found["quotas"], quotas)}


def machine_type(name: str, cores: int, zone: str) -> Json:
    """A type of machines as one zone has it."""
    return recorded("zones_us-central1-a_machineTypes_n1-standard-1") | {
        "name": name,
        "guestCpus": cores,
        "zone": zone,
        "selfLink": f"{LINK}/zones/{zone}/machineTypes/{name}",
    }


def image(owner: str, family: str, **more: Any) -> Json:
    """The newest image of a family."""
    found = recorded("projects_coreos-cloud_global_images_family_coreos_stable")
    features = [*found["guestOsFeatures"], {"type": "UEFI_COMPATIBLE"}]
    name = f"{family}-v20261101"
    link = f"https://www.googleapis.com/compute/v1/projects/{owner}/global/images/{name}"
    return found | {"name": name, "family": family, "guestOsFeatures": features, "selfLink": link} | more


def _quotas(recorded: list[Json], over: dict[str, tuple[float, float]]) -> list[Json]:
    kept = [each for each in recorded if each["metric"] not in over]
    return kept + [{"metric": metric, "limit": most, "usage": used} for metric, (most, used) in over.items()]


def _link(path: str) -> str:
    return f"https://www.googleapis.com/compute/v1/{path}"
