"""One way to call AWS: repeated while it is busy, answered by plain elements, refused in words.

Calls go by their names through libcloud's connection, and not through its driver's methods: those read one page of a
list, cannot tag what they make when they make it, know nothing of IMDSv2, and send a machine's user data in the URL,
where 16 KB do not fit. What libcloud lacks (Parameter Store, quotas, roles) goes through botocore.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode
from xml.etree.ElementTree import Element
from xml.sax.saxutils import unescape

from providers.provisioning.base import CloudError
from providers.provisioning.ec2.account import Account
from providers.provisioning.ec2.words import explained

PATIENCE_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses before a call is repeated, each up to half longer or shorter: many callers do not come back at once then."""

_BUSY = frozenset(
    (
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "Unavailable",
        "EC2ThrottledException",
    )
)
_CODE = re.compile(r"<Code>\s*([\w.-]+)\s*</Code>")
_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)

Params = Mapping[str, str]
_Answer = TypeVar("_Answer")


class RefusedError(CloudError):
    """AWS has answered, and the answer is no."""

    def __init__(self, call: str, code: str, message: str) -> None:
        super().__init__(explained(call, code, message))
        self.call = call
        self.code = code


class NoAnswerError(CloudError):
    """AWS could not be reached, or was too busy for too long."""


class _BusyError(Exception):
    """No answer, or one that says to come back: whether the call was carried out is not known."""


class Wire:
    """Calls of one account in one region."""

    def __init__(
        self,
        account: Account,
        patience_s: Sequence[float] = PATIENCE_S,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = account
        self._patience_s = patience_s
        self._pause = pause

    def ec2(self, action: str, params: Params | None = None) -> Element:
        """The answer to one call of EC2's query interface, its names without a namespace.

        Raises `RefusedError` for what EC2 refuses, `NoAnswerError` if it cannot be reached.
        """
        return self._patiently(action, lambda: self._post(action, params or {}))

    def items(self, action: str, path: str, params: Params | None = None) -> Iterator[Element]:
        """What is at `path` in every page of a list."""
        asked = dict(params or {})
        while True:
            page = self.ec2(action, asked)
            yield from page.iterfind(path)
            following = page.findtext("nextToken")
            if not following:
                return
            asked["NextToken"] = following

    def aws(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer of another service, by botocore's names; raises as `ec2` does."""
        client = self.account.client(service)
        return self._patiently(operation, lambda: self._botocore(client, operation, arguments))

    def retrying(self, attempt: Callable[[], _Answer], codes: frozenset[str]) -> _Answer:
        """Repeat while it is refused with one of `codes`: what was just made is not yet seen everywhere."""
        for pause_s in self._patience_s:
            try:
                return attempt()
            except RefusedError as error:
                if error.code not in codes:
                    raise
                self._wait(pause_s)
        return attempt()

    def _patiently(self, call: str, attempt: Callable[[], _Answer]) -> _Answer:
        for pause_s in (*self._patience_s, None):
            try:
                return attempt()
            except _BusyError as error:
                if pause_s is None:
                    words = f"AWS gave no answer to {call} ({self._hidden(str(error))}); run the command again later"
                    raise NoAnswerError(words) from None
                self._wait(pause_s)
        raise AssertionError("unreachable")

    def _wait(self, pause_s: float) -> None:
        self._pause(pause_s * random.uniform(0.5, 1.5))

    def _post(self, action: str, params: Params) -> Element:
        from libcloud.common.exceptions import BaseHTTPError
        from libcloud.common.types import LibcloudError

        connection = self.account.connection()
        body = urlencode({"Action": action, "Version": connection.version, **params})
        form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            answer = connection.request("/", data=body, headers=form, method="POST").object
        except BaseHTTPError as error:
            raise self._refusal(action, error.code, str(error.message)) from None
        except LibcloudError:
            raise _BusyError("an answer that is no XML") from None
        except OSError as error:  # what requests and ssl raise
            raise _BusyError(type(error).__name__) from None
        for element in answer.iter():
            element.tag = element.tag.rpartition("}")[2]
        return answer  # type: ignore[no-any-return]

    def _refusal(self, action: str, status: int, body: str) -> Exception:
        code = found[1] if (found := _CODE.search(body)) else ""
        if code in _BUSY or (not code and (status >= 500 or status == 429)):
            return _BusyError(code or f"status {status}")
        message = unescape(found[1]) if (found := _MESSAGE.search(body)) else ""
        return RefusedError(action, code or f"status {status}", self._hidden(message))

    def _botocore(self, client: Any, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            return dict(getattr(client, operation)(**arguments))
        except ClientError as error:
            told = error.response.get("Error", {})
            code, message = str(told.get("Code", "")), str(told.get("Message", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _BUSY or status >= 500:
                raise _BusyError(code) from None
            raise RefusedError(operation, code, self._hidden(message)) from None
        except HTTPClientError as error:
            raise _BusyError(type(error).__name__) from None
        except BotoCoreError as error:
            raise CloudError(f"cannot call {operation}: {self._hidden(str(error))}") from None

    def _hidden(self, text: str) -> str:
        for secret in self.account.credentials():
            if secret:
                text = text.replace(secret, "…")
        return text
