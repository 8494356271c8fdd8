"""A stand-in for Google on 127.0.0.1: Compute Engine and Secret Manager, as far as clusters use them.

It keeps state and has a clock of its own; operations take time; what is asked wrongly is refused as Google would, and
each single request can be made to fail, before it takes effect or after. No emulator of Compute Engine exists; the
shapes are those that libcloud recorded.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from providers.provisioning.base import Choice
from providers.provisioning.gce import GCE

from . import fake_gce_shapes as shapes
from .fake_gce_rights import required
from .fake_gce_shapes import PROJECT, REGION, Json, refusal

Answer = tuple[int, Json]
How = Literal["refused", "busy", "dropped", "operation"]
"""A request fails with 403, with 503, without an answer, or (where it begins one) by an operation that ends badly."""

ZONES = ("us-central1-a", "us-central1-b")
ELSEWHERE = "europe-west1-b"
START_S, DELETE_S, OPERATION_S = 1.5, 7.0, 0.9

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_FILTER = re.compile(r"(labels\.(?P<key>[a-z0-9_-]+)|name)=(?P<value>[a-z0-9-]+)")
_KINDS = {"instances": "instance", "disks": "disk"}


@dataclass(frozen=True)
class Ask:
    """What comes with a request."""

    query: dict[str, str]
    body: Json


@dataclass
class Google:
    """All of an account; it is a `cloud_contract.World`."""

    how: How = "refused"
    page: int = 500
    """So many things on a page of a list."""
    rights: frozenset[str] | None = None
    """Permissions of whoever asks; None for all."""
    clock: float = 1_700_000_000.0
    things: dict[str, Json] = field(default_factory=dict)
    """Instances, disks and firewall rules by their paths below the project; secrets by ``secrets/NAME``."""
    ends: dict[str, float] = field(default_factory=dict)
    """When a thing is gone."""
    operations: dict[str, tuple[float, Json, tuple[int, str, str] | None]] = field(default_factory=dict)
    full: set[tuple[str, str, str | None]] = field(default_factory=set)
    """Machine, market and zone (None: any) without capacity."""
    cannot: tuple[int, str, str] | None = None
    """How every machine fails to start: status, code, message."""
    exhausted: str = "ZONE_RESOURCE_POOL_EXHAUSTED"
    types: dict[str, tuple[int, tuple[str, ...]]] = field(
        default_factory=lambda: {
            "e2-standard-2": (2, ZONES),
            "n2-standard-8": (8, (*ZONES, ELSEWHERE)),
            "c2-standard-8": (8, ZONES[1:]),
            "g2-standard-4": (4, ZONES),
        }
    )
    quotas: dict[str, tuple[float, float]] = field(default_factory=lambda: {"N2_CPUS": (64.0, 0.0)})
    whole: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Quotas of the project."""
    networks: dict[str, Json] = field(default_factory=dict)
    subnetworks: dict[str, Json] = field(default_factory=dict)
    images: dict[str, Json] = field(
        default_factory=lambda: {"debian-cloud/debian-13": shapes.image("debian-cloud", "debian-13")}
    )
    refuse_all: dict[str, Answer] = field(default_factory=dict)
    """What each call of ``compute`` or ``secretmanager`` is answered."""
    unreachable: str = ""
    """A zone of which lists know nothing now."""
    seen: list[tuple[str, str, Json]] = field(default_factory=list)
    """Each request: method, path below the project, body."""
    headers: list[dict[str, str]] = field(default_factory=list)
    changed: int = 0
    url: str = ""
    _fault: tuple[int, bool] | None = None
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.networks.setdefault("default", shapes.recorded("global_networks_default"))

    # What a world is.
    def cloud(self, **settings: Any) -> GCE:
        given = {"project": PROJECT, "region": REGION, "compute_endpoint": self.url, "secrets_endpoint": self.url}
        return GCE(given | settings, pause=self.sleep)

    def fail(self, nth: int, *, after_effect: bool) -> None:
        self._fault = (self.calls() + nth, after_effect)

    def calls(self) -> int:
        return len(self.seen)

    def changes(self) -> int:
        return self.changed

    def left(self) -> list[str]:
        self._pass()
        return sorted(re.sub(r"^zones/[^/]+/", "", each) for each in self.things)

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        self._pass()

    def fill(self, choice: Choice) -> None:
        self.full.add((choice.machine.name, choice.market, choice.zone))

    def take_away(self, name: str) -> None:
        path, found = self.machine(name)
        assert found["scheduling"]["provisioningModel"] == "SPOT"
        self._end(path, found["scheduling"]["instanceTerminationAction"])

    def machine(self, name: str) -> tuple[str, Json]:
        """Path and body of a machine."""
        return next((key, each) for key, each in self.things.items() if key.endswith(f"/instances/{name}"))

    def shut_down(self, name: str) -> None:
        """The machine ends itself: Google keeps it, and its disk, and forgets when it was to end."""
        _, found = self.machine(name)
        found["status"] = "TERMINATED"
        found.pop("resourceStatus", None)

    # Time.
    def _pass(self) -> None:
        for path in [path for path, end in self.ends.items() if end <= self.clock]:
            del self.ends[path]
            self._remove(path)
        for path, found in list(self.things.items()):
            if "/instances/" in path:
                self._age(path, found)

    def _age(self, path: str, found: Json) -> None:
        if found["status"] == "PROVISIONING" and found["_running"] <= self.clock:
            seconds = float(found["scheduling"]["maxRunDuration"]["seconds"])
            end = shapes.moment(found["_running"] + seconds)
            found |= {"status": "RUNNING", "resourceStatus": {"scheduling": {"terminationTimestamp": end}}}
            found["_ends"] = found["_running"] + seconds
            if found["labels"].get("rubincwl-role") == "head":
                self._publish(found["labels"]["rubincwl-cluster"])
        if found["status"] == "RUNNING" and found["_ends"] <= self.clock:
            self._end(path, found["scheduling"]["instanceTerminationAction"])

    def _publish(self, cluster: str) -> None:
        """What the head does at its first start."""
        name = f"rubincwl-{cluster}-worker-token"
        self.things[f"secrets/{name}"] = self._secret(name, {"rubincwl-cluster": cluster})

    def _secret(self, name: str, labels: Json) -> Json:
        path = f"projects/4711/secrets/{name}"
        return {"name": path, "labels": labels, "createTime": "2026-11-01T10:00:00.123456Z", "_versions": {}}

    def _end(self, path: str, action: str) -> None:
        if action == "DELETE":
            self.things[path]["status"] = "STOPPING"
            self.ends[path] = self.clock + DELETE_S
        else:
            self.things[path]["status"] = "TERMINATED"

    def _remove(self, path: str) -> None:
        gone = self.things.pop(path, None)
        if gone is None or "/instances/" not in path:
            return
        for attached in gone["disks"]:
            disk = attached["source"].removeprefix(f"{shapes.LINK}/")
            if attached["autoDelete"]:
                self.things.pop(disk, None)
            elif disk in self.things:
                self.things[disk]["users"] = []

    # Requests.
    def answer(
        self, method: str, path: str, query: dict[str, str], body: Json, headers: dict[str, str]
    ) -> Answer | None:
        """What Google says to a request; None to say nothing."""
        with self._lock:
            self._pass()
            service, below = _place(path)
            self.seen.append((method, below, body))
            self.headers.append(headers)
            fault = self._fault if self._fault and self._fault[0] == len(self.seen) else None
            if fault is None:
                return self._judged(service, method, below, query, body)
            self._fault = None
            begins = method in ("POST", "PATCH", "DELETE") and service == "compute"
            if self.how == "operation" and begins:
                return self._operation_fails(method, below, query, body, after_effect=fault[1])
            if fault[1]:
                self._judged(service, method, below, query, body)
            if self.how == "dropped":
                return None
            if self.how == "busy":
                return refusal(503, "backendError", "Backend Error", "UNAVAILABLE")
            return refusal(403, "forbidden", "Required permission for the resource is missing", "PERMISSION_DENIED")

    def _operation_fails(
        self, method: str, below: str, query: dict[str, str], body: Json, *, after_effect: bool
    ) -> Answer:
        error = (500, "INTERNAL_ERROR", "Internal error. Please try again or contact Google Support. (Code: '4711')")
        if after_effect:
            status, operation = self._judged("compute", method, below, query, body)
            if "status" not in operation:
                return status, operation
            at, begun, _ = self.operations[operation["name"]]
            self.operations[operation["name"]] = (at, begun, error)
            return status, operation
        place = "global" if below.startswith("global") else "/".join(below.split("/")[:2])
        return self._begin(place, "insert", below, error=error)

    def _judged(self, service: str, method: str, path: str, query: dict[str, str], body: Json) -> Answer:
        if service in self.refuse_all:
            return self.refuse_all[service]
        if self.rights is not None:
            for permission in required(method, path, body):
                if permission not in self.rights:
                    words = f"Required '{permission}' permission for 'projects/{PROJECT}/{path}'"
                    return refusal(403, "forbidden", words, "PERMISSION_DENIED")
        for verb, pattern, handler in self._routes():
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                return handler(Ask(query, body), *found.groups())
        raise AssertionError(f"nobody asks Google this: {method} {path}")

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        one = "([^/]+)"
        return [
            ("GET", "", lambda ask: (200, shapes.project(self.whole))),
            ("GET", f"regions/{one}", self._region),
            ("GET", "zones", lambda ask: (200, shapes.zones((*ZONES, ELSEWHERE)))),
            ("GET", r"aggregated/(instances|disks)", self._aggregated),
            ("GET", "aggregated/(machineTypes)", self._aggregated),
            ("POST", f"zones/{one}/instances", self._insert),
            ("GET", f"((?:zones/{one}/instances|global/firewalls|secrets)/[^/:]+)", self._get),
            ("DELETE", f"((?:zones/{one}/(?:instances|disks)|global/firewalls|secrets)/[^/:]+)", self._delete),
            ("GET", f"(?:zones/[^/]+|global)/operations/{one}", self._poll),
            ("GET", "global/firewalls", self._firewalls),
            ("POST", "global/firewalls", self._add_firewall),
            ("PATCH", f"(global/firewalls/{one})", self._change_firewall),
            ("GET", f"global/networks/{one}", self._network),
            ("GET", f"regions/{one}/subnetworks/{one}", self._subnetwork),
            ("GET", f"../{one}/global/images/family/{one}", self._image),
            ("POST", "secrets", self._add_secret),
            ("POST", f"secrets/{one}:addVersion", self._add_version),
            ("GET", f"secrets/{one}/versions", self._list_versions),
            ("GET", f"secrets/{one}/versions/latest:access", self._access),
            ("POST", f"secrets/{one}/versions/{one}:destroy", self._destroy_version),
        ]

    def _region(self, ask: Ask, name: str) -> Answer:
        if name != REGION:
            return _missing(f"regions/{name}")
        return 200, shapes.region(ZONES, self.quotas | {"CPUS": (1050.0, 30.0)} | self.quotas)

    def _network(self, ask: Ask, name: str) -> Answer:
        return self._known(self.networks, name, f"global/networks/{name}")

    def _subnetwork(self, ask: Ask, region: str, name: str) -> Answer:
        return self._known(self.subnetworks, name, f"regions/{region}/subnetworks/{name}")

    def _image(self, ask: Ask, owner: str, family: str) -> Answer:
        return self._known(self.images, f"{owner}/{family}", f"global/images/family/{family}")

    def _known(self, among: dict[str, Json], name: str, path: str) -> Answer:
        return (200, among[name]) if name in among else _missing(path)

    def _aggregated(self, ask: Ask, kind: str) -> Answer:
        if kind == "machineTypes":
            every = [shapes.machine_type(n, cores, z) for n, (cores, zones) in self.types.items() for z in zones]
        else:
            every = [each for path, each in self.things.items() if f"/{kind}/" in path]
        page, following = self._paged(
            [_public(each) for each in every if _matches(each, ask.query.get("filter"))], ask.query
        )
        body = shapes.everywhere(kind, (*ZONES, ELSEWHERE), page)
        if self.unreachable:
            body["items"][f"zones/{self.unreachable}"] = {"warning": {"code": "UNREACHABLE", "message": "unreachable"}}
        return 200, body | following

    def _firewalls(self, ask: Ask) -> Answer:
        rules = [each for path, each in self.things.items() if path.startswith("global/firewalls/")]
        foreign = shapes.recorded("global_firewalls")["items"]
        page, following = self._paged([*foreign, *rules], ask.query)
        return 200, shapes.recorded("global_firewalls") | {"items": page} | following

    def _paged(self, found: list[Json], query: dict[str, str]) -> tuple[list[Json], Json]:
        begin = int(query.get("pageToken", 0))
        end = begin + min(self.page, int(query.get("maxResults", 500)))
        return found[begin:end], {"nextPageToken": str(end)} if end < len(found) else {}

    def _get(self, ask: Ask, path: str, *_: str) -> Answer:
        return (200, _public(self.things[path])) if path in self.things else _missing(path)

    def _delete(self, ask: Ask, path: str, *_: str) -> Answer:
        if path not in self.things:
            return _missing(path)
        self.changed += 1
        if path.startswith("secrets/"):
            del self.things[path]
            return 200, {}
        place = "global" if path.startswith("global") else "/".join(path.split("/")[:2])
        if "/instances/" in path:
            self._end(path, "DELETE") if path not in self.ends else None
            return self._begin(place, "delete", path, until=self.ends[path])
        if self.things[path].get("users"):
            words = f"The disk resource '{path}' is already being used"
            return refusal(400, "resourceInUseByAnotherResource", words)
        self._remove(path)
        return self._begin(place, "delete", path)

    def _add_firewall(self, ask: Ask) -> Answer:
        body = ask.body
        path = f"global/firewalls/{body['name']}"
        if path in self.things:
            return _there(path)
        assert _NAME.fullmatch(body["name"])
        network = body["network"].rpartition("/")[2]
        if network not in self.networks:
            return _missing(f"global/networks/{network}")
        self.changed += 1
        self.things[path] = shapes.firewall(body, self.clock)
        return self._begin("global", "insert", path)

    def _change_firewall(self, ask: Ask, path: str, name: str) -> Answer:
        if path not in self.things:
            return _missing(path)
        self.changed += 1
        self.things[path] |= ask.body
        return self._begin("global", "patch", path)

    def _insert(self, ask: Ask, zone: str) -> Answer:
        body = ask.body
        path = f"zones/{zone}/instances/{body['name']}"
        if path in self.things:
            return _there(path)
        if wrong := self._wrong(body, zone):
            return wrong
        if failure := self._cannot(body, zone):
            return self._begin(f"zones/{zone}", "insert", path, error=failure)
        self.changed += 1
        self._made += 1
        disk = body["name"] if f"zones/{zone}/disks/{body['name']}" not in self.things else f"{body['name']}-1"
        machine = shapes.instance(body, zone, self._made, self.clock, disk)
        self.things[path] = machine | {"_running": self.clock + START_S}
        self.things[f"zones/{zone}/disks/{disk}"] = shapes.disk(body, zone, disk, body["name"], self.clock)
        return self._begin(f"zones/{zone}", "insert", path)

    def _wrong(self, body: Json, zone: str) -> Answer | None:
        """What Google refuses at once."""
        machine, scheduling = body["machineType"].rpartition("/")[2], body["scheduling"]
        spot = scheduling["provisioningModel"] == "SPOT"
        labels = {**body["labels"], **body["disks"][0]["initializeParams"]["labels"]}
        if zone not in self.types.get(machine, (0, ()))[1]:
            words = "Invalid value for field 'resource.machineType': The referenced resource does not exist."
            return refusal(400, "invalid", words)
        network = body["networkInterfaces"][0]["network"].rpartition("/")[2]
        if network not in self.networks:
            return _missing(f"global/networks/{network}")
        _, owner, *_, family = body["disks"][0]["initializeParams"]["sourceImage"].split("/")
        if f"{owner}/{family}" not in self.images:
            return _missing(f"global/images/family/{family}")
        bad = (
            not _NAME.fullmatch(body["name"])
            or any(not re.fullmatch(r"[a-z][-_a-z0-9]{0,62}", key) for key in labels)
            or any(not re.fullmatch(r"[-_a-z0-9]{0,63}", str(value)) for value in labels.values())
            or (spot and scheduling.get("automaticRestart"))
            or scheduling.get("instanceTerminationAction") not in ("STOP", "DELETE")
            or not 30 <= int(scheduling["maxRunDuration"]["seconds"]) <= 120 * 86400
            or any(len(each["value"].encode()) > 256 * 1024 for each in body["metadata"]["items"])
            or (machine.startswith("e2-") and not spot and scheduling.get("onHostMaintenance") == "TERMINATE")
            or (machine.startswith("g2-") and scheduling.get("onHostMaintenance") != "TERMINATE")
        )
        return refusal(400, "invalid", "Invalid value for field") if bad else None

    def _cannot(self, body: Json, zone: str) -> tuple[int, str, str] | None:
        """What Google finds out while it tries."""
        if self.cannot:
            return self.cannot
        machine = body["machineType"].rpartition("/")[2]
        market = "spot" if body["scheduling"]["provisioningModel"] == "SPOT" else "on-demand"
        if {(machine, market, zone), (machine, market, None)} & self.full:
            words = f"The zone 'projects/{PROJECT}/zones/{zone}' does not have enough resources available"
            return 503, self.exhausted, words
        metric = "PREEMPTIBLE_CPUS" if market == "spot" else f"{machine.partition('-')[0].upper()}_CPUS"
        if metric in self.quotas:
            most, used = self.quotas[metric]
            if used + self.types[machine][0] > most:
                return 403, "QUOTA_EXCEEDED", f"Quota '{metric}' exceeded.  Limit: {most} in region {REGION}."
        return None

    def _begin(
        self, place: str, verb: str, target: str, until: float | None = None, error: tuple[int, str, str] | None = None
    ) -> Answer:
        name = f"operation-{len(self.operations) + 1}"
        begun = shapes.operation(name, place, verb, target)
        self.operations[name] = (until or self.clock + OPERATION_S, begun, error)
        return 200, begun

    def _poll(self, ask: Ask, name: str) -> Answer:
        if name not in self.operations:
            return _missing(f"operations/{name}")
        end, begun, error = self.operations[name]
        return 200, shapes.ended(begun, error) if end <= self.clock else begun | {"status": "RUNNING"}

    # Secret Manager, as heads and workers use it.
    def _add_secret(self, ask: Ask) -> Answer:
        name = ask.query["secretId"]
        if f"secrets/{name}" in self.things:
            return refusal(
                409, "alreadyExists", f"Secret [projects/4711/secrets/{name}] already exists.", "ALREADY_EXISTS"
            )
        self.things[f"secrets/{name}"] = self._secret(name, ask.body["labels"])
        return 200, _public(self.things[f"secrets/{name}"])

    def _add_version(self, ask: Ask, name: str) -> Answer:
        if f"secrets/{name}" not in self.things:
            return _missing(f"secrets/{name}")
        versions = self.things[f"secrets/{name}"]["_versions"]
        versions[str(len(versions) + 1)] = ask.body["payload"]["data"]
        return 200, {"name": f"projects/4711/secrets/{name}/versions/{len(versions)}", "state": "ENABLED"}

    def _list_versions(self, ask: Ask, name: str) -> Answer:
        versions = self.things[f"secrets/{name}"]["_versions"]
        names = [f"projects/{PROJECT}/secrets/{name}/versions/{each}" for each, data in versions.items() if data]
        return 200, {"versions": [{"name": each, "state": "ENABLED"} for each in names]}

    def _access(self, ask: Ask, name: str) -> Answer:
        if f"secrets/{name}" not in self.things:
            return _missing(f"secrets/{name}")
        data = list(self.things[f"secrets/{name}"]["_versions"].values())[-1]
        return 200, {"payload": {"data": data}}

    def _destroy_version(self, ask: Ask, name: str, version: str) -> Answer:
        self.things[f"secrets/{name}"]["_versions"][version] = None
        return 200, {"state": "DESTROYED"}


def _place(path: str) -> tuple[str, str]:
    """Service, and path below our project."""
    service = "compute" if path.startswith("/compute/v1/") else "secretmanager"
    below = path.removeprefix("/compute/v1/projects/" if service == "compute" else "/v1/projects/")
    owner, _, rest = below.partition("/")
    return service, rest if owner == PROJECT else f"../{owner}/{rest}"


def _matches(thing: Json, asked: str | None) -> bool:
    if asked is None:
        return True
    found = _FILTER.fullmatch(asked)
    assert found, f"Google does not understand the filter {asked}"
    value = thing.get("labels", {}).get(found["key"]) if found["key"] else thing["name"]
    return bool(value == found["value"])


def _public(thing: Json) -> Json:
    return {key: value for key, value in thing.items() if not key.startswith("_")}


def _missing(path: str) -> Answer:
    words = f"The resource 'projects/{PROJECT}/{path}' was not found"
    if path.startswith("secrets/"):
        return refusal(404, "notFound", f"Secret [projects/4711/{path}] not found.", "NOT_FOUND")
    return refusal(404, "notFound", words)


def _there(path: str) -> Answer:
    return refusal(409, "alreadyExists", f"The resource 'projects/{PROJECT}/{path}' already exists")
