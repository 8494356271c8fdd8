"""A folder is written whole or stays as it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from compiler import driver
from schemas import schema
from tests.cli.conftest import Outcome, Rubincwl


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "work" / "out"


class Compile:
    def __init__(self, rubincwl: Rubincwl, data: Path, out: Path) -> None:
        self.rubincwl, self.data, self.out = rubincwl, data, out

    def __call__(self, *options: str) -> Outcome:
        files = self.data / "pipeline.yaml", self.data / "graph.ndjson.zst"
        return self.rubincwl("compile", *files, "--target", "aws", "-o", self.out, *options)


@pytest.fixture
def compile_(rubincwl: Rubincwl, synthetic_dark: Path, out: Path) -> Compile:
    return Compile(rubincwl, synthetic_dark, out)


def test_a_compile_writes_what_the_documentation_lists(compile_: Compile, out: Path) -> None:
    assert compile_().code == 0
    assert sorted(str(each.relative_to(out)) for each in out.rglob("*") if each.is_file()) == [
        "certificate.json",
        "job.json",
        "pegasus/head-node.json",
        "pegasus/pegasus.properties",
        "pegasus/plan.sh",
        "pegasus/quanta.parquet",
        "pegasus/replicas.yml",
        "pegasus/sites.yml",
        "pegasus/transformations.yml",
        "pegasus/worker.sh",
        "pegasus/workflow.yml",
        "requests.json",
        "rubincwl.lock",
        "runtime/butler.yaml",
        "runtime/graph.qg",
        "runtime/quantum_runner.pyz",
        "summary.json",
        "workflow.cwl",
    ]
    assert os.access(out / "runtime" / "quantum_runner.pyz", os.X_OK)
    assert list(out.parent.iterdir()) == [out]


def test_summary_and_lock_keep_their_schemas(compile_: Compile, out: Path) -> None:
    import json

    compile_("--bucket", "survey")
    summary = json.loads((out / "summary.json").read_text())
    lock = json.loads((out / "rubincwl.lock").read_text())
    jsonschema.validate(summary, schema("summary"))
    jsonschema.validate(lock, schema("lock"))
    assert summary["graph"]["quanta"] == 28
    assert summary["jobs"]["count"] == summary["clusters"]["count"] + 1, "the init job"
    assert summary["clusters"]["largest"] > 1
    jsonschema.validate(json.loads((out / "certificate.json").read_text()), schema("certificate"))
    jsonschema.validate(json.loads((out / "requests.json").read_text()), schema("requests"))
    assert [each["role"] for each in lock["inputs"]] == ["pipeline", "graph", "runner"]
    assert lock["settings"]["bucket"] == "survey"


def test_settings_come_from_a_file_and_options_go_before_them(compile_: Compile, out: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("targets:\n  aws:\n    bucket: from-file\n    prefix: from/file\n")
    assert compile_("--config", str(config), "--bucket", "from-option").code == 0
    sites = (out / "pegasus" / "sites.yml").read_text()
    assert "from-option/from/file" in sites
    assert "from-file" not in sites


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("targets:\n  aws:\n    buckt: x\n", ":3:5: error[unknown-key]: 'aws' has no key 'buckt'"),
        ("targets:\n  aws:\n    bucket: Not.Good\n", ":3:13: error[bad-bucket]"),
        ("targets:\n  aws:\n    bucket: [x]\n", ":3:13: error[wrong-type]: 'bucket' is a list, not a string"),
        ("targets: aws\n", ":1:10: error[wrong-type]: 'targets' is a string, not a mapping"),
        ("", ":1:1: error[empty-file]"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line(
    compile_: Compile, out: Path, tmp_path: Path, text: str, expected: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    done = compile_("--config", str(config))
    assert done.code == 1
    assert f"{config}{expected}" in done.err
    assert not out.exists()


def test_bad_input_writes_nothing(rubincwl: Rubincwl, synthetic_dark: Path, out: Path, tmp_path: Path) -> None:
    graph = tmp_path / "cut.ndjson.zst"
    graph.write_bytes((synthetic_dark / "graph.ndjson.zst").read_bytes()[:-40])
    done = rubincwl("compile", synthetic_dark / "pipeline.yaml", graph, "--target", "cwl", "-o", out)
    assert done.code == 1
    assert sorted(tmp_path.iterdir()) == [graph], "not even the folder above it"


def test_bad_input_leaves_an_earlier_result_as_it_was(
    compile_: Compile, rubincwl: Rubincwl, synthetic_dark: Path, out: Path
) -> None:
    compile_()
    before = {each: each.read_bytes() for each in out.rglob("*") if each.is_file()}
    bad = compile_("--bucket", "Not.Good")
    assert bad.code == 1
    assert {each: each.read_bytes() for each in out.rglob("*") if each.is_file()} == before


def test_a_compile_that_is_stopped_leaves_nothing(
    compile_: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(driver, "summarise", stopped)
    assert compile_().code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_ours_is_replaced(compile_: Compile, out: Path) -> None:
    compile_()
    (out / "pegasus" / "left-over").write_text("")
    assert compile_().code == 0
    assert not (out / "pegasus" / "left-over").exists()
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_that_is_not_ours_is_refused_even_with_overwrite(compile_: Compile, out: Path) -> None:
    out.mkdir(parents=True)
    (out / "thesis.tex").write_text("years of work")
    for options in ((), ("--overwrite",)):
        done = compile_(*options)
        assert done.code == 1
        assert "error[output-exists]" in done.err
    assert (out / "thesis.tex").read_text() == "years of work"


def test_results_of_a_run_are_lost_only_on_request(compile_: Compile, out: Path) -> None:
    compile_()
    (out / "run").mkdir()
    done = compile_()
    assert done.code == 1
    assert "--overwrite" in done.err
    assert compile_("--overwrite").code == 0
    assert not (out / "run").exists()


def test_a_file_in_place_of_the_folder_is_refused(compile_: Compile, out: Path) -> None:
    out.parent.mkdir()
    out.write_text("mine")
    assert compile_().code == 1
    assert out.read_text() == "mine"


def test_an_export_that_fails_leaves_no_file(
    rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("compiler.frontend.interchange.write_interchange", full)
    done = rubincwl("export-graph", synthetic_dark / "graph.ndjson.zst", "-o", tmp_path / "g.ndjson")
    assert done.code == 3
    assert "No space left on device" in done.err
    assert list(tmp_path.iterdir()) == []


def test_check_against_tells_a_folder_that_was_changed(
    compile_: Compile, rubincwl: Rubincwl, synthetic_dark: Path, out: Path
) -> None:
    compile_()
    files = synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst"
    assert rubincwl("check", *files, "--against", out).code == 0
    job = out / "job.json"
    job.write_text(job.read_text().replace('"exposure":1000', '"exposure":1999', 1))
    done = rubincwl("check", *files, "--against", out)
    assert done.code == 1
    assert "1999" in done.err


@pytest.mark.parametrize("lost", ["sites.yml", "replicas.yml", "plan.sh", "pegasus.properties", "workflow.yml", "."])
def test_check_against_names_a_file_of_the_target_that_is_missing(
    compile_: Compile, rubincwl: Rubincwl, synthetic_dark: Path, out: Path, lost: str
) -> None:
    compile_("--target", "aws")
    path = out / "pegasus" / lost
    shutil.rmtree(path) if lost == "." else path.unlink()
    done = rubincwl("check", synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst", "--against", out)
    assert done.code == 1
    assert path.name in done.err
    assert "compile again" in done.err


def test_check_writes_nothing(
    rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rubincwl("check", synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst")
    assert list(tmp_path.iterdir()) == []


def test_the_lock_names_included_settings_and_records_of_earlier_runs(
    compile_: Compile, out: Path, tmp_path: Path
) -> None:
    import hashlib
    import json

    (tmp_path / "records").mkdir()
    record = {"label": "isr", "status": "done", "peak_memory_mib": 900, "wall_seconds": 40, "data_id": {}}
    (tmp_path / "records" / "one.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "common.yaml").write_text("requestMemory: 3000\n")
    (tmp_path / "submit.yaml").write_text("includeConfigs: common.yaml\nrecords: records\n")
    assert compile_("--config", str(tmp_path / "submit.yaml")).code == 0
    inputs = {each["name"]: each for each in json.loads((out / "rubincwl.lock").read_text())["inputs"]}
    assert {"common.yaml", "submit.yaml", "records"} <= inputs.keys()
    line = f"{hashlib.sha256((tmp_path / 'records' / 'one.jsonl').read_bytes()).hexdigest()}  one.jsonl\n"
    assert inputs["records"]["sha256"] == hashlib.sha256(line.encode()).hexdigest()
