"""--verify-inputs and upload, as a user calls them, against real stores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from compiler.diagnostics import Findings
from compiler.frontend.quantum_graph import read_quantum_graph
from tests.cli.conftest import Rubincwl
from tests.stores import Store


@dataclass(frozen=True)
class Case:
    """A pipeline and its graph, a repository on this machine, a store, and the target that uses it."""

    pipeline: Path
    graph: Path
    repo: Path
    store: Store
    target: str
    config: Path
    paths: list[str]


@pytest.fixture(params=["onprem", "gcp"])
def case(request: pytest.FixtureRequest, tmp_path: Path, synthetic_dark: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    cloud = request.param == "gcp"
    store: Store = request.getfixturevalue("gcs_store" if cloud else "seaweed_store").fresh()
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "config.yaml"
    more = "anonymous: true\n    project: survey-1" if cloud else "handover: object-store"
    config.write_text(
        f"targets:\n  {request.param}:\n    bucket: {store.bucket}\n    endpoint: {store.endpoint}\n    {more}\n"
        f"    inputs_at: {store.url}/repo\n"
    )
    graph = synthetic_dark / "graph.ndjson.zst"
    paths = []
    repo = tmp_path / "repo"
    for file in read_quantum_graph(graph, Findings()).files.values():
        (repo / file.path).parent.mkdir(parents=True, exist_ok=True)
        (repo / file.path).write_bytes(b"x" * (file.size or 1))
        paths.append(file.path)
    (repo / "butler.yaml").write_text("datastore: {root: <butlerRoot>}\n")
    return Case(synthetic_dark / "pipeline.yaml", graph, repo, store, request.param, config, sorted(paths))


def test_uploaded_inputs_are_verified_and_compiled_with_sizes_and_sums(
    rubincwl: Rubincwl, case: Case, tmp_path: Path
) -> None:
    to = ("--to", f"{case.store.url}/repo", "--target", case.target, "--config", case.config)
    done = rubincwl("upload", case.graph, "--repo", case.repo, *to, "--json")
    assert done.code == 0, done.out
    assert done.json["result"]["copied"] == len(case.paths)
    out = tmp_path / "out"
    words = ("--target", case.target, "--config", case.config, "--verify-inputs", "-o", out)
    done = rubincwl("compile", case.pipeline, case.graph, *words)
    assert done.code == 0, done.err
    assert f"verified: {len(case.paths)} inputs" in done.out
    replicas = (out / "pegasus" / "replicas.yml").read_text()
    assert replicas.count('"sha256"') >= len(case.paths)


def test_what_is_missing_stops_a_compile_at_the_line_of_the_setting(
    rubincwl: Rubincwl, case: Case, tmp_path: Path
) -> None:
    case.store.put({f"repo/{path}": (case.repo / path).read_bytes() for path in case.paths[1:]})
    words = ("--target", case.target, "--config", case.config, "--verify-inputs")
    done = rubincwl("compile", case.pipeline, case.graph, *words, "-o", tmp_path / "out")
    assert done.code == 1
    assert f"{case.config}:" in done.err
    assert "error[missing-input]" in done.err
    assert repr(case.paths[0]) in done.err
    assert not (tmp_path / "out").exists()
    told = rubincwl("check", case.pipeline, case.graph, *words, "--json")
    assert told.code == 1
    assert [each["file"] for each in told.json["result"]["inputs"]["faults"]] == [case.paths[0]]


def test_a_store_that_fails_is_a_fault_of_the_service(rubincwl: Rubincwl, case: Case) -> None:
    words = ("--target", case.target, "--config", case.config, "--verify-inputs")
    done = rubincwl(
        "check", case.pipeline, case.graph, *words, "--inputs-at", f"{case.store.scheme}://no-such-bucket/x"
    )
    assert done.code == 3
    assert "error[no-bucket]: there is no bucket 'no-such-bucket'" in done.err


def test_a_repository_on_this_machine_is_verified_for_cwl_alone(rubincwl: Rubincwl, case: Case) -> None:
    assert rubincwl("check", case.pipeline, case.graph, "--verify-inputs", "--repo", case.repo).code == 0
    (case.repo / case.paths[0]).unlink()
    done = rubincwl("check", case.pipeline, case.graph, "--verify-inputs", "--repo", case.repo)
    assert done.code == 1
    assert "missing-input" in done.err


def test_without_a_place_there_is_nothing_to_verify(rubincwl: Rubincwl, synthetic_dark: Path) -> None:
    data = (synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst")
    for more in ((), ("--target", "aws", "--bucket", "survey")):
        done = rubincwl("check", *data, "--verify-inputs", *more)
        assert done.code == 1
        assert "no-inputs-at" in done.err
