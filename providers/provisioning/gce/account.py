"""Who asks Google, for which project, and where Google is.

Credentials are asked for when the first call is made, held in memory and written nowhere; libcloud's own way would
keep the token in a file in the home folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

from providers.provisioning.base import CloudError

TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"
"""An access token in the environment; it goes before all else."""
COMPUTE, SECRETS = "https://compute.googleapis.com", "https://secretmanager.googleapis.com"

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_TIMEOUT_S = 60
_OWN = ("localhost", "127.0.0.1", "::1")


class Account:
    """What the settings of a target say about it: ``project``, ``region``, ``zones``, ``key_file``, endpoints.

    Raises `ImportError` if libcloud or google-auth is not installed.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        import google.auth  # noqa: F401
        import libcloud.compute.drivers.gce  # noqa: F401

        self.project = str(settings.get("project") or "")
        self.region = str(settings.get("region") or "us-central1")
        self.zones = tuple(str(each) for each in settings.get("zones") or ())
        self.compute = str(settings.get("compute_endpoint") or COMPUTE).rstrip("/")
        self.secrets = str(settings.get("secrets_endpoint") or SECRETS).rstrip("/")
        self._key_file = settings.get("key_file")

    @cached_property
    def credentials(self) -> Any:
        """google-auth's: a token of the environment, the key file of the settings, or what this machine is logged in
        with (Application Default Credentials). Raises `CloudError` if there are none."""
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2 import credentials, service_account

        for endpoint in (self.compute, self.secrets):
            parts = urlsplit(endpoint)
            if parts.scheme != "https" and parts.hostname not in _OWN:
                raise CloudError(f"credentials are not sent to {endpoint}, which is not https")
        if not self.project:
            raise CloudError("no project is given; set 'project' to the id of the project that pays")
        if token := os.environ.get(TOKEN_VARIABLE):
            return credentials.Credentials(token=token)  # type: ignore[no-untyped-call]
        try:
            if self._key_file:
                path = os.path.expanduser(str(self._key_file))
                made: Any = service_account.Credentials
                return made.from_service_account_file(path, scopes=list(_SCOPES))
            return google.auth.default(scopes=list(_SCOPES))[0]
        except OSError as reason:
            raise CloudError(f"cannot read the key file {self._key_file}: {reason.strerror}") from None
        except ValueError:
            raise CloudError(f"{self._key_file} is no key file of a service account (JSON)") from None
        except GoogleAuthError:
            words = "nobody is logged in to Google here; run 'gcloud auth application-default login', or set 'key_file'"
            raise CloudError(words) from None

    @cached_property
    def driver(self) -> Any:
        """libcloud's driver, whose connection asks with `credentials` and gives answers as they are."""
        driver = _driver_class()
        parts = urlsplit(self.compute)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        return driver(self.credentials, None, project=self.project, secure=secure, host=parts.hostname, port=port)

    @cached_property
    def session(self) -> Any:
        """For Secret Manager, which libcloud does not know."""
        from google.auth.transport.requests import AuthorizedSession

        return AuthorizedSession(  # type: ignore[no-untyped-call]
            self.credentials, refresh_status_codes=(), max_refresh_attempts=0
        )

    def hidden(self, text: str) -> str:
        """`text` without the token, should it be in there."""
        token = getattr(self.__dict__.get("credentials"), "token", None)
        return text.replace(token, "…") if token else text


def _driver_class() -> type:
    from google.auth.transport.requests import Request
    from libcloud.common.base import ConnectionUserAndKey, JsonResponse
    from libcloud.compute.drivers.gce import GCEConnection, GCENodeDriver

    class Answer(JsonResponse):  # type: ignore[misc]
        """As Google sent it: libcloud's own keeps the first of several reasons, and stumbles over some."""

        def success(self) -> bool:
            return True

        def parse_body(self) -> Any:
            try:
                return super().parse_body() if self.body else {}
            except Exception:
                return None

    class Connection(GCEConnection):  # type: ignore[misc]
        responseCls = Answer  # noqa: N815
        timeout = _TIMEOUT_S

        def __init__(self, credentials: Any, secure: bool, host: str, port: int, project: str, **kwargs: Any) -> None:
            # Past libcloud's own constructor, which would ask for a token and write it to the home folder.
            for unused in ("auth_type", "scopes", "credential_file"):
                kwargs.pop(unused, None)
            ConnectionUserAndKey.__init__(self, "", None, secure, host, port, **kwargs)
            self.credentials = credentials
            self.renewal = Request()
            self.request_path = f"/compute/v1/projects/{project}"
            self.gce_params = None

        def morph_action_hook(self, action: str) -> str:
            return urljoin(f"{self.request_path}/", action.lstrip("/"))

        def pre_connect_hook(self, params: Any, headers: dict[str, str]) -> tuple[Any, dict[str, str]]:
            self.credentials.before_request(self.renewal, self.method, self.action, headers)
            return params, headers

    class Driver(GCENodeDriver):  # type: ignore[misc]
        connectionCls = Connection  # noqa: N815

    return Driver
