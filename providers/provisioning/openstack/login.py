"""Who asks, and where Keystone is: an entry of clouds.yaml, or the environment, as OpenStack's own tools read them.

Secrets are held in memory only. Source of files, places and names:
https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.provisioning.base import CloudError

FILE_VARIABLE = "OS_CLIENT_CONFIG_FILE"
_FOLDERS = (".", "~/.config/openstack", "/etc/openstack")
_OWN = ("localhost", "127.0.0.1", "::1")
_NAMES = (
    "auth_url",
    "username",
    "user_id",
    "password",
    "user_domain_name",
    "user_domain_id",
    "project_name",
    "project_id",
    "project_domain_name",
    "project_domain_id",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
)
_ELSEWHERE = ("region_name", "interface", "cacert")


@dataclass(frozen=True, slots=True)
class Login:
    """What Keystone is asked with."""

    url: str
    """Of Keystone, without its version."""
    auth: Mapping[str, str]
    """By the names of clouds.yaml; those of `_NAMES` that are given."""
    region: str = ""
    """Empty where there is one only."""
    interface: str = "public"
    """Which of the addresses of a service: ``public``, ``internal``."""
    ca_file: str | None = None
    """Certificates to trust in place of this machine's."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be told."""
        found = (self.auth.get(name) for name in ("password", "application_credential_secret"))
        return tuple(each for each in found if each)

    def request(self) -> dict[str, Any]:
        """What Keystone takes for a token: https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management."""
        if self.auth.get("application_credential_secret"):
            credential: dict[str, Any] = {
                "secret": self.auth["application_credential_secret"],
                **_some(id=self.auth.get("application_credential_id")),
            }
            if "id" not in credential:
                credential |= {"name": self.auth["application_credential_name"], "user": self._user()}
            identity = {"methods": ["application_credential"], "application_credential": credential}
            return {"auth": {"identity": identity}}
        password = {"user": {**self._user(), "password": self.auth["password"]}}
        scope: dict[str, Any] = dict(_some(id=self.auth.get("project_id")))
        if not scope:
            scope = {"name": self.auth["project_name"], "domain": self._domain("project")}
        identity = {"methods": ["password"], "password": password}
        return {"auth": {"identity": identity, "scope": {"project": scope}}}

    def _user(self) -> dict[str, Any]:
        if given := self.auth.get("user_id"):
            return {"id": given}
        return {"name": self.auth.get("username", ""), "domain": self._domain("user")}

    def _domain(self, of: str) -> dict[str, str]:
        if name := self.auth.get(f"{of}_domain_name"):
            return {"name": name}
        return {"id": self.auth.get(f"{of}_domain_id", "default")}


def read_login(settings: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Login:
    """From the settings under ``openstack``: what they say goes before what the file or the environment does.

    Raises `CloudError` if something is missing, or the way to log in is none that is known here.
    """
    prefix = str(settings.get("environment") or "OS_")
    cloud = settings.get("cloud") or ("" if "environment" in settings else environ.get(f"{prefix}CLOUD"))
    given = _of_file(str(cloud), environ) if cloud else _of_environment(prefix, environ)
    said = _some(
        auth_url=settings.get("auth_url"), project_name=settings.get("project"), region_name=settings.get("region")
    )
    if "project_name" in said:
        given.pop("project_id", None)
    given |= said
    url = given.get("auth_url", "").rstrip("/").removesuffix("/v3")
    where = f"the entry '{cloud}' of clouds.yaml" if cloud else f"the environment ({prefix}AUTH_URL, {prefix}USERNAME…)"
    if missing := _missing(given):
        raise CloudError(
            f"{where} does not say {', '.join(missing)}; name an entry of clouds.yaml that does: openstack: cloud"
        )
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _OWN:
        raise CloudError(f"credentials are not sent to {url}, which is not https")
    return Login(
        url=url,
        auth={name: given[name] for name in _NAMES if name in given},
        region=given.get("region_name", ""),
        interface=given.get("interface", "public").removesuffix("URL"),
        ca_file=os.path.expanduser(given["cacert"]) if "cacert" in given else None,
    )


def _missing(given: Mapping[str, str]) -> list[str]:
    needed: list[tuple[str, ...]] = [("auth_url",)]
    if given.get("application_credential_secret"):
        needed.append(("application_credential_id", "application_credential_name"))
    else:
        needed += [("username", "user_id"), ("password",), ("project_name", "project_id")]
    return [" or ".join(names) for names in needed if not any(given.get(name) for name in names)]


def _of_environment(prefix: str, environ: Mapping[str, str]) -> dict[str, str]:
    named = {name: environ.get(f"{prefix}{name.upper()}") for name in (*_NAMES, *_ELSEWHERE)}
    return _some(**named)


def _of_file(cloud: str, environ: Mapping[str, str]) -> dict[str, str]:
    """One entry, with what secure.yaml beside it adds."""
    import yaml

    said = environ.get(FILE_VARIABLE)
    places = (said,) if said else tuple(f"{folder}/clouds.yaml" for folder in _FOLDERS)
    path = next((each for each in (Path(place).expanduser() for place in places) if each.is_file()), None)
    if path is None:
        raise CloudError(f"there is no clouds.yaml (looked at {', '.join(places)}); {FILE_VARIABLE} can name one")
    entry: dict[str, Any] = {}
    for file in (path, path.with_name("secure.yaml")):
        try:
            read = yaml.safe_load(file.read_text(encoding="utf-8")) if file == path or file.is_file() else {}
        except OSError as reason:
            raise CloudError(f"cannot read {file}: {reason.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise CloudError(f"{file} is no YAML") from None  # its text may hold a password
        found = ((read or {}).get("clouds") or {}).get(cloud) or {} if isinstance(read, dict) else {}
        entry = {**entry, **found, "auth": {**(entry.get("auth") or {}), **(found.get("auth") or {})}}
    if not entry["auth"] and not entry.get("auth_type"):
        raise CloudError(f"{path} has no cloud '{cloud}'")
    _only_known(path, cloud, entry)
    named = {name: entry["auth"].get(name, entry.get(name)) for name in (*_NAMES, *_ELSEWHERE)}
    return _some(**named)


def _only_known(path: Path, cloud: str, entry: Mapping[str, Any]) -> None:
    kind = entry.get("auth_type") or "password"
    if kind not in ("password", "v3password", "v3applicationcredential"):
        raise CloudError(
            f"{path} logs in to '{cloud}' by {kind}; known here are password and v3applicationcredential: "
            "'openstack application credential create' makes one"
        )
    if entry.get("verify") is False or entry.get("insecure"):
        raise CloudError(
            f"{path} does not verify who '{cloud}' is, and a password would go to anybody; name its certificate: cacert"
        )
    if entry.get("profile"):
        raise CloudError(f"{path} takes the profile of a vendor for '{cloud}'; write its auth_url there instead")


def _some(**named: Any) -> dict[str, str]:
    return {name: str(value) for name, value in named.items() if value}
