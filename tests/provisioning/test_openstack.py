"""What an OpenStack is asked, answered by a script; the services themselves are in tests/openstack."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from providers.provisioning.base import Cloud, CloudError
from providers.provisioning.openstack import OpenStack, machines
from providers.provisioning.openstack.login import Login
from providers.provisioning.openstack.wire import NoAnswerError, RefusedError, Wire
from tests.provisioning.faulty_server import served

PROJECT = "0123456789abcdef0123456789abcdef"
Answers = list[tuple[int, Any]]


class Script:
    """Logs anybody in, and gives its answers one after the other."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.url = ""

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{query}")
        headers = [("Content-Type", "application/json")]
        if environ["PATH_INFO"] == "/v3/auth/tokens":
            status, body = 201, self._token()
            headers.append(("X-Subject-Token", f"token-{len(self.asked)}"))
        else:
            status, body = self.answers.pop(0)
        start(f"{status} said", headers)
        return [json.dumps(body).encode()]

    def _token(self) -> dict[str, Any]:
        urls = {"one": self.url, "two": f"{self.url}/two"}
        endpoints = [{"interface": "public", "region_id": region, "url": url} for region, url in urls.items()]
        catalog = [{"type": kind, "endpoints": endpoints} for kind in ("compute", "network")]
        times = {"issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2026-01-01T01:00:00.000000Z"}
        return {"token": {"project": {"id": PROJECT}, "catalog": catalog, **times}}


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    with served(made) as made.url:
        yield made


def wire(script: Script, region: str = "one", clock: Callable[[], float] = lambda: 0.0) -> Wire:
    auth = {"username": "rubin", "password": "hidden", "project_name": "lsst"}
    return Wire(Login(script.url, auth, region), (1.0, 1.0), lambda seconds: None, clock)


def test_it_is_a_cloud_whose_limit_is_that_of_the_encoded_text() -> None:
    cloud = OpenStack({})
    assert isinstance(cloud, Cloud)
    assert not cloud.can_stop_cost, "a stopped machine holds what it was given"
    assert len(b64encode(b"#" * cloud.user_data_limit)) <= 65535 < len(b64encode(b"#" * (cloud.user_data_limit + 1)))


def test_a_question_is_repeated_while_the_cloud_is_busy(script: Script) -> None:
    script.answers = [(503, {}), (200, {"servers": []})]
    assert list(wire(script).items("compute", "servers", "/servers/detail")) == []


def test_nothing_is_made_again_before_it_is_looked_for(script: Script) -> None:
    found: list[str] = []
    script.answers = [(500, {})]

    def make() -> str:
        found.append("there")  # it took effect, and the answer was lost
        asking.call("compute", "POST", "/servers", {"server": {}})
        return "made"

    asking = wire(script)
    assert asking.made(lambda: next(iter(found), None), make) == ("there", False)
    assert [each for each in script.asked if each.startswith("POST /servers")] == ["POST /servers"]


def test_a_call_that_makes_something_and_gets_no_answer_is_told(script: Script) -> None:
    script.answers = [(500, {})]
    with pytest.raises(NoAnswerError, match="POST /servers"):
        wire(script).call("compute", "POST", "/servers", {"server": {}})


def test_a_token_that_was_revoked_or_ends_soon_is_asked_for_again(script: Script) -> None:
    now = [0.0]
    asking = wire(script, clock=lambda: now[0])
    script.answers = [(401, {}), (200, {}), (200, {})]
    asking.call("compute", "GET", "/limits")
    now[0] = 3400.0
    asking.call("compute", "GET", "/limits")
    assert script.asked.count("POST /v3/auth/tokens") == 3


def test_pages_are_read_to_the_last(script: Script) -> None:
    following = {"rel": "next", "href": "https://elsewhere.example.org/servers/detail?marker=b&limit=2"}
    script.answers = [
        (200, {"servers": [{"id": "a"}, {"id": "b"}], "servers_links": [following]}),
        (200, {"servers": [{"id": "c"}]}),
    ]
    found = [each["id"] for each in wire(script).items("compute", "servers", "/servers/detail")]
    assert found == ["a", "b", "c"]
    assert script.asked[-1] == "GET /servers/detail?marker=b&limit=2"


@pytest.mark.parametrize(("region", "told"), [("", "more than one address"), ("three", "no public address")])
def test_a_region_that_does_not_say_where_is_told(script: Script, region: str, told: str) -> None:
    with pytest.raises(CloudError, match=told):
        wire(script, region).call("compute", "GET", "/limits")


def test_secrets_are_cut_out_of_what_the_cloud_says(script: Script) -> None:
    script.answers = [(400, {"badRequest": {"message": "rubin:hidden cannot do it with token-1"}})]
    with pytest.raises(RefusedError, match="rubin:… cannot do it with …"):
        wire(script).call("compute", "GET", "/limits")


def server(**more: Any) -> dict[str, Any]:
    plain = {"id": "1", "name": "dark-head-1", "status": "ACTIVE", "metadata": {}, "flavor": {"original_name": "small"}}
    return {**plain, "created": "2026-01-01T00:00:00Z", "addresses": {}, **more}


def test_a_machine_is_reached_from_outside_where_it_has_an_address_there() -> None:
    kinds = (("fixed", "fd00::1", 6), ("fixed", "10.0.0.5", 4), ("floating", "192.0.2.7", 4))
    addresses = [{"OS-EXT-IPS:type": kind, "addr": addr, "version": version} for kind, addr, version in kinds]
    outside = server(addresses={"inside": addresses})
    assert machines.resource(outside).address == "192.0.2.7"
    assert machines.private_address(outside) == "10.0.0.5"
    assert machines.resource(server(addresses={"inside": addresses[:2]})).address == "10.0.0.5"


@pytest.mark.parametrize(
    ("status", "task", "state"),
    [
        ("BUILD", "spawning", "pending"),
        ("ACTIVE", None, "running"),
        ("ACTIVE", "deleting", "stopping"),
        ("ERROR", None, "stopped"),
        ("SHUTOFF", None, "stopped"),
        ("SHELVED_OFFLOADED", None, "stopped"),
        ("REBOOT", "rebooting", "running"),
    ],
)
def test_states_are_those_that_provisioning_knows(status: str, task: str | None, state: str) -> None:
    assert machines.resource(server(status=status, **{"OS-EXT-STS:task_state": task})).state == state
