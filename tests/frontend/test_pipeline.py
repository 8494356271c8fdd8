"""Pipeline YAML becomes a `Pipeline` without any LSST package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compiler.diagnostics import Findings, Span
from compiler.frontend.pipeline import read_pipeline

TALK = Path(__file__).parents[1] / "data" / "talk_dark.yaml"


def test_the_pipeline_of_the_talk_has_three_tasks_and_three_contracts():
    pipeline = read_pipeline(TALK)
    assert [(task.label, task.task_class.rpartition(".")[2]) for task in pipeline.tasks] == [
        ("isr", "IsrTask"),
        ("cpDark", "CpDarkTask"),
        ("cpCombine", "CalibCombineTask"),
    ]
    assert [each.expression for each in pipeline.contracts] == [
        "isr.doDark == False",
        'cpCombine.calibrationType == "dark"',
        'cpCombine.exposureScaling == "DarkTime"',
    ]
    assert pipeline.sources == (str(TALK),)


def test_config_applies_files_then_python_then_fields_with_yaml_values():
    task = read_pipeline(TALK).task("cpCombine")
    assert task is not None
    assert [(item.kind, item.key, item.value) for item in task.config] == [
        ("python", "", 'config.mask.append("CR")'),
        ("field", "connections.inputExps", "cpDarkProc"),
        ("field", "connections.outputData", "dark"),
        ("field", "calibrationType", "dark"),
        ("field", "exposureScaling", "DarkTime"),
    ]
    isr = read_pipeline(TALK).task("isr")
    assert isr is not None
    assert {item.key: item.value for item in isr.config}["doDark"] is False


def test_everything_knows_the_place_where_it_stands():
    pipeline = read_pipeline(TALK)
    task = pipeline.task("cpDark")
    assert task is not None
    assert task.span == Span(str(TALK), 21, 3, 9)
    assert [item.span and item.span.line for item in task.config] == [24, 25]
    assert pipeline.contracts[0].span == Span(str(TALK), 35, 5, 24)


def test_python_in_a_pipeline_is_carried_and_never_run(tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w')"
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        f'description: x\ntasks:\n  a: {{class: m.A, config: {{python: "{code}"}}}}\ncontracts: ["{code}"]\n'
    )
    task = read_pipeline(path).task("a")
    assert task is not None
    assert task.config[0].value == code
    assert not (tmp_path / "ran").exists()


def test_a_relative_import_counts_from_the_importing_file(tmp_path, monkeypatch):
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    (tmp_path / "pipeline.yaml").write_text("description: top\nimports: parts/one.yaml")
    (tmp_path / "parts" / "one.yaml").write_text("description: one\nimports: [deep/two.yaml, ../three.yaml]")
    (tmp_path / "parts" / "deep" / "two.yaml").write_text("description: two\ntasks: {two: m.Two}")
    (tmp_path / "three.yaml").write_text("description: three\ntasks: {three: m.Three}")
    monkeypatch.chdir("/")
    pipeline = read_pipeline(tmp_path / "pipeline.yaml")
    assert [task.label for task in pipeline.tasks] == ["two", "three"]
    names = ["pipeline.yaml", "parts/one.yaml", "parts/deep/two.yaml", "three.yaml"]
    assert pipeline.sources == tuple(str(tmp_path / name) for name in names)


def test_a_file_imported_twice_tells_its_findings_once(tmp_path):
    (tmp_path / "base.yaml").write_text("description: base\ntasks: {a: m.A, b: m.B}\ntaks: {}")
    (tmp_path / "pipeline.yaml").write_text(
        "description: top\nimports:\n- {location: base.yaml, include: a}\n- {location: base.yaml, include: b}"
    )
    findings = Findings()
    assert [task.label for task in read_pipeline(tmp_path / "pipeline.yaml", findings).tasks] == ["a", "b"]
    assert [each.code for each in findings] == ["unknown-key"]


def test_labels_behind_a_hash_select_tasks_and_subsets(tmp_path):
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        "description: x\ntasks: {a: m.A, b: m.B, c: m.C}\nsubsets: {s: [a, b], t: [b, c]}\n"
        "steps: [{label: s, dimensions: []}, {label: t, dimensions: []}]\ncontracts: [a.x, b.x, c.x]\n"
    )
    pipeline = read_pipeline(f"{path}#s")
    assert [task.label for task in pipeline.tasks] == ["a", "b"]
    assert [each.label for each in pipeline.subsets] == ["s"]
    assert [each.label for each in pipeline.steps] == ["s"]
    assert [each.expression for each in pipeline.contracts] == ["a.x", "b.x"]
    assert [task.label for task in read_pipeline(f"{path}#a,c").tasks] == ["a", "c"]


def test_a_file_may_have_a_hash_in_its_name(tmp_path):
    path = tmp_path / "pipe#line.yaml"
    path.write_text("description: x\ntasks: {a: m.A}")
    assert read_pipeline(path).file == str(path)


def test_include_with_rename_keeps_every_included_label(tmp_path):
    (tmp_path / "base.yaml").write_text("description: base\ntasks: {a: m.A, b: m.B, c: m.C}")
    (tmp_path / "pipeline.yaml").write_text(
        "description: x\nimports: {location: base.yaml, include: [a, b], rename: {a: first}}"
    )
    assert sorted(task.label for task in read_pipeline(tmp_path / "pipeline.yaml").tasks) == ["b", "first"]


@pytest.mark.parametrize("field", ["include", "exclude"])
def test_one_label_at_an_import_may_stand_alone(field, tmp_path):
    (tmp_path / "base.yaml").write_text("description: base\ntasks: {a: m.A, b: m.B}")
    (tmp_path / "pipeline.yaml").write_text(f"description: x\nimports: {{location: base.yaml, {field}: a}}")
    labels = [task.label for task in read_pipeline(tmp_path / "pipeline.yaml").tasks]
    assert labels == (["a"] if field == "include" else ["b"])


def test_reading_a_pipeline_imports_nothing_of_the_middleware():
    code = (
        "import sys, compiler.frontend.pipeline; print({m.split('.')[0] for m in sys.modules} & {'lsst', 'cwl_utils'})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
