"""Who asks an OpenStack: what clouds.yaml, secure.yaml, the environment and the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.provisioning.base import CloudError
from providers.provisioning.openstack.login import read_login

ENTRY = """
clouds:
  here:
    region_name: one
    auth: {auth_url: "https://key.example.org:5000/v3", username: rubin, project_name: lsst, project_domain_name: X}
  token: {auth_type: v3applicationcredential, auth: {auth_url: "https://k.example.org", application_credential_id: a1,
          application_credential_secret: hidden}}
  sso: {auth_type: v3oidcpassword, auth: {auth_url: "https://k.example.org"}}
  open: {verify: false, auth: {auth_url: "https://k.example.org", username: a, password: b, project_name: c}}
  plain: {auth: {auth_url: "http://k.example.org", username: a, password: b, project_name: c}}
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "clouds.yaml").write_text(ENTRY)
    (tmp_path / "secure.yaml").write_text("clouds: {here: {auth: {password: hidden}}}")
    return {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml")}


def test_a_cloud_of_clouds_yaml_has_its_password_from_secure_yaml(environ: dict[str, str]) -> None:
    login = read_login({"cloud": "here"}, environ)
    assert (login.url, login.region, login.interface) == ("https://key.example.org:5000", "one", "public")
    asked = login.request()["auth"]
    user = {"name": "rubin", "domain": {"id": "default"}, "password": "hidden"}
    assert asked["identity"]["password"]["user"] == user
    assert asked["scope"] == {"project": {"name": "lsst", "domain": {"name": "X"}}}
    assert login.secrets == ("hidden",)


def test_an_application_credential_says_no_project(environ: dict[str, str]) -> None:
    asked = read_login({"cloud": "token"}, environ).request()["auth"]
    credential = {"secret": "hidden", "id": "a1"}
    assert asked == {"identity": {"methods": ["application_credential"], "application_credential": credential}}


def test_settings_go_before_the_file(environ: dict[str, str]) -> None:
    login = read_login({"cloud": "here", "region": "two", "project": "other"}, environ)
    assert login.region == "two"
    assert login.auth["project_name"] == "other"


def test_the_environment_is_read_by_the_prefix_that_is_said() -> None:
    named = {"AUTH_URL": "https://k.example.org/v3", "USERNAME": "rubin", "PASSWORD": "hidden", "PROJECT_ID": "p1"}
    login = read_login({"environment": "SITE_"}, {f"SITE_{name}": value for name, value in named.items()})
    assert login.request()["auth"]["scope"] == {"project": {"id": "p1"}}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cloud": "nowhere"}, "has no cloud 'nowhere'"),
        ({"cloud": "sso"}, "v3oidcpassword"),
        ({"cloud": "open"}, "does not verify"),
        ({"cloud": "plain"}, "not https"),
        ({}, "does not say auth_url, username or user_id, password, project_name or project_id"),
    ],
)
def test_what_cannot_be_used_is_told_with_a_way_out(
    environ: dict[str, str], settings: dict[str, str], told: str
) -> None:
    with pytest.raises(CloudError, match=told) as reason:
        read_login(settings, environ)
    assert "hidden" not in str(reason.value)


def test_a_broken_file_is_not_quoted(environ: dict[str, str]) -> None:
    Path(environ["OS_CLIENT_CONFIG_FILE"]).write_text("password: {hidden")
    with pytest.raises(CloudError, match="is no YAML") as reason:
        read_login({"cloud": "here"}, environ)
    assert "hidden" not in str(reason.value)
