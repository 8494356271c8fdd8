"""Catalogs, properties and plan.sh: what settings say, and what stays open."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from compiler.backends.pegasus import read_settings
from compiler.backends.pegasus.worker_script import worker_script
from compiler.diagnostics import Diagnostic, Findings
from compiler.jobs import JobGraph, Tool
from tests.backends.small import WHOLE, Call, by_hand, dark, loaded, lowered
from tests.conftest import Golden

GOLDEN = Path(__file__).parents[1] / "golden" / "pegasus" / "dark"
NAMES = ("pegasus.properties", "plan.sh", "replicas.yml", "sites.yml", "transformations.yml", "workflow.yml")
RAW = "raw-MockCam-0-1000+u0000000f4240"


def errors(findings: list[Diagnostic]) -> list[str]:
    return [each.code for each in findings if each.severity == "error"]


CREDENTIALS = "[amazon]\nendpoint = https://s3\n\n[me@amazon]\naccess_key = of-mine\n"


def home(folder: Path, text: str = CREDENTIALS) -> Path:
    """A home folder with credentials as Pegasus wants them."""
    file = folder / "home" / ".pegasus" / "credentials.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)
    return file


def plan(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run plan.sh with a pegasus-plan that only says how it was called."""
    if not (folder / "home").exists():
        home(folder)
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    fake = tools / "pegasus-plan"
    fake.write_text('#!/bin/sh\necho "$PWD $PEGASUS_METRICS $RUBINCWL_OUT $RUBINCWL_STAGING"\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder / "home")}
    command = [str(folder / "pegasus" / "plan.sh"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")


def pfn(folder: Path, lfn: str) -> tuple[str, str]:
    (entry,) = [each for each in loaded(folder, "replicas.yml")["replicas"] if each["lfn"] == lfn]
    (where,) = entry["pfns"]
    return where["site"], where["pfn"]


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_those_expected(tmp_path: Path, golden: Golden, name: str) -> None:
    lowered(tmp_path, None, WHOLE, inputs_at="s3://survey/repo")
    expected = GOLDEN / name
    expected.parent.mkdir(parents=True, exist_ok=True)
    golden.check(expected, (tmp_path / "pegasus" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("case", "settings", "names"),
    [
        ("dark-clusters", {}, ("workflow.yml",)),
        ("dark-parts", {"partition_jobs": 3}, ("part-1.replicas.yml", "part-1.yml", "plan.sh", "workflow.yml")),
    ],
)
def test_clusters_and_parts_are_written_as_expected(
    tmp_path: Path, golden: Golden, case: str, settings: dict[str, Any], names: tuple[str, ...]
) -> None:
    lowered(tmp_path, dark(2, 1, cluster=case == "dark-clusters"), WHOLE, inputs_at="s3://survey/repo", **settings)
    (GOLDEN.parent / case).mkdir(exist_ok=True)
    for name in names:
        golden.check(GOLDEN.parent / case / name, (tmp_path / "pegasus" / name).read_text(encoding="utf-8"))


def test_inputs_are_mapped_to_where_the_repository_is(tmp_path: Path) -> None:
    assert lowered(tmp_path, None, WHOLE, inputs_at="s3://survey/repo/") == []
    assert pfn(tmp_path, RAW) == ("staging", "s3://me@amazon/survey/repo/raw/all/raw_1000_0.json")


def test_runtime_files_come_from_the_output_folder_wherever_it_is(tmp_path: Path) -> None:
    lowered(tmp_path)
    assert pfn(tmp_path, "graph.qg") == ("local", "file://${RUBINCWL_OUT}/runtime/graph.qg")


def located(location: str) -> JobGraph:
    return by_hand([Call(Tool("cat"), "cat", ("cat", "x"), ["x"], {"out": "y"})], [("x", location)])


@pytest.mark.parametrize(
    ("location", "inputs_at", "code"),
    [
        ("inputs/raw.fits", "/data/repo", "inputs-on-submit-host"),
        ("inputs/raw.fits", "file:///data/repo", "inputs-on-submit-host"),
        ("file:///data/raw.fits", None, "inputs-on-submit-host"),
        ("/data/raw.fits", None, "inputs-on-submit-host"),
        ("ftp://host/raw.fits", None, "unreachable-input"),
        ("inputs/raw.fits", "s3://dotted.bucket/x", "bad-bucket"),
        ("inputs/raw%3Fb.fits", "s3://survey", "bad-key"),
        ("inputs/raw.fits.zip#unzip=a", "s3://survey", "bad-key"),
    ],
)
def test_inputs_that_jobs_cannot_fetch_are_told(
    tmp_path: Path, location: str, inputs_at: str | None, code: str
) -> None:
    findings = lowered(tmp_path, located(location), WHOLE, inputs_at=inputs_at)
    assert errors(findings) == [code]
    if code == "inputs-on-submit-host":
        assert "rubincwl upload" in str(findings[0].help)


def test_inputs_on_the_submit_host_are_told_once(tmp_path: Path) -> None:
    assert errors(lowered(tmp_path, dark(3, 3), WHOLE, inputs_at="/data/repo")) == ["inputs-on-submit-host"]


def test_a_folder_that_jobs_cannot_reach_is_told_once_for_all_its_files(tmp_path: Path) -> None:
    found = lowered(tmp_path, dark(3, 3), WHOLE, inputs_at=["s3://survey/repo", "gs://survey/repo"])
    assert [(each.code, "'gs://survey/repo'" in each.message) for each in found] == [("unreachable-input", True)]
    assert [each.setting for each in found] == ["inputs_at.1"]


def test_an_absolute_location_in_the_store_needs_no_setting(tmp_path: Path) -> None:
    assert lowered(tmp_path, located("s3://survey/raw.fits"), WHOLE) == []
    assert pfn(tmp_path, "x") == ("staging", "s3://me@amazon/survey/raw.fits")


def test_an_installed_program_is_found_by_its_name(tmp_path: Path) -> None:
    lowered(tmp_path, located("s3://survey/raw.fits"), WHOLE)
    (tool,) = loaded(tmp_path, "transformations.yml")["transformations"]
    assert [(s["name"], s["pfn"], s["type"]) for s in tool["sites"]] == [("compute", "/usr/bin/env", "installed")]
    (job,) = loaded(tmp_path, "workflow.yml")["jobs"]
    assert job["arguments"] == ["cat", "x"]


def test_wrong_settings_of_the_provider_are_findings(tmp_path: Path) -> None:
    findings = lowered(tmp_path, None, {**WHOLE, "bucket": "has.dots"}, inputs_at="s3://survey")
    assert errors(findings) == ["bad-bucket"]


def test_a_container_is_fetched_by_the_workers_and_used_by_every_tool(tmp_path: Path) -> None:
    lowered(tmp_path, None, WHOLE, inputs_at="s3://survey", container="docker://lsst/stack:1")
    catalog = loaded(tmp_path, "transformations.yml")
    (container,) = catalog["containers"]
    assert (container["type"], container["image"], container["bypass"]) == (
        "singularity",
        "docker://lsst/stack:1",
        True,
    )
    assert {site["container"] for each in catalog["transformations"] for site in each["sites"]} == {"science"}


def compute(folder: Path) -> dict[str, Any]:
    profiles: dict[str, Any] = loaded(folder, "sites.yml")["sites"][0]["profiles"]
    return profiles


def test_a_set_up_script_on_the_workers_is_sourced_there(tmp_path: Path) -> None:
    lowered(tmp_path, None, WHOLE, setup_script="/opt/lsst/setup.sh")
    assert compute(tmp_path)["pegasus"]["pegasus_lite_env_source"] == "${RUBINCWL_OUT}/pegasus/worker.sh"
    assert (tmp_path / "pegasus" / "worker.sh").read_text() == worker_script(". /opt/lsst/setup.sh")


def test_a_set_up_script_of_this_machine_travels_with_the_folder(tmp_path: Path) -> None:
    script = tmp_path / "mine.sh"
    script.write_text("export A=1\n")
    lowered(tmp_path, None, WHOLE, inputs_at="s3://survey", setup_script=f"file://{script}")
    assert (tmp_path / "pegasus" / "worker.sh").read_text() == worker_script("export A=1")
    assert errors(lowered(tmp_path, None, WHOLE, setup_script="file:///no/such.sh")) == ["no-setup-script"]


def test_without_settings_every_open_value_is_marked_and_named(tmp_path: Path) -> None:
    findings = lowered(tmp_path)
    assert [(each.code, each.severity) for each in findings] == [("placeholder", "warning")] * 2
    assert "@BUCKET@ in sites.yml" in findings[0].message
    assert "@INPUTS_AT@ in replicas.yml" in findings[1].message


def test_plan_refuses_while_a_placeholder_is_left_and_names_it(tmp_path: Path) -> None:
    lowered(tmp_path, dark(40, 40))  # many marks: none must slip through because there are many
    done = plan(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "@BUCKET@" in done.stderr
    assert "@INPUTS_AT@" in done.stderr


def test_plan_hands_the_folder_to_pegasus_from_anywhere(tmp_path: Path) -> None:
    lowered(tmp_path, None, WHOLE, inputs_at="s3://survey/repo")
    done = plan(tmp_path, "--submit")
    assert done.returncode == 0, done.stderr
    first, *arguments = done.stdout.splitlines()
    assert first == f"{tmp_path}/pegasus false {tmp_path} staging"
    assert " ".join(arguments) == (
        "--conf pegasus.properties --sites compute --staging-site compute=staging --output-sites staging "
        f"--dir {tmp_path}/pegasus/submit --submit workflow.yml"
    )


def test_plan_refuses_half_a_folder_and_a_folder_that_pegasus_cannot_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    lowered(folder, None, WHOLE, inputs_at="s3://survey/repo")
    assert "of this name" in plan(folder).stderr
    folder = folder.rename(tmp_path / "ab")
    assert plan(folder).returncode == 0
    (folder / "runtime" / "graph.qg").unlink()
    assert "graph.qg is missing" in plan(folder).stderr


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"contaner": "docker://x"}, "unknown-setting"),
        ({"container": "lsst/stack"}, "bad-setting"),
        ({"container_type": "podman"}, "bad-setting"),
        ({"retries": "many"}, "bad-setting"),
        ({"retries": -1}, "bad-setting"),
        ({"setup_script": "setup.sh"}, "bad-setting"),
        ({"setup_script": "/opt/my stack/setup.sh"}, "bad-setting"),
    ],
)
def test_wrong_settings_are_findings(given: dict[str, Any], code: str) -> None:
    findings = Findings()
    read_settings(given, findings)
    assert [each.code for each in findings] == [code]
