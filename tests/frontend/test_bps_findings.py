"""What is wrong with a configuration, or means nothing here, is told with its place and a way out, all at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.diagnostics import Findings, Span, render
from compiler.frontend.bps import check_labels
from compiler.frontend.bps.amounts import AMOUNTS
from compiler.frontend.bps.keys import CLUSTER, LEFT, NAMED, OWN, PAYLOAD, SECTIONS
from compiler.frontend.config import read_config

CASES = sorted((Path(__file__).parents[1] / "golden" / "config").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_findings_of_a_configuration_read_as_expected(case, golden, monkeypatch):
    monkeypatch.chdir(case)
    for name in ("NOT_SET_DIR", "NOBODY_SET_THIS"):
        monkeypatch.delenv(name, raising=False)
    findings = Findings()
    read_config(Path("config.yaml"), findings)
    golden.check(case / "expected.txt", "".join(render(each) + "\n" for each in findings))


def test_a_configuration_that_is_no_file_or_no_text_is_a_finding(tmp_path):
    (tmp_path / "graph.qg").write_bytes(b"PK\x03\x04")
    for name, code in (("none.yaml", "no-file"), (".", "unreadable-file"), ("graph.qg", "not-text")):
        findings = Findings()
        read_config(tmp_path / name, findings)
        assert [each.code for each in findings] == [code]
        assert "pipeline" not in f"{findings.items[0].message} {findings.items[0].help}"


def test_every_key_of_bps_that_changes_nothing_says_what_happens_instead():
    for key, left in LEFT.items():
        assert left.instead, key
        assert key not in AMOUNTS, "it is read"
    assert not LEFT.keys() & set(OWN) - {"profile"}


_FURTHER = ["clusterAlgorithm", "computeSite", "includeConfigs", "isr", "night", "mine", "algorithm", "aws", "label"]
_WORDS = st.sampled_from([*SECTIONS, *AMOUNTS, *PAYLOAD, *CLUSTER, *OWN, *sorted(LEFT)[:8], *_FURTHER])
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(),
    _WORDS,
    st.sampled_from(
        ["{mine}", "{isr}", "{", "}", "{}", "{0}", "{a[b]}", "{mine:{mine}}", "{mine:0{mine}}", "{!x}", ""]
    ),
    st.sampled_from(["${X}", "<ENV:X>", "$", "bpsEval(max, 1)", "28 GB", "1h", "a,b:c", "{.site.isr}", "config.yaml"]),
    st.dates(),
)
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4), max_leaves=15
)
_SECTIONS = st.dictionaries(st.sampled_from(NAMED), st.dictionaries(_WORDS, _TREES, max_size=3), max_size=3)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=st.dictionaries(_WORDS, _TREES, max_size=5), sections=_SECTIONS)
def test_any_tree_of_known_words_is_settings_or_findings(tmp_path, monkeypatch, top, sections):
    monkeypatch.chdir(tmp_path)
    text = yaml.safe_dump({**top, **sections})
    Path("config.yaml").write_text(text)
    _reads_or_tells(text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.lists(_WORDS | st.sampled_from(list("\n :[]{}-&*!|")), max_size=20).map("".join))
def test_any_text_is_a_configuration_or_findings(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    _reads_or_tells(text)


def _reads_or_tells(text: str) -> None:
    findings = Findings()
    configuration = read_config(Path("config.yaml"), findings)
    bps = configuration.bps
    check_labels(bps, ["isr", "calibrate"], findings)
    configuration.clustering(findings)
    for cluster in (None, *(spec.name for spec in bps.clusters())):
        for key, setting in bps.quantum_settings("isr", cluster).items():
            assert key in AMOUNTS
            json.dumps(setting.value)
    assert bps.payload is not None
    assert bps.final_job is not None
    lines = text.splitlines() or [""]
    for finding in findings:
        render(finding)
        assert finding.message == finding.message.strip()
        if isinstance(finding.place, Span):
            assert 1 <= finding.place.line <= len(lines) + 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(sorted(AMOUNTS)), value=_TREES, section=st.sampled_from(("", "pipetask", "cluster", "site")))
def test_an_amount_is_read_or_told_where_it_stands(tmp_path, monkeypatch, key, value, section):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("X", raising=False)
    held = {section: {"isr": {key: value}}} if section else {key: value}
    if key == "memoryLimit" and section in ("pipetask", "cluster"):
        return  # counts for nobody, and is told as that
    Path("config.yaml").write_text(yaml.safe_dump(held))
    findings = Findings()
    bps = read_config(Path("config.yaml"), findings).bps
    settings = bps.quantum_settings("isr", "isr", site="isr")
    said = settings.get(key)
    counts = said is not None and not said.is_default
    nothing = value is None or (key == "requestDisk" and value in (0, "0"))
    assert counts or nothing or findings.errors, "a value is neither used nor told"
    if findings.errors:
        assert all(each.place is not None for each in findings.errors)


def test_the_page_names_every_key_that_is_read_and_every_one_that_is_left():
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    keys = {*AMOUNTS, *CLUSTER, *PAYLOAD, *LEFT, *OWN}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_limits_of_a_workflow_hold_for_every_target_at_their_places(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("partition:\n  maximumJobs: 500\n  maximumFiles: 9000\ntargets: {aws: {bucket: night}}\n")
    findings = Findings()
    target = read_config(file, findings).targets("aws", {})
    assert list(findings) == []
    assert target.values == {"bucket": "night", "partition_jobs": 500, "partition_files": 9000}
    assert str(target.places["partition_jobs"]) == f"{file}:2:16"
