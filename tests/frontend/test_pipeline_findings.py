"""What is wrong with a pipeline is told with its place and a way out, all at once, and never as a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.diagnostics import CompileError, Findings, Span, render
from compiler.frontend.pipeline import read_pipeline

CASES = sorted((Path(__file__).parents[1] / "golden" / "errors").iterdir())
TALK = Path(__file__).parents[1] / "data" / "talk_dark.yaml"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_findings_of_a_pipeline_read_as_expected(case, golden, monkeypatch):
    monkeypatch.chdir(case)
    findings = Findings()
    try:
        read_pipeline("pipeline.yaml", findings)
    except CompileError as error:
        findings.items.extend(error.findings)
    golden.check(case / "expected.txt", "".join(render(each) + "\n" for each in findings))


def _codes(path) -> list[str]:
    with pytest.raises(CompileError) as caught:
        read_pipeline(path)
    return [each.code for each in caught.value.findings]


def test_a_missing_file_is_a_finding_that_names_its_neighbour(tmp_path):
    (tmp_path / "pipeline.yaml").write_text("")
    with pytest.raises(CompileError) as caught:
        read_pipeline(tmp_path / "pipelin.yaml")
    (finding,) = caught.value.findings
    assert (finding.code, finding.help) == ("no-file", f"did you mean '{tmp_path / 'pipeline.yaml'}'?")


def test_a_folder_a_url_and_a_name_with_a_nul_are_findings(tmp_path):
    assert _codes(tmp_path) == ["unreadable-file"]
    assert _codes("s3://bucket/pipeline.yaml") == ["unsupported-location"]
    assert _codes("pipe\0line.yaml") == ["unreadable-file"]


def test_a_selection_of_unknown_labels_and_a_range_are_findings():
    assert _codes(f"{TALK}#isr,cpDrak") == ["unknown-label"]
    assert _codes(f"{TALK}#isr..cpCombine") == ["unsupported-selection"]


def test_a_relative_import_that_two_files_match_is_refused(tmp_path, monkeypatch):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "base.yaml").write_text(f"description: {folder}\ntasks: {{isr: a.B}}")
    (tmp_path / "there" / "pipeline.yaml").write_text("description: Which?\nimports: base.yaml")
    monkeypatch.chdir(tmp_path / "here")
    assert _codes("../there/pipeline.yaml") == ["ambiguous-import"]


def test_very_deep_nesting_is_a_finding(tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text("description: deep\ntasks: {}\nparameters: {a: " + "[" * 5000 + "]" * 5000 + "}")
    assert _codes(path) == ["nested-too-deep"]


def test_warnings_alone_do_not_stop_the_reading(tmp_path, caplog):
    path = tmp_path / "pipeline.yaml"
    path.write_text("description: One key too many.\ntasks: {isr: a.B}\ntaks: {}")
    findings = Findings()
    assert read_pipeline(path, findings).task("isr") is not None
    assert [(each.code, each.severity) for each in findings] == [("unknown-key", "warning")]
    assert not caplog.records
    read_pipeline(path)
    assert ["unknown-key" in record.message for record in caplog.records] == [True]


_WORDS = """
description tasks isr calibrate class config python file parameters parameters.a imports location include exclude
rename subsets subset steps label dimensions contracts contract msg instrument null true 1 1.5 2026-01-99 a.B isr.x==1
pipeline.yaml $HOME & * &a *a << ! !!set !!binary --- ... | > - ? "'" '"' [ ] { } , : #
"""
WORDS = st.sampled_from(_WORDS.split())
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(st.one_of(WORDS, st.sampled_from([" ", "\n", "\n  ", "\n    ", ": ", "\n- ", ", "])), max_size=40).map(
        "".join
    ),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), WORDS)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_any_text_is_a_pipeline_or_findings(tmp_path, text):
    _reads_or_tells(tmp_path, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(WORDS, TREES, max_size=6))
def test_any_tree_of_known_words_is_a_pipeline_or_findings(tmp_path, tree):
    import json

    _reads_or_tells(tmp_path, json.dumps({"description": "x", "tasks": {}, **tree}).encode())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_pipeline_or_findings(tmp_path, data):
    _reads_or_tells(tmp_path, data)


def _reads_or_tells(folder: Path, data: bytes) -> None:
    path = folder / "pipeline.yaml"
    path.write_bytes(data)
    findings = Findings()
    try:
        read_pipeline(path, findings)
    except CompileError as error:
        findings.items.extend(error.findings)
        assert findings.errors
    lines = data.decode("utf-8", "replace").splitlines() or [""]
    for finding in findings:
        render(finding)
        if isinstance(finding.place, Span) and finding.place.file == str(path):
            assert 1 <= finding.place.line <= len(lines) + 1
