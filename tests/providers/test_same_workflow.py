"""One input, three targets: what is to be run is the same to the byte wherever it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler.diagnostics import Findings
from compiler.driver import Choices, Compiled, check, compile_folder
from compiler.frontend.config import read_config

TARGETS = """
targets:
  aws: {bucket: dark-night, inputs_at: "s3://survey/repo", container: "docker://lsst/stack", retries: 5}
  gcp: {bucket: dark-day, inputs_at: "gs://survey/repo", project: survey-12}
  onprem: {ONPREM}
"""
ONPREM = (
    "",
    "shared_folder: /sdf, inputs_at: /datasets/repo, setup_script: /opt/lsst/setup.sh, batch: {system: slurm}",
    "bucket: dark, endpoint: 'https://minio.example.org', credentials: me@minio",
)
CONFIGURATIONS = (
    "",
    "requestMemory: 4096\nclustering: {algorithm: none}\nkeep: []\n",
    "pipetask: {cpDarkIsr: {requestMemory: 3000}}\nsite: {aws: {requestMemory: 9000}}\ncomputeSite: aws\n",
    "runTimes: {cpDarkIsr: 20m, cpDark: 1m}\npartition: {maximumJobs: 6}\n",
)
OF_THE_TARGET = re.compile(
    r"summary.json|rubincwl.lock|pegasus/([\w-]+\.)?(sites|replicas|transformations).yml|pegasus/pegasus.properties|"
    r"pegasus/head-node.json|pegasus/\w+.sh"
)
"""Paths of the files that may differ; of a partitioned workflow each part has its replicas."""


def compiled(data: Path, target: str, config: Path, out: Path) -> Compiled:
    findings = Findings()
    configuration = read_config(config, findings)
    assert not findings.errors
    choices = Choices(target, configuration.targets(target, {}), configuration)
    return compile_folder(data / "pipeline.yaml", data / "graph.ndjson.zst", out, choices)


def files(folder: Path) -> dict[str, bytes]:
    """Contents of the files that say what is to be run, by path."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not OF_THE_TARGET.fullmatch(name)}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_workflows_are_the_same_to_the_byte(configuration: str, dark: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    runs = [("aws", ONPREM[0]), ("gcp", ONPREM[0]), *(("onprem", each) for each in ONPREM)]
    found = []
    for number, (target, onprem) in enumerate(runs):
        config.write_text(configuration + TARGETS.replace("ONPREM", onprem))
        found.append(files(Path(compiled(dark, target, config, tmp_path / str(number)).out)))
    first = found[0]
    assert {"workflow.cwl", "job.json", "certificate.json", "pegasus/workflow.yml", "pegasus/quanta.parquet"} <= {
        *first
    }
    assert ("partition" in configuration) == any(name.startswith("pegasus/part") for name in first)
    for other in found[1:]:
        assert other.keys() == first.keys()
        assert {name for name in first if other.get(name) != first[name]} == set()


ONE_TARGET = """\
requestMemory: "{mine}"
mine: 2560
site:
  aws:
    requestMemory: 4 GiB
    retryUnlessExit: 2
  gcp: {mine: 3000}
  slac: {requestMemory: 1 GiB}
"""


def test_settings_of_jobs_for_one_target_only_are_named_at_their_lines(dark: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(ONE_TARGET)
    findings = Findings()
    configuration = read_config(config, findings)
    inputs = (dark / "pipeline.yaml", dark / "graph.ndjson.zst")
    done = check(*inputs, choices=Choices(configuration=configuration))
    told = [(str(each.place), each.message.split("'")[1]) for each in done.findings if each.code == "one-target-only"]
    assert told == [
        (f"{config}:5:5", "site.aws.requestMemory"),
        (f"{config}:6:5", "site.aws.retryUnlessExit"),
        (f"{config}:7:9", "site.gcp.mine"),
    ]


def test_they_hold_for_their_target_and_for_no_other(dark: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(ONE_TARGET)
    ask = {
        target: (Path(compiled(dark, target, config, tmp_path / target).out) / "pegasus/workflow.yml").read_text()
        for target in ("aws", "gcp", "onprem")
    }
    for target, memory in {"aws": 4096, "gcp": 3000, "onprem": 2560}.items():
        assert [other for other in ask if f'"memory":{memory},' in ask[other]] == [target]


def test_where_the_site_of_all_is_named_nothing_is_for_one_target(dark: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(ONE_TARGET + "computeSite: aws\n")
    done = compiled(dark, "gcp", config, tmp_path / "out")
    assert "one-target-only" not in [each.code for each in done.findings]
    assert "4096" in (tmp_path / "out/pegasus/workflow.yml").read_text()
