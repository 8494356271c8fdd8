"""Google Cloud: one bucket, reached in two ways."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from providers import Access, Object, Problem, Replica, load_provider
from tests.providers.contract import ProviderContract


class TestGCP(ProviderContract):
    name = "gcp"
    good: ClassVar = {
        "bucket": "dark-night",
        "project": "survey-12",
        "region": "europe-west1",
        "zones": ["europe-west1-b", "europe-west1-d"],
    }
    inputs = "gs://survey/repo/raw.fits"
    refused: ClassVar = (*ProviderContract.refused, "s3://survey/repo/raw.fits")


class TestNativeGCP(TestGCP):
    good: ClassVar = {**TestGCP.good, "access": "native"}


def made(**settings: Any) -> Any:
    return load_provider("gcp", {**TestGCP.good, **settings})


@pytest.mark.parametrize(
    ("settings", "code", "setting"),
    [
        ({"bucket": "has.dots"}, "bad-bucket", "bucket"),
        ({"region": "mars", "zones": []}, "bad-region", "region"),
        ({"zones": ["europe-west1-b", "us-east1-c"]}, "bad-zone", "zones.1"),
        ({"project": "My Survey"}, "bad-project", "project"),
        ({"credentials": "rubin"}, "bad-credentials", "credentials"),
    ],
)
def test_a_name_of_the_wrong_form_is_a_problem_of_its_setting(
    settings: dict[str, Any], code: str, setting: str
) -> None:
    assert [(each.code, each.setting) for each in made(**settings).problems()] == [(code, setting)]


def test_by_default_jobs_reach_the_bucket_as_one_of_s3_with_keys_of_google() -> None:
    provider = made()
    assert provider.sites()[1].store.scratch == Object("s3", "dark-night", "rubincwl/scratch", "rubin@google")
    assert provider.replica("gs://survey/a/b") == Replica("staging", Object("s3", "survey", "a/b", "rubin@google"))
    (file,) = provider.credentials()
    assert (file.variable, file.sections) == ("PEGASUS_CREDENTIALS", ("google", "rubin@google"))


def test_googles_interoperability_takes_no_checksums_of_boto3() -> None:
    for site in made().sites():
        assert site.environment == {
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }


def test_natively_the_bucket_is_googles_own_and_gsutil_has_its_files() -> None:
    provider = made(access="native", pkcs12="/home/me/key.p12", credentials="of no use")
    assert provider.problems() == ()
    assert provider.sites()[1].store.outputs == Object("gs", "dark-night", "rubincwl/outputs")
    assert provider.replica("gs://survey/a/b") == Replica("staging", Object("gs", "survey", "a/b"))
    assert {each.variable: each.path for each in provider.credentials()} == {
        "BOTO_CONFIG": "~/.boto",
        "GOOGLE_PKCS12": "/home/me/key.p12",
    }


def test_an_s3_url_is_answered_with_the_form_that_google_has() -> None:
    problem = made().replica("s3://survey/raw.fits")
    assert isinstance(problem, Problem)
    assert problem.help == "give a gs://bucket/key URL"


@pytest.mark.parametrize(
    ("settings", "token"),
    [({}, "google_default"), ({"key_file": "/k.json"}, "/k.json"), ({"anonymous": True}, "anon")],
)
def test_this_machine_logs_in_as_the_settings_say(settings: dict[str, Any], token: str) -> None:
    access = made(**settings).access("gs://survey/raw.fits")
    assert isinstance(access, Access)
    assert access.options == {"token": token, "project": "survey-12"}


def test_machines_have_the_memory_of_their_families() -> None:
    # GB of each vCPU, by family and kind (Compute Engine's pages of machine families); n2-highmem-128 and m3 differ.
    per_core = {"standard": 4, "highmem": 8}
    for machine in load_provider("gcp").machines():
        family, kind, cores = machine.name.split("-")
        assert machine.cores == int(cores)
        if family == "m3":
            assert machine.memory_gib / machine.cores == 30.5
        elif machine.name != "n2-highmem-128":
            assert machine.memory_gib == per_core[kind] * machine.cores
