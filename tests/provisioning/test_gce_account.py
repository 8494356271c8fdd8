"""How Google is asked: with whose credentials, how often, and in shapes that libcloud knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from providers.provisioning.apply import apply
from providers.provisioning.base import Cloud, CloudError
from providers.provisioning.gce import GCE
from providers.registry import load_provider

from .fake_gce import Google
from .fake_gce_server import gce_plan
from .fake_gce_shapes import PROJECT, recorded, refusal

PLAN = gce_plan()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without credentials, on a machine that is none of Google's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def key_file(google: Google, home: Path) -> Path:
    """As Google gives it for a service account, made anew."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    text = {
        "type": "service_account",
        "project_id": PROJECT,
        "client_email": f"me@{PROJECT}.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "1",
        "token_uri": f"{google.url}/token",
    }
    path = home / "key.json"
    path.write_text(json.dumps(text))
    return path


def test_the_provider_makes_this_cloud() -> None:
    cloud = load_provider("gcp", {"project": PROJECT}).cloud()
    assert isinstance(cloud, GCE)
    assert isinstance(cloud, Cloud)


def test_a_key_file_of_the_settings_is_used_and_nothing_is_written(google: Google, home: Path, key_file: Path) -> None:
    apply(google.cloud(key_file="~/key.json"), PLAN, sleep=google.sleep)
    assert {each["authorization"] for each in google.headers} == {"Bearer ya29.for-a-key-file"}
    assert [each.name for each in home.iterdir()] == ["key.json"]
    assert "PRIVATE KEY" not in json.dumps(google.seen)


def test_credentials_that_are_missing_or_wrong_are_told_in_words(google: Google, home: Path) -> None:
    (home / "not-a-key.json").write_text("{}")
    for settings, words in (
        ({}, "gcloud auth application-default login"),
        ({"key_file": "~/none.json"}, "cannot read the key file"),
        ({"key_file": "~/not-a-key.json"}, "no key file of a service account"),
        ({"project": None}, "no project is given"),
        ({"compute_endpoint": "http://example.org"}, "not https"),
    ):
        with pytest.raises(CloudError, match=words):
            google.cloud(**settings).find(PLAN.name)
    assert google.seen == []


def test_making_the_cloud_asks_nobody(home: Path) -> None:
    assert GCE({"project": PROJECT}).user_data_limit == 262144


BUSY = [
    refusal(429, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'", "RESOURCE_EXHAUSTED"),
    refusal(403, "rateLimitExceeded", "Rate Limit Exceeded"),
    refusal(503, "backendError", "Backend Error"),
    (502, {}),
]


@pytest.mark.parametrize("answer", BUSY)
def test_a_busy_service_is_asked_again_ever_more_slowly_and_then_given_up(google: Google, answer: object) -> None:
    google.refuse_all = {"compute": answer}  # type: ignore[dict-item]
    pauses: list[float] = []
    settings = {"project": PROJECT, "compute_endpoint": google.url, "secrets_endpoint": google.url}
    cloud = GCE(settings, patience_s=(1.0, 4.0, 16.0), pause=pauses.append)
    with pytest.raises(CloudError, match="no answer"):
        cloud.find(PLAN.name)
    assert len(pauses) == 3
    assert pauses == sorted(pauses)


def test_an_operation_without_end_is_given_up(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.provisioning.fake_gce.OPERATION_S", 1e9)
    with pytest.raises(CloudError, match="not done after 600 s"):
        google.cloud().prepare(PLAN, ())


def test_libcloud_itself_reads_what_the_stand_in_answers(google: Google) -> None:
    apply(google.cloud(), PLAN, sleep=google.sleep)
    driver = google.cloud().account.driver
    names = {node.name for node in driver.list_nodes()}
    assert names == {"dark-head-1", "dark-workers-1", "dark-workers-2"}
    assert driver.ex_get_firewall("rubincwl-dark-ssh").source_ranges == list(PLAN.ssh_from)
    assert {each.name for each in driver.list_volumes()} == names


def test_what_the_stand_in_answers_has_all_that_was_recorded(google: Google) -> None:
    google.cloud().start(PLAN, PLAN.groups[0], PLAN.groups[0].choices[0], 1)
    google.cloud().prepare(PLAN, ())
    machine = google.machine("dark-head-1")[1]
    shape = recorded("zones_us-central1-a_instances_node-name")
    assert set(shape) <= set(machine)
    assert set(shape["tags"]) <= set(machine["tags"])
    disk = next(each for path, each in google.things.items() if "/disks/" in path)
    assert set(recorded("zones_us-central1-a_disks_lcdisk")) <= set(disk)
    _, operation, _ = next(iter(google.operations.values()))
    assert set(recorded("zones_us-central1-a_instances_post")) <= set(operation)
