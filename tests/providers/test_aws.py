"""AWS: names that S3 takes and Pegasus does not."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest

from providers import Access, Object, Problem, Replica, load_provider
from tests.providers.contract import ProviderContract

# pegasus-transfer of Pegasus 5.1, S3Handler.do_mkdirs.
PEGASUS_BUCKET = re.compile(r"(s3(s){0,1}://\w+@\w+/+[\w\-]+)")


class TestAWS(ProviderContract):
    name = "aws"
    good: ClassVar = {"bucket": "dark-night", "prefix": "runs/2026", "region": "us-west-2", "credentials": "me@aws"}
    inputs = "s3://survey/repo/raw.fits"


def codes(**settings: Any) -> list[str]:
    return [each.code for each in load_provider("aws", settings).problems()]


@pytest.mark.parametrize("bucket", ["has.dots", "Upper", "ab", "-lead", "trail-", "under_score", "x" * 64])
def test_a_bucket_that_pegasus_or_s3_cannot_read_is_a_problem(bucket: str) -> None:
    assert codes(bucket=bucket) == ["bad-bucket"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"credentials": "me"}, "bad-credentials"),
        ({"credentials": "my-name@aws"}, "bad-credentials"),
        ({"prefix": "a b"}, "bad-prefix"),
        ({"prefix": "a//b"}, "bad-prefix"),
        ({"region": "mars"}, "bad-region"),
        ({"credentials": "me@Amazon"}, "bad-credentials"),
        ({"endpoint": "s3.example.org"}, "bad-endpoint"),
    ],
)
def test_a_name_of_the_wrong_form_is_a_problem(settings: dict[str, Any], code: str) -> None:
    assert codes(**settings) == [code]


def test_all_problems_are_told_at_once() -> None:
    assert set(codes(bucket="A.B", region="x", credentials="y")) == {"bad-bucket", "bad-region", "bad-credentials"}


def test_scratch_and_outputs_stand_apart_in_the_bucket() -> None:
    store = load_provider("aws", TestAWS.good).sites()[1].store
    assert store is not None
    assert store.scratch == Object("s3", "dark-night", "runs/2026/scratch", "me@aws")
    assert store.outputs.key == "runs/2026/outputs"
    assert PEGASUS_BUCKET.fullmatch(f"s3://{store.scratch.account}/{store.scratch.bucket}")


def test_a_replica_keeps_bucket_and_key() -> None:
    found = load_provider("aws", TestAWS.good).replica("s3://survey/repo/HSC/raw/r+1.fits")
    assert found == Replica("staging", Object("s3", "survey", "repo/HSC/raw/r+1.fits", "me@aws"))


@pytest.mark.parametrize(
    "url", ["s3://a.b.c/x", "s3://survey/a b", "s3://survey/a'b", "s3://survey/a?b", "s3://survey/a#b"]
)
def test_a_replica_that_the_s3_client_would_misread_is_refused(url: str) -> None:
    assert isinstance(load_provider("aws", TestAWS.good).replica(url), Problem)


def test_machines_have_the_cores_and_memory_that_ec2_publishes() -> None:
    import gzip
    import json
    from importlib.resources import files

    # What DescribeInstanceTypes answers, as moto ships it.
    published = json.loads(gzip.decompress((files("moto") / "ec2/resources/instance_types.json.gz").read_bytes()))
    for machine in load_provider("aws").machines():
        found = published[machine.name]
        assert machine.cores == found["VCpuInfo"]["DefaultVCpus"]
        assert machine.memory_gib * 1024 == found["MemoryInfo"]["SizeInMiB"]
        assert machine.gpus == sum(each["Count"] for each in found.get("GpuInfo", {}).get("Gpus", []))
        assert "x86_64" in found["ProcessorInfo"]["SupportedArchitectures"]


def test_this_machine_uses_the_profile_and_jobs_use_the_file_that_pegasus_carries() -> None:
    provider = load_provider("aws", {"profile": "survey", "credentials": "me@aws"})
    access = provider.access("s3://survey/repo")
    assert isinstance(access, Access)
    assert access.options == {"profile": "survey", "client_kwargs": {"region_name": "us-east-1"}}
    (file,) = provider.credentials()
    assert file.sections == ("aws", "me@aws")


def test_only_a_stand_in_of_amazon_is_spared_its_checksums() -> None:
    assert not load_provider("aws").sites()[0].environment
    stand_in = load_provider("aws", {"endpoint": "http://127.0.0.1:9000", "region": "anywhere"})
    assert stand_in.problems() == ()
    assert stand_in.sites()[0].environment["AWS_REQUEST_CHECKSUM_CALCULATION"] == "when_required"
