"""What a store's client raises, told apart in words: the bucket, the region, the project, the address, the rights.

The clients wrap one exception in another; what says most is found along the chain of causes. Codes of S3 are those of
its API reference ('Error responses'); Google's are HTTP statuses with a sentence ('HTTP status and error codes for
JSON').
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Literal

from providers.base import Problem

Doing = Literal["reach", "list", "read", "write"]
"""What was being done: rights to list, to read and to write are granted apart."""

_PERMISSION = {
    ("s3", "list"): "s3:ListBucket on the bucket",
    ("s3", "read"): "s3:GetObject on its objects, and kms:Decrypt where they are encrypted by a key",
    ("s3", "write"): "s3:PutObject and s3:AbortMultipartUpload on its objects",
    ("gs", "list"): "storage.objects.list on the bucket",
    ("gs", "read"): "storage.objects.get on the bucket",
    ("gs", "write"): "storage.objects.create and storage.objects.delete on the bucket",
}
_CREDENTIALS = {
    "s3": "name a profile in the target's settings, or set AWS_PROFILE; 'aws sts get-caller-identity' tells who asks",
    "gs": "name a credentials file in the target's settings, or run 'gcloud auth application-default login'",
}
_EXPIRED = {
    "s3": "log in again, for instance 'aws sso login', or renew the session's keys",
    "gs": "log in again: 'gcloud auth application-default login'",
}
_KNOWN_S3: dict[str, str] = {
    "NoSuchBucket": "no-bucket",
    "InvalidBucketName": "bad-bucket",
    "PermanentRedirect": "wrong-region",
    "TemporaryRedirect": "wrong-region",
    "AuthorizationHeaderMalformed": "wrong-region",
    "IllegalLocationConstraintException": "wrong-region",
    "301": "wrong-region",
    "307": "wrong-region",
    "AccessDenied": "no-permission",
    "AllAccessDisabled": "no-permission",
    "AccountProblem": "no-permission",
    "403": "no-permission",
    "InvalidAccessKeyId": "wrong-credentials",
    "SignatureDoesNotMatch": "wrong-credentials",
    "InvalidToken": "wrong-credentials",
    "ExpiredToken": "expired-credentials",
    "ExpiredTokenException": "expired-credentials",
    "RequestExpired": "expired-credentials",
    "TokenRefreshRequired": "expired-credentials",
    "RequestTimeTooSkewed": "wrong-clock",
    "SlowDown": "store-busy",
    "ServiceUnavailable": "store-busy",
    "503": "store-busy",
    "InvalidObjectState": "archived-input",
}
_REGION = re.compile(r"expecting '([a-z0-9-]+)'")
_PROJECT = re.compile(
    r"\bproject\b.*(invalid|not found|disabled|required permission|billed|deleted|does not exist)"
    r"|has not been used in project|UserProject|userProject|requester.?pays",
    re.IGNORECASE | re.DOTALL,
)


class StorageError(Exception):
    """A store cannot be used; `problem` says why."""

    def __init__(self, problem: Problem, absent: bool = False) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.absent = absent
        """Whether it is only that the one file is not there."""


def explain(error: BaseException, url: str, doing: Doing) -> Problem:
    """The exception in words; never raises."""
    scheme = {"s3a": "s3", "gcs": "gs"}.get(url.partition("://")[0], url.partition("://")[0])
    for each in _chain(error):
        found = _network(each, url) or _credentials(each, url, scheme)
        answer = getattr(each, "response", None)
        if found is None and isinstance(answer, dict):
            found = _s3(answer, url, doing)
        if found is None and scheme == "gs":
            found = _google(each, url, doing)
        if found is None and scheme in ("http", "https") and isinstance(getattr(each, "status", None), int):
            found = _web(each, url)
        if found is not None:
            return found
    for each in _chain(error):
        if isinstance(each, PermissionError):
            return _no_permission(url, scheme, doing, str(each.strerror or each))
    return Problem("store-refused", f"{url!r} cannot be {_PAST[doing]}: {_said(error)}")


_PAST: dict[Doing, str] = {"reach": "reached", "list": "listed", "read": "read", "write": "written to"}


def _s3(answer: dict[str, Any], url: str, doing: Doing) -> Problem | None:
    """What S3 answered, by its code."""
    told = answer.get("Error", {})
    code, sentence = str(told.get("Code", "")), str(told.get("Message", ""))
    about = answer.get("ResponseMetadata", {})
    headers = about.get("HTTPHeaders", {})
    bucket = _bucket(url)
    region = headers.get("x-amz-bucket-region") or told.get("Region") or next(iter(_REGION.findall(sentence)), None)
    if code == "400" and region:  # an answer to HEAD has no body
        code = "PermanentRedirect"
    if code == "404":
        # An answer without S3's words; a bucket's own is NoSuchBucket.
        return not_a_store(url, "it answers 404 without S3's reason") if doing == "list" else None
    match _KNOWN_S3.get(code):
        case "no-bucket":
            return _no_bucket(url)
        case "bad-bucket":
            return Problem("bad-bucket", f"{bucket!r} cannot be a bucket", "3 to 63 of a-z, 0-9, '.' and '-'")
        case "wrong-region":
            where = f"is in {region}" if region else "is in another region than the one that was asked"
            help = f"say region: {region or 'REGION'} in the target's settings"
            return Problem("wrong-region", f"the bucket {bucket!r} {where}", help)
        case "no-permission":
            return _no_permission(url, "s3", doing, sentence)
        case "wrong-credentials":
            return Problem(
                "wrong-credentials",
                f"the store of {url!r} does not accept the keys: {sentence or code}",
                _CREDENTIALS["s3"],
            )
        case "expired-credentials":
            return _expired(url, "s3", sentence)
        case "wrong-clock":
            help = "S3 takes signatures of the last 15 minutes only: set this machine's clock"
            return Problem("wrong-clock", "the clock of this machine differs from the store's", help)
        case "store-busy":
            return Problem("store-busy", f"the store of {url!r} is busy and said so again and again", "try again later")
        case "archived-input":
            return Problem(
                "archived-input", f"{url!r} is in an archive", "restore it first: 'aws s3api restore-object'"
            )
    if "<html" in sentence.lower() or about.get("HTTPStatusCode") in (404, 405):
        return not_a_store(url, f"it answers {about.get('HTTPStatusCode')}")
    return None


def _google(error: BaseException, url: str, doing: Doing) -> Problem | None:
    """What Google answered, by status and sentence; gcsfs has an exception of its own for some statuses only."""
    text = str(error)
    status = getattr(error, "code", None)
    if "<Error><Code>" in text:
        return not_a_store(url, "it answers in S3's words")
    if isinstance(error, FileNotFoundError):
        return _no_bucket(url) if doing in ("list", "write") else None
    if _PROJECT.search(text) and (status in (400, 403, 404) or isinstance(error, ValueError | OSError)):
        help = "say project: PROJECT in the target's settings: the one that is billed, with Cloud Storage enabled"
        return Problem("wrong-project", f"the project is refused: {_last_line(text)}", help)
    if text.startswith("Forbidden"):
        return _no_permission(url, "gs", doing, _last_line(text))
    if status == 401 or "Anonymous caller" in text:
        if "Anonymous caller" in text:
            return Problem("no-credentials", f"no credentials for {url!r}, and it is not public", _CREDENTIALS["gs"])
        return _expired(url, "gs", _last_line(text))
    if status == 403:
        return _no_permission(url, "gs", doing, _last_line(text))
    if isinstance(error, ValueError) and type(error).__name__ == "JSONDecodeError":
        return not_a_store(url, "its answer is no JSON")
    if status in (429, 503):
        return Problem("store-busy", f"the store of {url!r} is busy and said so again and again", "try again later")
    return None


def _web(error: BaseException, url: str) -> Problem | None:
    """What a web server answered."""
    status = int(getattr(error, "status", 0))
    if status in (401, 403):
        return Problem("no-permission", f"{url!r} may not be read: the server answers {status}", None)
    if status == 404:
        return None
    return Problem("store-refused", f"{url!r} cannot be read: the server answers {status}")


def _credentials(error: BaseException, url: str, scheme: str) -> Problem | None:
    """What the clients find wrong before they ask the store, by the names of their exceptions.

    By name, since neither botocore nor google.auth may be installed.
    """
    names = {each.__name__ for each in type(error).__mro__}
    help = _CREDENTIALS.get(scheme)
    if names & {"NoCredentialsError", "DefaultCredentialsError"}:
        return Problem("no-credentials", f"no credentials for {url!r}: {_said(error)}", help)
    if names & {"PartialCredentialsError", "InvalidConfigError"}:
        return Problem("no-credentials", f"the credentials for {url!r} are not complete: {_said(error)}", help)
    if "ProfileNotFound" in names:
        return Problem(
            "no-credentials", f"no such profile for {url!r}: {_said(error)}", "profiles are in ~/.aws/config"
        )
    if names & {"UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError", "RefreshError"}:
        return _expired(url, scheme, _said(error))
    if "CredentialRetrievalError" in names:
        return Problem("no-credentials", f"credentials for {url!r} cannot be had: {_said(error)}", help)
    if "ParamValidationError" in names and "Invalid bucket name" in str(error):
        return Problem("bad-bucket", f"{_bucket(url)!r} cannot be a bucket", "3 to 63 of a-z, 0-9, '.' and '-'")
    if "ResponseParserError" in names:
        return not_a_store(url, "its answer is not S3's")
    return None


def _network(error: BaseException, url: str) -> Problem | None:
    """Whether nobody answered, and why; the clients' own exceptions are known by name."""
    names = {each.__name__ for each in type(error).__mro__}
    help = "look at the target's endpoint and region, and at the network of this machine"
    if isinstance(error, socket.gaierror) or "ClientConnectorDNSError" in names:
        return Problem("unreachable-store", f"the host of {url!r} is not known: {_said(error)}", help)
    if isinstance(error, ssl.SSLError) or names & {"ClientSSLError", "ClientConnectorCertificateError"}:
        return Problem("unreachable-store", f"the certificate at {url!r} is not accepted: {_said(error)}", help)
    if isinstance(error, ConnectionRefusedError) or getattr(error, "errno", None) == errno.ECONNREFUSED:
        return Problem("unreachable-store", f"nothing listens where {url!r} should be: connection refused", help)
    if isinstance(error, TimeoutError) or names & {"ConnectTimeoutError", "ReadTimeoutError", "ServerTimeoutError"}:
        return Problem("unreachable-store", f"no answer in time from {url!r}", help)
    if isinstance(error, ConnectionError) or names & {
        "EndpointConnectionError",
        "ConnectionClosedError",
        "ClientConnectionError",
        "HTTPClientError",
        "TransportError",
        "ProxyError",
    }:
        return Problem("unreachable-store", f"{url!r} cannot be reached: {_said(error)}", help)
    return None


def reach(endpoint: str, url: str) -> None:
    """See that something answers at an endpoint, whatever it says: the clients try for half a minute.

    Raises `StorageError`. A certificate that only the client's settings can judge passes.
    """
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=20).close()
    except urllib.error.HTTPError:
        return
    except ValueError as error:
        raise StorageError(
            Problem("bad-endpoint", f"{endpoint!r} is no endpoint: {error}", "for instance https://s3.example.org")
        ) from error
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLError):
            return
        found = _network(reason, endpoint) if isinstance(reason, BaseException) else None
        message = f"{endpoint!r} cannot be reached: {reason}"
        raise StorageError(found or Problem("unreachable-store", message, "look at the target's endpoint")) from error
    except Exception as error:  # http.client's own, of what does not speak HTTP
        raise StorageError(not_a_store(endpoint, _said(error))) from error


def _no_bucket(url: str) -> Problem:
    help = "look at the bucket's name; one of another account or endpoint is not found either"
    return Problem("no-bucket", f"there is no bucket {_bucket(url)!r}", help)


def _no_permission(url: str, scheme: str, doing: Doing, said: str) -> Problem:
    needed = _PERMISSION.get((scheme, doing))
    help = f"needed: {needed}" if needed else None
    what = {"reach": "reach", "list": "list", "read": "read what is at", "write": "write to"}[doing]
    return Problem("no-permission", f"you may not {what} {url!r}" + (f": {said}" if said else ""), help)


def _expired(url: str, scheme: str, said: str) -> Problem:
    message = f"the credentials for {url!r} have expired or are no longer accepted" + (f": {said}" if said else "")
    return Problem("expired-credentials", message, _EXPIRED.get(scheme))


def not_a_store(url: str, why: str) -> Problem:
    """Something answers, and not as this kind of store does."""
    return Problem(
        "not-a-store", f"what answers for {url!r} is not such a store: {why}", "look at the target's endpoint"
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what brought it about, the innermost first: it says most."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    yield from reversed(found)


def _bucket(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _said(error: BaseException) -> str:
    """What the exception says, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _last_line(text: str) -> str:
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    return lines[-1][:300] if lines else ""
