"""One workflow, and how jobs hand files over: through a store, a shared folder, or the submit host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compiler.backends.pegasus import read_settings
from compiler.backends.pegasus.replicas import Known
from compiler.backends.pegasus.sites import batch_limit
from compiler.backends.pegasus.worker_script import shared_runner, worker_script
from compiler.diagnostics import Findings
from compiler.jobs import Request
from compiler.runtime.bundle import runner_bytes
from tests.backends.small import dark, loaded, lowered, lowered_to, validator
from tests.backends.test_pegasus_catalogs import errors, home, plan
from tests.conftest import Golden

GOLDEN = Path(__file__).parents[1] / "golden" / "pegasus"
S3 = {"bucket": "dark-night", "endpoint": "https://s3.example.org:9000"}
IMAGE = "docker://lsst/stack:1"
Target = tuple[str, dict[str, Any], dict[str, Any]]
TARGETS: dict[str, Target] = {
    "gcp": ("gcp", {"bucket": "dark-night"}, {"inputs_at": "gs://survey/repo", "container": IMAGE}),
    "gcp-native": ("gcp", {"bucket": "dark-night", "access": "native"}, {"inputs_at": "gs://survey/repo"}),
    "onprem-shared": ("onprem", {"shared_folder": "/sdf/scratch/run"}, {"inputs_at": "/sdf/repo"}),
    "onprem-shared-image": ("onprem", {"shared_folder": "/sdf/run"}, {"inputs_at": "/sdf/repo", "container": IMAGE}),
    "onprem-submit-host": ("onprem", {}, {"inputs_at": "/data/repo"}),
    "onprem-s3": ("onprem", S3, {"inputs_at": ["s3://survey/repo", "https://data.example.org/repo"]}),
    "onprem-slurm": (
        "onprem",
        {"shared_folder": "/sdf/run", "batch": {"queue": "roma", "account": "rubin:main"}},
        {"inputs_at": "/sdf/repo"},
    ),
}
FILES = ("sites.yml", "replicas.yml", "transformations.yml", "pegasus.properties", "plan.sh", "head-node.json")


def lower_for(name: str, folder: Path, **more: Any) -> Path:
    target, theirs, ours = TARGETS[name]
    findings = lowered_to(target, folder, dark(1, 1), theirs, **{**ours, **more})
    assert [str(each) for each in findings] == []
    return folder


@pytest.mark.parametrize("name", TARGETS)
def test_the_catalogs_of_each_target_are_those_expected(tmp_path: Path, golden: Golden, name: str) -> None:
    lower_for(name, tmp_path)
    (GOLDEN / name).mkdir(exist_ok=True)
    for file in FILES:
        if file != "head-node.json":  # the runner's size changes with the runner
            golden.check(GOLDEN / name / file, (tmp_path / "pegasus" / file).read_text(encoding="utf-8"))


def test_workflows_and_their_parts_are_the_same_bytes_for_every_target(tmp_path: Path) -> None:
    found = set()
    for name in TARGETS:
        folder = lower_for(name, tmp_path / name, partition_jobs=2) / "pegasus"
        found.add(tuple((folder / file).read_bytes() for file in ("workflow.yml", "part-1.yml", "part-2.yml")))
    assert len(found) == 1


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("file", "schema"), [("sites.yml", "sc-5.0.yml"), ("replicas.yml", "rc-5.0.yml")])
def test_pegasus_own_schemas_take_them(tmp_path: Path, name: str, file: str, schema: str) -> None:
    lower_for(name, tmp_path)
    assert [each.message for each in validator(schema).iter_errors(loaded(tmp_path, file))] == []


def setting(folder: Path, key: str) -> str:
    lines = (folder / "pegasus" / "pegasus.properties").read_text().splitlines()
    return dict(line.split(" = ") for line in lines if line).get(key, "")


@pytest.mark.parametrize(
    ("name", "configuration", "staging"),
    [
        ("gcp", "nonsharedfs", "staging"),
        ("onprem-s3", "nonsharedfs", "staging"),
        ("onprem-shared", "sharedfs", "compute"),
        ("onprem-shared-image", "nonsharedfs", "compute"),
        ("onprem-submit-host", "condorio", "local"),
    ],
)
def test_pegasus_is_told_how_files_are_handed_over(tmp_path: Path, name: str, configuration: str, staging: str) -> None:
    lower_for(name, tmp_path)
    assert setting(tmp_path, "pegasus.data.configuration") == configuration
    assert f"export RUBINCWL_STAGING={staging}\n" in (tmp_path / "pegasus" / "plan.sh").read_text()


def test_where_jobs_share_a_folder_the_runner_sets_the_science_stack_up_itself(tmp_path: Path) -> None:
    script = tmp_path / "setup.sh"
    script.write_text("export GREETING=hello\n")
    lower_for("onprem-shared", tmp_path, setup_script=f"file://{script}")
    (tool, *_) = loaded(tmp_path, "transformations.yml")["transformations"]
    assert tool["sites"][0]["pfn"] == "file://${RUBINCWL_OUT}/pegasus/quantum_runner.sh"
    assert "export GREETING=hello" in (tmp_path / "pegasus" / "quantum_runner.sh").read_bytes().decode(errors="replace")
    assert not (tmp_path / "pegasus" / "worker.sh").exists()


def test_a_runner_behind_a_script_runs_and_keeps_its_exit_code(tmp_path: Path) -> None:
    runner = tmp_path / "rubincwl-isr"
    runner.write_bytes(shared_runner(runner_bytes(), "mkdir set-up"))
    runner.chmod(0o755)
    (tmp_path / "a b.jsonl").write_text('{"name": "x", "content": 1}\n')
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [str(runner), "collect", "--output", "out.jsonl", "a b.jsonl"]
    subprocess.run(command, cwd=tmp_path, check=True, env={"PATH": path})
    assert (tmp_path / "set-up").is_dir()
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"name": "x", "content": 1}
    shutil.rmtree(tmp_path / "set-up")
    done = subprocess.run([*command[:-1], "lost"], cwd=tmp_path, check=False, env={"PATH": path}, capture_output=True)
    assert (done.returncode, b"lost" in done.stderr) == (11, True), done


def test_a_checkpoint_that_is_not_there_yet_does_not_keep_htcondor_from_starting_a_job(tmp_path: Path) -> None:
    lower_for("onprem-submit-host", tmp_path)
    profiles = loaded(tmp_path, "sites.yml")["sites"][0]["profiles"]["dagman"]
    assert (profiles["PRE"], profiles["PRE.ARGUMENTS"]) == ("${RUBINCWL_OUT}/pegasus/before_job.sh", "$JOB")
    scratch, submit = tmp_path / "scratch", tmp_path / "submit" / "00" / "00"
    scratch.mkdir()
    submit.mkdir(parents=True)
    (scratch / "b_checkpoint.tar").write_text("kept")
    for job in "ab":
        inputs = f"raw,{job}_checkpoint.tar,$(wf_submit_dir)/lite.sh"
        (submit / f"isr_{job}.sub").write_text(f"initialdir = {scratch}\ntransfer_input_files = {inputs}\n")
        script = str(tmp_path / "pegasus" / "before_job.sh")
        subprocess.run([script, f"isr_{job}"], cwd=tmp_path / "submit", check=True)
    assert {path.name: path.read_text() for path in scratch.iterdir()} == {
        "a_checkpoint.tar": "",
        "b_checkpoint.tar": "kept",
    }


@pytest.mark.parametrize("code", [0, 13])
def test_outputs_that_a_failed_task_did_not_make_do_not_hide_its_exit_code(tmp_path: Path, code: int) -> None:
    (tmp_path / "worker.sh").write_text(worker_script(carried=True))
    (tmp_path / ".job.ad").write_text('Cmd = "x"\nTransferOutput = "made,lost"\n')
    (tmp_path / "made").write_text("data")
    tool = tmp_path / "pegasus-kickstart"
    tool.write_text(f"#!/bin/sh\nexit {code}\n")
    tool.chmod(0o755)
    script = "pegasus_lite_signal_term() { :; }; . ./worker.sh; pegasus-kickstart task"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "_CONDOR_JOB_AD": ".job.ad"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, check=False, env=environment)
    assert done.returncode == code
    assert (tmp_path / "made").read_text() == "data"
    assert (tmp_path / "lost").exists() is (code != 0)


def test_a_batch_system_does_not_end_jobs_after_the_time_that_they_are_expected_to_take(tmp_path: Path) -> None:
    assert batch_limit([Request()]) is None
    assert batch_limit([Request(run_time_s=600), Request(run_time_s=7200)]) == 480
    assert batch_limit([Request(run_time_s=600, walltime_s=1201)]) == 21
    lower_for("onprem-slurm", tmp_path)
    profiles = loaded(tmp_path, "sites.yml")["sites"][0]["profiles"]
    assert profiles["condor"] == {"grid_resource": "batch slurm"}
    assert (profiles["pegasus"]["queue"], profiles["pegasus"]["project"]) == ("roma", "rubin:main")


def entry(folder: Path, lfn: str) -> dict[str, Any]:
    (found,) = [each for each in loaded(folder, "replicas.yml")["replicas"] if each["lfn"].startswith(lfn)]
    return dict(found)


def test_a_file_with_several_copies_names_them_in_the_order_given(tmp_path: Path) -> None:
    lower_for("onprem-s3", tmp_path)
    assert [each["pfn"] for each in entry(tmp_path, "raw")["pfns"]] == [
        "s3://rubin@store/survey/repo/raw/all/raw_1000_0.json",
        "https://data.example.org/repo/raw/all/raw_1000_0.json",
    ]


def test_what_was_found_out_of_files_stands_in_the_catalog(tmp_path: Path) -> None:
    raw = "inputs/raw/all/raw_1000_0.json"
    known = Known({raw: ["s3://other/r", "s3://another/r"]}, {raw: 1_234_567_890_123}, {raw: "ab" * 32})
    assert lowered_to("onprem", tmp_path, dark(1, 1), S3, known, inputs_at="s3://survey/repo") == []
    found = entry(tmp_path, "raw")
    assert [each["pfn"] for each in found["pfns"]] == ["s3://rubin@store/other/r", "s3://rubin@store/another/r"]
    assert found["checksum"] == {"sha256": "ab" * 32}
    assert found["metadata"] == {"size": "1234567890123"}
    assert [each.message for each in validator("rc-5.0.yml").iter_errors(loaded(tmp_path, "replicas.yml"))] == []


@pytest.mark.parametrize("bad", [3, ["s3://a", None], {"a": "b"}])
def test_inputs_at_is_a_url_or_a_list_of_them(bad: object) -> None:
    findings = Findings()
    read_settings({"inputs_at": bad}, findings)
    assert [each.code for each in findings] == ["bad-setting"]


def test_a_data_id_with_both_quotes_is_refused_where_only_htcondor_reads_arguments(tmp_path: Path) -> None:
    jobs = dark(1, 1, instrument="""it's "it\"""")
    assert errors(lowered_to("onprem", tmp_path / "a", jobs, {"shared_folder": "/sdf"})) == ["unsafe-arguments"]
    assert errors(lowered(tmp_path / "b", jobs)) == []


@pytest.mark.parametrize(
    ("target", "usual"),
    [("aws", "container: docker://"), ("gcp", "container: docker://"), ("onprem", "setup_script: /")],
)
def test_without_a_science_stack_the_usual_way_of_the_target_is_told(tmp_path: Path, target: str, usual: str) -> None:
    found = lowered_to(target, tmp_path, dark(1, 1), {}, setup_script=None)
    (told,) = [each for each in found if each.code == "no-science-stack"]
    assert told.severity == "warning"
    assert usual in str(told.help)


def test_plan_looks_at_credentials_but_never_shows_them(tmp_path: Path) -> None:
    lower_for("onprem-s3", tmp_path)
    file = home(tmp_path, "[store]\nendpoint = x\n[rubin@store]\nsecret_key = hidden\n")
    assert plan(tmp_path).returncode == 0
    file.chmod(0o640)
    assert "chmod 600" in plan(tmp_path).stderr
    home(tmp_path, "[store]\n[rubin@storage]\nsecret_key = hidden\n")
    done = plan(tmp_path)
    assert (done.returncode, done.stderr) == (2, f"plan.sh: {file} has no section [rubin@store]\n")
    file.unlink()
    assert "no credentials" in plan(tmp_path).stderr


def test_credentials_at_another_place_are_named_to_pegasus(tmp_path: Path) -> None:
    lower_for("gcp-native", tmp_path)
    local = loaded(tmp_path, "sites.yml")["sites"][-1]
    assert local["profiles"]["env"] == {
        "BOTO_CONFIG": "${HOME}/.boto",
        "GOOGLE_PKCS12": "${HOME}/.pegasus/google.p12",
    }


def test_pegasus_of_workers_that_share_a_folder_is_that_of_the_submit_host_unless_said(tmp_path: Path) -> None:
    lower_for("onprem-shared", tmp_path, partition_jobs=2)
    assert plan(tmp_path).returncode == 0
    resolved = (tmp_path / "pegasus" / "resolved" / "sites.yml").read_text()
    assert f"PEGASUS_HOME: {tmp_path}\n" in resolved
    assert "${" not in resolved
