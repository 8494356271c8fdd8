"""One way to call OpenStack: repeated while it is busy, answered by plain JSON, refused in words.

Calls go through libcloud's connection and not through its driver's methods: those know no rules between security
groups, no descriptions to find things by, read flavors one by one, and lose what nova says of a machine that it could
not place. A call that makes something is not repeated blindly, since most names may exist twice: `Wire.made` looks
first.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from providers.provisioning.base import CloudError
from providers.provisioning.openstack.login import Login
from providers.provisioning.openstack.words import explained

PATIENCE_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses before a call is repeated, each up to half longer or shorter: many callers do not come back at once."""
COMPUTE_VERSION = "2.53"
"""Of nova's calls, since 2017; since 2.47 a machine tells the name of its flavor."""

_TIMEOUT_S = 60
_BUSY_STATUS = frozenset((408, 429, 500, 502, 503, 504))
_EARLY_S = 300.0
"""So long before a token ends another one is asked for."""
_ROOTS = {"compute": "", "network": "/v2.0", "image": "/v2"}
"""What the address of a service may lack at its end."""

Json = dict[str, Any]
_Made = TypeVar("_Made")


class RefusedError(CloudError):
    """OpenStack has answered, and the answer is no."""

    def __init__(self, call: str, status: int, message: str) -> None:
        super().__init__(explained(call, status, message))
        self.status = status
        self.text = message

    @property
    def gone(self) -> bool:
        """Whether there is no such thing."""
        return self.status == 404

    @property
    def conflict(self) -> bool:
        """Whether it is there already, or something else still holds it."""
        return self.status == 409

    @property
    def quota(self) -> bool:
        """Whether a quota is used up."""
        return self.status in (403, 413) and "quota" in self.text.lower()


class NoAnswerError(CloudError):
    """OpenStack could not be reached, or was too busy for too long: whether a call was carried out is not known."""


class _BusyError(Exception):
    """No answer, or one that says to come back."""


class Wire:
    """Calls in one project."""

    def __init__(
        self,
        login: Login,
        patience_s: Sequence[float] = PATIENCE_S,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.login = login
        self.pause = pause
        self._patience_s = patience_s
        self._clock = clock
        self._token = ""
        self._token_ends = 0.0
        self._catalog: list[Json] = []
        self._project = ""
        self._connections: dict[str, Any] = {}

    @property
    def project(self) -> str:
        """Id of the project that the token is for. Raises as `call` does."""
        if not self._token:
            self._patiently("POST /auth/tokens", self._log_in)
        return self._project

    def call(
        self, service: str, method: str, path: str, body: Json | None = None, params: Mapping[str, str] | None = None
    ) -> Json:
        """The answer of ``compute``, ``network`` or ``image``.

        Raises `RefusedError` for what it refuses, `NoAnswerError` if it cannot be reached.
        """
        attempt = self._attempt(service, method, path, body, params)
        if method == "POST":
            try:
                return attempt()
            except _BusyError as reason:
                raise self._no_answer(f"{method} {path}", reason) from None
        return self._patiently(f"{method} {path}", attempt)

    def items(self, service: str, kind: str, path: str, params: Mapping[str, str] | None = None) -> Iterator[Json]:
        """What is in every page of a list whose key is `kind`."""
        asked = dict(params or {})
        while True:
            page = self.call(service, "GET", path, params=asked)
            yield from page.get(kind, ())
            links = (each["href"] for each in page.get(f"{kind}_links", ()) if each.get("rel") == "next")
            following = page.get("next") or next(links, None)
            if not following:
                return
            asked |= dict(parse_qsl(urlsplit(following).query))

    def made(self, find: Callable[[], _Made | None], make: Callable[[], _Made]) -> tuple[_Made, bool]:
        """What `find` finds, else what `make` makes; and whether it was made.

        Where `make` gets no answer it is looked for before it is made again, so that nothing is made twice.
        """
        for pause_s in (*self._patience_s, None):
            if (there := find()) is not None:
                return there, False
            try:
                return make(), True
            except NoAnswerError:
                if pause_s is None:
                    raise
                self._wait(pause_s)
        raise AssertionError("unreachable")

    def _attempt(
        self, service: str, method: str, path: str, body: Json | None, params: Mapping[str, str] | None
    ) -> Callable[[], Json]:
        def attempt() -> Json:
            for renewed in (False, True):
                if not self._token or self._clock() > self._token_ends:
                    self._log_in()
                headers = {"X-Auth-Token": self._token}
                answer = self._sent(self._url(service), method, path, body, params, headers)
                if answer.status == 401 and not renewed:
                    self._token = ""  # it may have been revoked
                    continue
                return self._read(f"{method} {path}", answer)
            raise AssertionError("unreachable")

        return attempt

    def _log_in(self) -> Json:
        answer = self._sent(f"{self.login.url}/v3", "POST", "/auth/tokens", self.login.request(), None, {})
        token = self._read("POST /auth/tokens", answer)["token"]
        if "project" not in token:
            raise CloudError("Keystone gives a token for no project; name one: openstack: project")
        self._catalog, self._project = token.get("catalog", []), token["project"]["id"]
        self._token = answer.headers["x-subject-token"]
        self._token_ends = self._clock() + _lasts_s(token) - _EARLY_S
        return {}

    def _url(self, service: str) -> str:
        here = [
            str(endpoint["url"])
            for entry in self._catalog
            if entry.get("type") == service
            for endpoint in entry.get("endpoints", ())
            if endpoint.get("interface") == self.login.interface
            and self.login.region in ("", endpoint.get("region_id"), endpoint.get("region"))
        ]
        if len(set(here)) != 1:
            region = f" in the region '{self.login.region}'" if self.login.region else ""
            what = "more than one address" if here else f"no {self.login.interface} address"
            raise CloudError(f"Keystone knows {what} of the service '{service}'{region}; check openstack: region")
        root = _ROOTS[service]
        url = here[0].rstrip("/")
        return url if url.endswith(root) else url + root

    def _sent(
        self,
        url: str,
        method: str,
        path: str,
        body: Json | None,
        params: Mapping[str, str] | None,
        headers: dict[str, str],
    ) -> Any:
        if url not in self._connections:
            self._connections[url] = _connection(url, self.login.ca_file)
        headers |= {"OpenStack-API-Version": f"compute {COMPUTE_VERSION}"}
        try:
            return self._connections[url].request(
                path, params=dict(params or {}), data=body, headers=headers, method=method
            )
        except OSError as reason:  # what requests and ssl raise
            raise _BusyError(type(reason).__name__) from None

    def _read(self, call: str, answer: Any) -> Json:
        status = int(answer.status)
        try:
            read = json.loads(answer.body) if answer.body else {}
        except ValueError:
            read = None
        if status < 300 and isinstance(read, dict):
            return read
        if status in _BUSY_STATUS or status < 300:
            raise _BusyError(f"status {status}")
        raise RefusedError(call, status, self._hidden(_message(read)))

    def _patiently(self, call: str, attempt: Callable[[], Json]) -> Json:
        for pause_s in (*self._patience_s, None):
            try:
                return attempt()
            except _BusyError as reason:
                if pause_s is None:
                    raise self._no_answer(call, reason) from None
                self._wait(pause_s)
        raise AssertionError("unreachable")

    def _no_answer(self, call: str, reason: Exception) -> NoAnswerError:
        words = f"OpenStack gave no answer to {call} ({reason}); run the command again later"
        return NoAnswerError(self._hidden(words))

    def _wait(self, pause_s: float) -> None:
        self.pause(pause_s * random.uniform(0.5, 1.5))

    def _hidden(self, text: str) -> str:
        for secret in (*self.login.secrets, self._token):
            if secret:
                text = text.replace(secret, "…")
        return text


def _connection(url: str, ca_file: str | None) -> Any:
    """libcloud's, which gives answers as they are."""
    from libcloud.common.base import Response
    from libcloud.compute.drivers.openstack import OpenStack_2_Connection

    class Answer(Response):  # type: ignore[misc]
        def success(self) -> bool:
            return True

        def parse_body(self) -> Any:
            return None

    class Connection(OpenStack_2_Connection):  # type: ignore[misc]
        responseCls = Answer  # noqa: N815

        def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
            return {**headers, "Accept": "application/json", "Content-Type": "application/json"}

        def connect(self, *args: Any, **kwargs: Any) -> None:
            super().connect(*args, **kwargs)
            if ca_file:
                self.connection.ca_cert = ca_file

    # A token is given with each call; libcloud's own way asks for one for each service.
    return Connection(
        "", None, timeout=_TIMEOUT_S, ex_force_auth_url=url, ex_force_auth_token="-", ex_force_base_url=url
    )


def _lasts_s(token: Json) -> float:
    from datetime import datetime

    ends, now = (datetime.fromisoformat(token[name]) for name in ("expires_at", "issued_at"))
    return (ends - now).total_seconds()


def _message(read: Any) -> str:
    """The text of an error: ``{"forbidden": {"message": …}}``, ``{"NeutronError": {"message": …}}``."""
    if isinstance(read, dict):
        for inside in read.values():
            if isinstance(inside, dict) and inside.get("message"):
                return str(inside["message"])
            if isinstance(inside, str) and inside:
                return inside
    return ""
