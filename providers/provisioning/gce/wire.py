"""One way to call Google: repeated while it is busy, answered by plain JSON, refused in words.

Calls go through the connection of libcloud's driver and not through its methods: those know nothing of spot machines'
provisioning model, of run times and of labels on disks, and read half the world's lists before they make anything.
Secret Manager, which libcloud lacks, goes through google-auth's session.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from providers.base import Problem
from providers.provisioning.base import CloudError
from providers.provisioning.gce.account import Account
from providers.provisioning.gce.words import BUSY, explained, no_capacity

PATIENCE_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses before a call is repeated, each up to half longer or shorter: many callers do not come back at once."""
OPERATION_S = 600.0
"""How long an operation may take: machines start in a quarter of a minute, and are gone in two."""

_POLL_S = (1.0, 1.0, 2.0, 2.0, 3.0)
"""Between looks at an operation; the last of them again and again."""
_BUSY_STATUS = frozenset((408, 429, 500, 502, 503, 504))

Json = dict[str, Any]


class RefusedError(CloudError):
    """Google has answered, and the answer is no."""

    def __init__(self, call: str, status: int, codes: frozenset[str], message: str, project: str) -> None:
        self.codes = codes
        self.text = message
        self.problem: Problem = explained(call, status, codes, message, project)
        super().__init__(". ".join(each for each in (self.problem.message, self.problem.help) if each))

    @property
    def no_capacity(self) -> bool:
        """Whether another type, market or zone may be had."""
        return no_capacity(self.codes, self.text)


class _BusyError(Exception):
    """No answer, or one that says to come back: whether the call was carried out is not known."""


class Wire:
    """Calls of one account."""

    def __init__(
        self,
        account: Account,
        patience_s: Sequence[float] = PATIENCE_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = account
        self._patience_s = patience_s
        self._pause = pause

    def compute(
        self, method: str, path: str, body: Json | None = None, params: Mapping[str, str] | None = None
    ) -> Json:
        """The answer of Compute Engine; `path` is below the project, or ``../`` and another one's.

        Raises `RefusedError` for what it refuses, `CloudError` if it cannot be reached.
        """
        connection = self.account.driver.connection

        def attempt() -> tuple[int, Any]:
            answer = connection.request(path, params=dict(params or {}), data=body, method=method)
            return int(answer.status), answer.object

        return self._patiently(f"{method} {path}", attempt)

    def secrets(self, method: str, path: str) -> Json:
        """The answer of Secret Manager; raises as `compute` does."""
        session, url = self.account.session, f"{self.account.secrets}/v1/{path}"

        def attempt() -> tuple[int, Any]:
            answer = session.request(method, url, timeout=60)
            return int(answer.status_code), answer.json() if answer.content else {}

        return self._patiently(f"{method} {path}", attempt)

    def items(self, path: str, **params: str) -> Iterator[Json]:
        """What is in every page of a list."""
        for page in self._pages(path, params):
            yield from page.get("items", ())

    def everywhere(self, kind: str, **params: str) -> Iterator[Json]:
        """What is in every page of a list of all zones; `kind` is ``instances``, ``disks``, …

        Raises `CloudError` where Google cannot ask one of the zones: what is there is not known then.
        """
        for page in self._pages(f"aggregated/{kind}", params):
            for place, inside in page.get("items", {}).items():
                if inside.get("warning", {}).get("code") == "UNREACHABLE":
                    raise CloudError(f"Google cannot say what is in {place} now; run the command again later")
                yield from inside.get(kind, ())

    def _pages(self, path: str, params: Mapping[str, str]) -> Iterator[Json]:
        asked = {"maxResults": "500", **params}
        while True:
            page = self.compute("GET", path, params=asked)
            if page.get("unreachables"):
                raise CloudError(f"Google cannot say what is in {page['unreachables'][0]} now; try again later")
            yield page
            if not page.get("nextPageToken"):
                return
            asked["pageToken"] = page["nextPageToken"]

    def carried_out(self, method: str, path: str, body: Json | None = None) -> None:
        """Call, and wait until the operation that it begins is done; raises as `compute` does, for either."""
        operation = self.compute(method, path, body)
        pauses, waited = iter(_POLL_S), 0.0
        while operation.get("status") != "DONE":
            if waited >= OPERATION_S:
                raise CloudError(f"{method} {path} is not done after {OPERATION_S:.0f} s; run the command again later")
            pause_s = next(pauses, _POLL_S[-1])
            self._pause(pause_s)
            waited += pause_s
            operation = self.compute("GET", _place_of(operation))
        if errors := operation.get("error", {}).get("errors"):
            raise self._refusal(f"{method} {path}", int(operation.get("httpErrorStatusCode", 0)), {"errors": errors})

    def _patiently(self, call: str, attempt: Callable[[], tuple[int, Any]]) -> Json:
        for pause_s in (*self._patience_s, None):
            try:
                return self._answer(call, *self._once(attempt))
            except _BusyError as reason:
                if pause_s is None:
                    words = f"Google gave no answer to {call} ({reason}); run the command again later"
                    raise CloudError(self.account.hidden(words)) from None
                self._pause(pause_s * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    def _once(self, attempt: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
        from google.auth.exceptions import GoogleAuthError, TransportError

        try:
            return attempt()
        except TransportError as reason:
            raise _BusyError(type(reason).__name__) from None
        except GoogleAuthError:
            words = (
                "Google does not renew the credentials; run 'gcloud auth application-default login', or set 'key_file'"
            )
            raise CloudError(words) from None
        except (OSError, ValueError) as reason:  # what requests and ssl raise, and an answer that is no JSON
            raise _BusyError(type(reason).__name__) from None

    def _answer(self, call: str, status: int, body: Any) -> Json:
        error = body.get("error") if isinstance(body, dict) else None
        # An operation that has failed holds its errors too; that it was answered is well.
        if status < 300 and isinstance(body, dict) and (error is None or "status" in body):
            return body
        if isinstance(error, dict):
            refused = self._refusal(call, status, error)
            if not refused.no_capacity and (status in _BUSY_STATUS or refused.codes & BUSY):
                raise _BusyError(f"status {status}")
            raise refused
        if status in _BUSY_STATUS or status < 300:
            raise _BusyError(f"status {status}")
        raise self._refusal(call, status, {})

    def _refusal(self, call: str, status: int, error: Json) -> RefusedError:
        """The errors of an answer or of an operation: reasons stand in one of four places."""
        errors = [each for each in error.get("errors") or () if isinstance(each, dict)]
        details = [each for each in error.get("details") or () if isinstance(each, dict)]
        codes = {each.get(key) for each in errors for key in ("reason", "code")} | {
            each.get("reason") for each in details
        }
        codes.add(error.get("status"))
        message = str(error.get("message") or next((each["message"] for each in errors if each.get("message")), ""))
        named = frozenset(each for each in codes if isinstance(each, str))
        return RefusedError(call, status, named, self.account.hidden(message), self.account.project)


def _place_of(operation: Json) -> str:
    for scope in ("zone", "region"):
        if scope in operation:
            return f"{scope}s/{operation[scope].rpartition('/')[2]}/operations/{operation['name']}"
    return f"global/operations/{operation['name']}"
