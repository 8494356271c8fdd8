"""Who asks, and where EC2 answers: a profile or the environment, as botocore reads them.

Credentials live in memory only. The user names them (a profile, or nothing for what the environment and the machine's
role give); region and endpoints come from the settings, the profile or the environment, and none is assumed.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from providers.provisioning.base import CloudError

_TIMEOUT_S = 60


class Account:
    """Makes clients for one region with the credentials of this moment; botocore renews those that run out."""

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        self._profile = profile
        self._region = region

    @property
    def who(self) -> str:
        """For messages: where the credentials come from."""
        return f"profile '{self._profile}'" if self._profile else "environment or the machine's role"

    @cached_property
    def region(self) -> str:
        """For instance ``us-east-1``. Raises `CloudError` if nobody names one."""
        region = self._region or self._told(lambda: self._session.get_config_variable("region"))
        if not region:
            raise CloudError(
                "no region: give the target's setting 'region', the environment variable AWS_DEFAULT_REGION, or a "
                "region in the profile"
            )
        return str(region)

    def client(self, service: str) -> Any:
        """botocore's client of a service that libcloud lacks; it repeats nothing by itself."""
        from botocore.config import Config

        if service not in self._clients:
            config = Config(connect_timeout=10, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 1})
            make = self._session.create_client
            self._clients[service] = self._told(lambda: make(service, region_name=self.region, config=config))
        return self._clients[service]

    def connection(self) -> Any:
        """libcloud's connection to EC2, signing with version 4.

        Its own driver for Amazon knows fewer regions than there are; the driver below it takes any, with the endpoint
        that botocore knows (or that ``AWS_ENDPOINT_URL_EC2`` says).
        """
        keys = self.credentials()
        if self._connection is None or keys != self._connected_with:
            self._connection, self._connected_with = self._driver(*keys).connection, keys
        return self._connection

    def credentials(self) -> tuple[str, str, str | None]:
        """Access key, secret and session token. Raises `CloudError` if there are none or they cannot be had."""
        found = self._told(self._session.get_credentials)
        if found is None:
            raise CloudError(
                f"no credentials of AWS in the {self.who}: name a profile (setting 'profile'), or set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        frozen = self._told(found.get_frozen_credentials)
        return frozen.access_key, frozen.secret_key, frozen.token

    @cached_property
    def _session(self) -> Any:
        try:
            from botocore.session import Session
        except ImportError as error:
            raise CloudError("botocore is not installed: pip install 'rubincwl[aws,provision]'") from error
        return Session(profile=self._profile)

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    _connection: Any = None
    _connected_with: tuple[str, str, str | None] | None = None

    def _driver(self, key: str, secret: str, session_token: str | None) -> Any:
        try:
            from libcloud.compute.drivers.ec2 import BaseEC2NodeDriver, EC2Connection, EC2Response
        except ImportError as error:
            raise CloudError("libcloud is not installed: pip install 'rubincwl[aws,provision]'") from error

        class Told(EC2Response):  # type: ignore[misc]
            def parse_error(self) -> str:  # libcloud's own takes errors of just two fields, and drops their codes
                return str(self.body)

        class Connection(EC2Connection):  # type: ignore[misc]
            responseCls = Told  # noqa: N815

        class AnyRegion(BaseEC2NodeDriver):  # type: ignore[misc]
            type, name, connectionCls = "ec2", "Amazon EC2", Connection  # noqa: N815
            region_name, signature_version, token = self.region, "4", session_token

        at = urlsplit(self.client("ec2").meta.endpoint_url)
        secure = at.scheme == "https"
        return AnyRegion(key, secret, secure, at.hostname, at.port or (443 if secure else 80), timeout=_TIMEOUT_S)

    def _told(self, ask: Any) -> Any:
        """What botocore's configuration says, or why it does not in words."""
        from botocore.exceptions import BotoCoreError

        try:
            return ask()
        except BotoCoreError as error:
            raise CloudError(f"cannot use the credentials of the {self.who}: {error}") from error
