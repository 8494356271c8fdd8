"""A cluster of one's own: three ways to hand files over, and what the user says it has."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from providers import Access, Folder, MachineType, Object, Problem, Replica, load_provider
from providers.base import Batch
from tests.providers.contract import ProviderContract

STORE = {"endpoint": "https://minio.example.org:9000", "bucket": "dark-night"}


class TestSubmitHost(ProviderContract):
    name = "onprem"
    good: ClassVar = {"machines": [{"name": "node", "cores": 32, "memory_gib": 128, "disk_gib": 900, "gpus": 1}]}
    inputs = "file:///datasets/raw.fits"
    refused: ClassVar = ("ftp://host/x", "", "s3://survey/raw.fits", "gs://survey/raw.fits", "relative/raw.fits")


class TestSharedFolder(TestSubmitHost):
    good: ClassVar = {"shared_folder": "/sdf/scratch/rubin", "batch": {"system": "slurm", "queue": "milano"}}


class TestObjectStore(ProviderContract):
    name = "onprem"
    good: ClassVar = {**STORE, "credentials": "me@minio", "region": "here", "profile": "minio"}
    inputs = "s3://survey/repo/raw.fits"


def made(**settings: Any) -> Any:
    return load_provider("onprem", settings)


@pytest.mark.parametrize(
    ("settings", "handover"),
    [
        ({}, "submit-host"),
        ({"shared_folder": "/sdf"}, "shared-folder"),
        (STORE, "object-store"),
        ({"shared_folder": "/sdf", **STORE}, "shared-folder"),
        ({"shared_folder": "/sdf", **STORE, "handover": "object-store"}, "object-store"),
        ({"shared_folder": "/sdf", "handover": "submit-host"}, "submit-host"),
    ],
)
def test_files_are_handed_over_by_what_is_there_unless_it_is_said(settings: dict[str, Any], handover: str) -> None:
    assert made(**settings).handover == handover
    assert made(**settings).problems() == ()


def test_what_a_handover_needs_and_is_not_given_has_a_mark() -> None:
    assert [each.mark for each in made(handover="shared-folder").placeholders()] == ["@SHARED_FOLDER@"]
    assert [each.setting for each in made(handover="object-store").placeholders()] == ["bucket"]
    assert made(handover="submit-host").placeholders() == ()


@pytest.mark.parametrize(
    ("settings", "code", "setting"),
    [
        ({"shared_folder": "sdf"}, "bad-path", "shared_folder"),
        ({"shared_folder": "/my folder"}, "bad-path", "shared_folder"),
        ({"shared_folder": "/sdf", "outputs_folder": "$HOME"}, "bad-path", "outputs_folder"),
        ({"bucket": "dark-night"}, "no-endpoint", "bucket"),
        ({"batch": {"system": "slurm"}}, "slurm-needs-store", "batch"),
    ],
)
def test_settings_that_cannot_work_are_told(settings: dict[str, Any], code: str, setting: str) -> None:
    assert [(each.code, each.setting) for each in made(**settings).problems()] == [(code, setting)]


def test_results_may_go_to_another_folder_than_scratch() -> None:
    store = made(shared_folder="/sdf/", outputs_folder="/data/results/").sites()[1].store
    assert (store.scratch, store.outputs) == (Folder("/sdf/scratch"), Folder("/data/results"))


def test_slurm_has_its_partition_and_who_is_charged() -> None:
    site = made(shared_folder="/sdf", batch={"system": "slurm", "queue": "milano", "account": "rubin"}).sites()[0]
    assert site.batch == Batch("slurm", "milano", "rubin")


@pytest.mark.parametrize(
    ("settings", "site"),
    [({}, "local"), ({"shared_folder": "/sdf"}, "compute"), ({**STORE, "shared_folder": "/sdf"}, "compute")],
)
def test_a_file_is_where_workers_or_else_the_submit_host_see_it(settings: dict[str, Any], site: str) -> None:
    for url in ("/datasets/raw 1.fits", "file:///datasets/raw%201.fits"):
        assert isinstance(made(**settings).replica(url), Problem)
    assert made(**settings).replica("/datasets/raw.fits") == Replica(site, Folder("/datasets/raw.fits"))


def test_objects_are_read_where_credentials_are_named() -> None:
    assert isinstance(made(shared_folder="/sdf").replica("s3://survey/raw"), Problem)
    assert made(shared_folder="/sdf").credentials() == ()
    provider = made(shared_folder="/sdf", credentials="me@minio", endpoint=STORE["endpoint"], profile="minio")
    assert provider.replica("s3://survey/raw") == Replica("staging", Object("s3", "survey", "raw", "me@minio"))
    assert [each.sections for each in provider.credentials()] == [("minio", "me@minio")]
    access = provider.access("s3://survey/raw")
    assert isinstance(access, Access)
    assert access.options == {"profile": "minio", "endpoint_url": STORE["endpoint"]}


def test_machines_are_those_that_are_listed() -> None:
    (machine,) = made(**TestSubmitHost.good).machines()
    assert machine == MachineType("node", 32, 128.0, 900.0, 1)
    assert made().machines() == ()
