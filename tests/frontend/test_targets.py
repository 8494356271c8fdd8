"""Settings of targets: held against the schemas of all targets and of their provider, and told at their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.diagnostics import CompileError, Diagnostic, Findings
from compiler.frontend.config import Settings, read_config
from compiler.frontend.targets import target_schema
from compiler.lowering import check_target
from providers import provider_class


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def found(file: Path, text: str, target: str = "aws", **given: Any) -> list[Diagnostic]:
    """Everything that reading the configuration and checking the target tells."""
    file.write_text(text)
    findings = Findings()
    configuration = read_config(file, findings)
    try:
        findings.raise_errors()
        check_target(target, configuration.targets(target, given), findings)
    except CompileError as error:
        return list(error.findings)
    return list(findings)


def told(findings: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(":".join(str(each.place).split(":")[-2:]), each.code) for each in findings]


@pytest.mark.parametrize(
    ("target", "line", "expected"),
    [
        ("aws", "bucket: has.dots", ("3:13", "bad-bucket")),
        ("aws", "inputs_at: [s3://a/b, 7]", ("3:27", "wrong-type")),
        ("aws", "inputs_at: []", ("3:16", "wrong-value")),
        ("aws", "container: lsst/stack", ("3:16", "bad-setting")),
        ("aws", "buckt: night", ("3:5", "unknown-key")),
        ("gcp", "zones: [us-central1-a, mars]", ("3:28", "bad-zone")),
        ("gcp", "access: naive", ("3:13", "wrong-value")),
        ("gcp", "anonymous: maybe", ("3:16", "wrong-type")),
        ("onprem", "batch: {system: pbs}", ("3:21", "wrong-value")),
        ("onprem", "batch: {system: slurm}", ("3:5", "slurm-needs-store")),
        ("onprem", "machines: [{name: a, cores: 4}]", ("3:16", "missing-key")),
        ("onprem", "openstack: {password: x}", ("3:17", "unknown-key")),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(file: Path, target: str, line: str, expected: tuple[str, str]) -> None:
    assert told(found(file, f"targets:\n  {target}:\n    {line}\n", target)) == [expected]


def test_all_that_is_wrong_is_told_of_all_targets(file: Path) -> None:
    text = "targets:\n  aws: {bucket: 7}\n  gcp: {bukket: x}\n  azure: {}\n  onprem: [1]\n"
    assert sorted(told(found(file, text))) == [
        ("2:17", "wrong-type"),
        ("3:9", "unknown-key"),
        ("4:3", "unknown-key"),
        ("5:11", "wrong-type"),
    ]


def test_several_places_of_inputs_are_taken(file: Path) -> None:
    assert found(file, "targets: {aws: {inputs_at: [s3://near/repo, s3://far/repo]}}\n") == []


def test_what_the_command_line_gives_goes_first_and_stands_nowhere(file: Path) -> None:
    (finding,) = found(file, "targets: {aws: {bucket: night, region: mars}}\n", region="venus")
    assert (finding.code, finding.place) == ("bad-region", None)
    assert "'venus'" in finding.message


def test_what_the_command_line_gives_must_be_a_setting_of_the_target(file: Path) -> None:
    (finding,) = found(file, "keep: all\n", "onprem", bukcet="night")
    assert (finding.code, finding.message) == ("unknown-key", "the target onprem has no key 'bukcet'")
    assert finding.help == "did you mean 'bucket'?"


def test_a_setting_that_is_not_in_the_file_is_told_at_the_one_around_it() -> None:
    from compiler.diagnostics import Span

    span = Span("c.yaml", 3, 5)
    settings = Settings({}, {"cluster": span, "bucket": Span("c.yaml", 9, 1)})
    assert settings.place("cluster.workers.0.types") == span
    assert settings.place("prefix") is None


def test_a_cluster_is_for_those_who_can_make_one() -> None:
    from providers.s3 import S3Provider

    class Still(S3Provider):
        name = "still"
        account = "me@still"
        schema = {"properties": {"bucket": {"type": "string"}}}  # noqa: RUF012

    assert "cluster" in target_schema(provider_class("aws"))["properties"]
    assert set(target_schema(Still)["properties"]) == {
        *("bucket", "inputs_at", "container", "container_type", "setup_script", "retries"),
    }


def test_inputs_that_jobs_cannot_reach_are_told_before_anything_is_read(file: Path) -> None:
    text = "targets:\n  gcp:\n    inputs_at: [gs://survey/repo, s3://survey/repo, /data/repo]\n"
    file.write_text(text)
    settings = read_config(file, Findings()).targets("gcp", {})
    with pytest.raises(CompileError) as raised:
        check_target("gcp", settings, Findings(), jobs=True)
    assert told(list(raised.value.findings)) == [("3:35", "unreachable-input"), ("3:53", "inputs-on-submit-host")]


def test_all_keys_that_are_missing_are_told_at_once(file: Path) -> None:
    (finding,) = found(file, "targets:\n  onprem:\n    machines: [{cores: 4}]\n", "onprem")
    assert (finding.code, finding.message) == ("missing-key", "'machines' 1 lacks 'name' and 'memory_gib'")
