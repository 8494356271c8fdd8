"""A provider of somebody else: one module, one line of entry points, and one subclass of the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from click.testing import CliRunner, Result

from providers import known_providers, load_provider
from rubincwl.cli import cli
from tests.providers.contract import ProviderContract


@pytest.mark.usefixtures("installed")
class TestHarbour(ProviderContract):
    name = "harbour"
    good: ClassVar = {"bucket": "catch-of-the-day"}
    inputs = "s3://survey/repo/raw.fits"


def rubincwl(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in words])


@pytest.fixture
def compiled(installed: Path, dark: Path, tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(
        "targets: {harbour: {bucket: catch, inputs_at: s3://survey/repo, container: docker://lsst/stack}}\n"
    )
    words = ("--target", "harbour", "--config", tmp_path / "config.yaml", "-o", tmp_path / "out")
    done = rubincwl("compile", dark / "pipeline.yaml", dark / "graph.ndjson.zst", *words)
    assert done.exit_code == 0, done.output
    return tmp_path / "out"


def test_it_compiles_a_graph_from_end_to_end(compiled: Path) -> None:
    sites = {each["name"]: each for each in yaml.safe_load((compiled / "pegasus/sites.yml").read_text())["sites"]}
    (scratch, _) = sites["staging"]["directories"]
    assert scratch["fileServers"][0]["url"] == "s3://rubin@harbour/catch/rubincwl/scratch"
    replicas = json.loads((compiled / "pegasus/replicas.yml").read_text())["replicas"]
    assert any(each["pfns"][0]["pfn"].startswith("s3://rubin@harbour/survey/repo/") for each in replicas)
    assert "harbour" in (compiled / "pegasus/plan.sh").read_text()
    assert json.loads((compiled / "summary.json").read_text())["target"] == "harbour"


def test_it_is_as_small_as_the_documentation_says_and_the_one_that_it_shows() -> None:
    text = (Path(__file__).parent / "fourth" / "harbour.py").read_text()
    page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
    assert text in page
    lines = [line for line in text.splitlines() if line.strip()]
    assert f"`harbour.py`, {len(lines)} lines" in page


@pytest.mark.usefixtures("installed")
def test_its_settings_are_checked_at_their_lines(tmp_path: Path, dark: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("targets:\n  harbour:\n    bukcet: catch\n    prefix: 7\n")
    done = rubincwl("check", dark / "pipeline.yaml", dark / "graph.ndjson.zst", "--config", config)
    assert done.exit_code == 1
    assert f"{config}:3:5: error[unknown-key]: 'harbour' has no key 'bukcet'" in done.output
    assert "did you mean 'bucket'?" in done.output
    assert f"{config}:4:13: error[wrong-type]" in done.output


@pytest.mark.usefixtures("installed")
def test_a_plug_in_that_cannot_be_imported_breaks_no_other(tmp_path: Path, dark: Path) -> None:
    inputs = (dark / "pipeline.yaml", dark / "graph.ndjson.zst")
    config = tmp_path / "config.yaml"
    config.write_text("targets:\n  rusty: {hull: red}\n  harbour: {bucket: catch}\n")
    assert {"harbour", "rusty", "aws"} <= set(known_providers())
    assert load_provider("harbour").name == "harbour"
    done = rubincwl("check", *inputs, "--config", config, "--target", "harbour")
    assert done.exit_code == 0, done.output
    assert f"{config}:2:3: warning[provider-unavailable]" in done.output
    done = rubincwl("check", *inputs, "--target", "rusty")
    assert done.exit_code == 1
    assert "error[provider-unavailable]: provider 'rusty' cannot be loaded" in done.output


def test_a_target_that_nobody_brings_is_answered_with_the_nearest(dark: Path) -> None:
    done: Any = rubincwl("check", dark / "pipeline.yaml", dark / "graph.ndjson.zst", "--target", "onperm")
    assert done.exit_code == 2
    assert "there is no target 'onperm': did you mean 'onprem'?" in " ".join(done.output.split())
