"""Projects of the real OpenStack, each behind a proxy of its own whose single calls can be made to fail."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.provisioning.base import Choice
from providers.provisioning.openstack import OpenStack
from tests.openstack.services import PASSWORD, REGION, Services
from tests.provisioning.faulty_server import Faults, Manner, read_body

_BEHIND = {"identity": "keystone", "compute": "nova", "network": "neutron", "image": "glance"}
_DROPPED = frozenset(("host", "content-length", "connection", "transfer-encoding", "content-encoding"))
_LONGEST_S = 1.0
"""Of the client's waits: machines of the fake driver start and end in less."""
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g user@here"


@dataclass(frozen=True)
class Call:
    """One call as it came over the wire."""

    service: str
    method: str
    path: str
    body: bytes

    @property
    def kind(self) -> str:
        """The call without ids: ``POST compute/servers``."""
        path = re.sub(r"/([0-9a-f-]{32,36}|rubincwl-[a-z0-9-]+)(?=/|$)", "/ID", self.path)
        return f"{self.method} {self.service}{path.removeprefix('/v2.1').removeprefix('/v2.0').removeprefix('/v2')}"

    @property
    def changes(self) -> bool:
        return self.method != "GET" and self.service != "identity"


@dataclass
class Account:
    """A project with a user, both new; what a world is, as cloud_contract.World has it."""

    number: int
    services: Services
    front: str
    """URL of the proxy of all accounts."""
    folder: Path
    """For the clouds.yaml of its user."""
    patience_s: tuple[float, ...] = ()
    """None: a call that fails once has failed for good."""
    faults: Faults = field(default_factory=Faults)
    recorded: list[Call] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    """Flavors that no host has room for."""

    def __post_init__(self) -> None:
        self._admin = self.services.token()
        default = {"domain_id": "default"}
        made = self._keystone("POST", "/projects", {"project": {"name": self.name, **default}})
        self.project = made["project"]["id"]
        made = self._keystone("POST", "/users", {"user": {"name": self.name, "password": PASSWORD, **default}})
        self.user = made["user"]["id"]
        roles = {each["name"]: each["id"] for each in self._keystone("GET", "/roles")["roles"]}
        self._keystone("PUT", f"/projects/{self.project}/users/{self.user}/roles/{roles['member']}")
        self.quota(1000)
        self.clouds = self.folder / f"{self.name}.yaml"
        self.clouds.write_text(
            f"clouds:\n  here:\n    region_name: {REGION}\n    auth:\n"
            f"      auth_url: {self.front}/{self.number}/identity/v3\n"
            f"      username: {self.name}\n      password: {PASSWORD}\n      project_name: {self.name}\n"
            "      user_domain_name: Default\n      project_domain_name: Default\n"
        )

    # What a world is.
    def cloud(self, **settings: str) -> OpenStack:
        given = {"openstack": {"cloud": "here", **settings}}
        return OpenStack(given, patience_s=self.patience_s, pause=self.sleep)

    def fail(self, nth: int, *, after_effect: bool) -> None:
        self.faults.fail(nth, after_effect=after_effect)

    def calls(self) -> int:
        return self.faults.calls

    def changes(self) -> int:
        return sum(call.changes for call in self.recorded)

    def left(self) -> list[str]:
        return sorted(
            [
                *(f"node {each['name']}" for each in self.servers()),
                *(f"port of {each['device_owner']}" for each in self.network("ports")),
                *(f"firewall {each['name']}" for each in self.firewalls()),
                *(f"key {name}" for name in self.keys()),
                *(f"address {each['id']}" for each in self.network("floatingips")),
            ]
        )

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, _LONGEST_S))

    def fill(self, choice: Choice) -> None:
        flavor = self._flavor(choice.machine.name)
        self.full.append(flavor)
        self._nova("POST", f"/flavors/{flavor}/os-extra_specs", {"extra_specs": {"resources:VCPU": "100000"}})

    def take_away(self, name: str) -> None:
        for each in self.servers():
            if each["name"] == name:
                self.delete(each["id"])

    # What tests look at and do, past what is tested.
    @property
    def name(self) -> str:
        return f"account-{self.number}"

    def servers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._nova("GET", f"/servers/detail?all_tenants=1&project_id={self.project}")[
            "servers"
        ]
        return found

    def network(self, kind: str) -> list[dict[str, Any]]:
        path = f"/v2.0/{kind}?project_id={self.project}"
        answer = self.services.call("neutron", "GET", path, self._admin).json()
        found: list[dict[str, Any]] = answer.get(kind.replace("-", "_"), [])
        return found

    def firewalls(self) -> list[dict[str, Any]]:
        return [each for each in self.network("security-groups") if each["name"] != "default"]

    def keys(self) -> list[str]:
        found = self._nova("GET", f"/os-keypairs?user_id={self.user}")["keypairs"]
        return [each["keypair"]["name"] for each in found]

    def user_data(self, server: str) -> str:
        """In base64."""
        more = {"headers": {"OpenStack-API-Version": "compute 2.53"}}
        found = self.services.call("nova", "GET", f"/v2.1/servers/{server}", self._admin, **more).json()["server"]
        return str(found["OS-EXT-SRV-ATTR:user_data"])

    def stop(self, server: str) -> None:
        """As a machine does that shuts itself down."""
        self._nova("POST", f"/servers/{server}/action", {"os-stop": None})
        self._until(lambda: any(each["id"] == server and each["status"] == "SHUTOFF" for each in self.servers()))

    def delete(self, server: str) -> None:
        self._nova("DELETE", f"/servers/{server}")
        self._until(lambda: all(each["id"] != server for each in self.servers()))

    def quota(self, cores: int) -> None:
        """How many cores the project may use; other quotas do not matter here."""
        plenty = {"instances": 1000, "ram": 10_000_000}
        self._nova("PUT", f"/os-quota-sets/{self.project}", {"quota_set": {"cores": cores, **plenty}})

    def clear(self) -> None:
        """Remove what is left, so that the next account starts in a cloud with room."""
        for flavor in self.full:
            self._nova("DELETE", f"/flavors/{flavor}/os-extra_specs/resources:VCPU")
        for each in self.servers():
            self._nova("DELETE", f"/servers/{each['id']}")

    def _flavor(self, name: str) -> str:
        flavors = self._nova("GET", "/flavors")["flavors"]
        return next(str(each["id"]) for each in flavors if each["name"] == name)

    def _nova(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.services.call("nova", method, f"/v2.1{path}", self._admin, json=body)
        return answer.json() if answer.content else {}

    def _keystone(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.services.call("keystone", method, f"/v3{path}", self._admin, json=body)
        return answer.json() if answer.content else {}

    def _until(self, true: Callable[[], bool]) -> None:
        for _ in range(150):
            if true():
                return
            time.sleep(0.2)
        raise AssertionError("nova does not do it")


class Front:
    """The proxy: ``/NUMBER/SERVICE/…`` is counted for the account, failed or passed on, and so is the catalog."""

    def __init__(self, services: Services) -> None:
        import requests

        self.services = services
        self.url = ""
        self.accounts: dict[str, Account] = {}
        self._session = requests.Session()

    def account(self, folder: Path, patience_s: tuple[float, ...] = (), manner: Manner = "status 500") -> Account:
        """A new one."""
        number = len(self.accounts) + 1
        made = Account(number, self.services, self.url, folder, patience_s, Faults(manner))
        self.accounts[str(number)] = made
        return made

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        _, number, service, rest = environ["PATH_INFO"].split("/", 3)
        account = self.accounts[number]
        account.recorded.append(Call(service, environ["REQUEST_METHOD"], f"/{rest}", read_body(environ)))
        return account.faults.around(lambda *call: self._passed_on(number, service, rest, *call), environ, start)

    def _passed_on(
        self, number: str, service: str, rest: str, environ: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        names = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
        headers = {name: value for name, value in names.items() if name not in _DROPPED}
        headers["Content-Type"] = environ.get("CONTENT_TYPE") or "application/json"
        url = f"{self.services.urls[_BEHIND[service]]}/{rest}"
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        answer = self._session.request(environ["REQUEST_METHOD"], url + query, headers=headers, data=read_body(environ))
        body = answer.content
        for kind, package in _BEHIND.items():
            body = body.replace(self.services.urls[package].encode(), f"{self.url}/{number}/{kind}".encode())
        told = [(name, value) for name, value in answer.headers.items() if name.lower() not in _DROPPED]
        start(f"{answer.status_code} {answer.reason}", [*told, ("Content-Length", str(len(body)))])
        return [body]
