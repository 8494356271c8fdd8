"""No payload passes the submit host: what was written proves it, and each line that would break it is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from compiler.backends.pegasus.head_node import FILE, prove_head_node
from compiler.diagnostics import Span
from tests.backends.small import RUNTIME, WHOLE, dark, lowered, lowered_to


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark workflow in two sub-workflows for AWS, with a container."""
    folder = tmp_path_factory.mktemp("compiled")
    image = "docker://lsst/stack:1"
    found = lowered(folder, dark(2, 1), WHOLE, inputs_at="s3://survey/repo", container=image, partition_jobs=3)
    assert [str(each) for each in found] == []
    return folder


def test_what_is_written_for_a_cloud_is_proved_and_counted(compiled: Path) -> None:
    proof = prove_head_node(compiled / "pegasus")
    assert proof.findings == []
    documents = [path.read_text() for path in (compiled / "pegasus").glob("*.yml") if "replicas" not in path.name]
    assert proof.outputs == sum(text.count('"stageOut":true') for text in documents) > 0
    replicas = [path.read_text() for path in (compiled / "pegasus").glob("*replicas.yml")]
    assert proof.replicas == sum(text.count('"lfn"') for text in replicas)
    assert proof.staging == "s3://me@amazon/dark-night/runs/1/scratch"
    assert proof.results == "s3://me@amazon/dark-night/runs/1/outputs"
    parts = {"pegasus/part-1.yml", "pegasus/part-2.yml"}
    assert set(proof.starting) == {f"runtime/{name}" for name in RUNTIME.values()} | parts
    assert proof.starting["runtime/quantum_runner.pyz"] == (compiled / "runtime" / "quantum_runner.pyz").stat().st_size
    assert proof.said().startswith("proved: no payload passes the submit host")


def test_the_proof_stands_beside_the_catalogs_and_says_what_it_is_for(compiled: Path) -> None:
    written = json.loads((compiled / "pegasus" / FILE).read_text())
    assert written == prove_head_node(compiled / "pegasus", "object-store").to_json()
    assert (written["handover"], written["exempt"]) == ("object-store", False)


LINKS = "pegasus.transfer.links = true"
SITE_PROPERTY = "pegasus.catalog.site.sites.compute.profiles.pegasus.data.configuration"
HERE = '{"site": "local", "pfn": "file:///data/r"}'
S3 = "s3://me@amazon/survey/repo/raw/all/raw_1000_0.json"


@pytest.mark.parametrize(
    ("file", "was", "becomes"),
    [
        ("pegasus.properties", "= nonsharedfs", "= condorio"),
        ("pegasus.properties", "bypass.input.staging = true", "bypass.input.staging = false"),
        ("pegasus.properties", "pegasus.integrity.checking = none", "pegasus.integrity.checking = full"),
        ("pegasus.properties", "pegasus.data.reuse.scope = none", "pegasus.data.reuse.scope = none\n" + LINKS),
        ("pegasus.properties", "pegasus.data.reuse.scope", SITE_PROPERTY),
        ("pegasus.properties", "= resolved/sites.yml", "= other.yml"),
        ("sites.yml", "url: s3://me@amazon/dark-night/runs/1/scratch", "url: file:///data/scratch"),
        ("sites.yml", "url: s3://me@amazon/dark-night/runs/1/scratch", "url: scp://head/data/scratch"),
        ("sites.yml", "url: s3://me@amazon/dark-night/runs/1/outputs", "url: file:///data/outputs"),
        ("sites.yml", "style: condor", "style: condor\n      data.configuration: condorio"),
        ("sites.yml", "universe: vanilla", "universe: vanilla\n      transfer_input_files: /data/raw.fits"),
        ("sites.yml", "style: condor", "style: condorc"),
        ("replicas.yml", '"pfn": "file://${RUBINCWL_OUT}/runtime/graph.qg"', '"pfn": "file:///data/graph.qg"'),
        ("replicas.yml", "/runtime/graph.qg", "/runtime/../inputs/raw.fits"),
        ("part-1.replicas.yml", S3, "file:///data/raw.fits"),
        ("part-1.replicas.yml", S3, "/data/raw.fits"),
        ("part-1.replicas.yml", f'"pfn": "{S3}"}}', f'"pfn": "{S3}"}}, {HERE}'),
        ("part-1.replicas.yml", f'"pfn": "{S3}"}}]', f'"pfn": "{S3}"}}], "regex": true'),
        ("workflow.yml", '"--output-sites","${RUBINCWL_STAGING}"', '"--output-sites","local"'),
        ("workflow.yml", '"compute=${RUBINCWL_STAGING}"', '"compute=local"'),
        ("workflow.yml", '"condor":{', '"condor":{"transfer_output_files":"x",'),
        ("part-2.yml", '"pegasus":{"memory"', '"pegasus":{"data.configuration":"condorio","memory"'),
        ("part-2.yml", '"type":"input"}', '"type":"input","bypass":false}'),
        ("transformations.yml", "image: docker://lsst/stack:1", "image: file:///images/stack.sif"),
        ("transformations.yml", "bypass: true", "bypass: false"),
        ("transformations.yml", "pfn: file://${RUBINCWL_OUT}/runtime/quantum_runner.pyz", "pfn: file:///opt/runner"),
        ("plan.sh", "--output-sites $RUBINCWL_STAGING", "--output-sites local"),
        ("plan.sh", "--staging-site compute=$RUBINCWL_STAGING", "--staging-site compute=local"),
        ("plan.sh", '--dir "$here/submit"', '--dir "$here/submit" --output-dir /data'),
    ],
)  # fmt: skip
def test_each_change_that_would_break_it_is_told_at_its_line(
    compiled: Path, tmp_path: Path, file: str, was: str, becomes: str
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(compiled, folder)
    path = folder / "pegasus" / file
    text = path.read_text()
    assert was in text
    changed = text.replace(was, becomes, 1)
    path.write_text(changed)
    line = next(n for n, (a, b) in enumerate(zip(text.splitlines(), changed.splitlines(), strict=False), 1) if a != b)
    (first, *_) = findings = prove_head_node(folder / "pegasus").findings
    assert {each.code for each in findings} == {"head-node"}
    places = [each.place for each in findings]
    lines = range(line, line + becomes.count("\n") + 1)
    assert any(isinstance(at, Span) and at.file == str(path) and at.line in lines for at in places), (first, line)


def test_staging_that_only_plan_sh_moves_away_is_told(compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled, tmp_path / "out")
    script = tmp_path / "out" / "pegasus" / "plan.sh"
    script.write_text(script.read_text().replace("RUBINCWL_STAGING=staging", "RUBINCWL_STAGING=local"))
    assert {each.code for each in prove_head_node(tmp_path / "out" / "pegasus").findings} == {"head-node"}


def test_placeholders_are_counted_not_blamed(tmp_path: Path) -> None:
    lowered(tmp_path)
    proof = prove_head_node(tmp_path / "pegasus")
    assert proof.findings == []
    assert proof.unplaced == 2
    assert "2 with a placeholder" in proof.said()


def test_an_image_on_the_submit_host_is_refused_for_a_cloud(tmp_path: Path) -> None:
    found = lowered(tmp_path, None, WHOLE, inputs_at="s3://survey/repo", container="file:///images/stack.sif")
    assert [each.code for each in found] == ["head-node"]
    assert isinstance(found[0].place, Span)
    assert found[0].place.file == "pegasus/transformations.yml"


@pytest.mark.parametrize(
    ("theirs", "handover", "word"),
    [({}, "submit-host", "condorio"), ({"shared_folder": "/sdf/scratch"}, "shared-folder", "shared folder")],
)
def test_a_cluster_of_ones_own_is_named_as_exempt(
    tmp_path: Path, theirs: dict[str, str], handover: str, word: str
) -> None:
    lowered_to("onprem", tmp_path, None, theirs, inputs_at="/data/repo")
    proof = prove_head_node(tmp_path / "pegasus")
    assert (proof.handover, proof.findings) == (handover, [])
    assert word in proof.said()
    assert "exempt" in proof.said()
    assert proof.to_json()["exempt"] is True


def test_a_cloud_that_was_turned_into_condorio_by_hand_does_not_become_exempt(compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled, tmp_path / "out")
    file = tmp_path / "out" / "pegasus" / "pegasus.properties"
    file.write_text(file.read_text().replace("nonsharedfs", "condorio"))
    (tmp_path / "out" / "pegasus" / FILE).unlink()
    assert prove_head_node(tmp_path / "out" / "pegasus").findings
