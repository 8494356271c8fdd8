"""A graph runs with all its data in an object store, and its results are delivered inside that store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compiler.comparison import compare_runs
from compiler.delivery import deliver_within_store
from compiler.demo_data import make_demo_data
from compiler.diagnostics import Findings
from compiler.driver import compile_folder
from compiler.engines import Run, run
from compiler.engines.remote_inputs import files
from compiler.frontend.quantum_graph import read_quantum_graph
from compiler.upload import upload
from providers.base import Access
from tests.running.counting import counted
from tests.stores import Store

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the Rubin middleware (extra lsst)")
pytest.importorskip("cwltool", reason="needs an engine (extra engines)")
pytestmark = pytest.mark.real

RUN = "u/demo/dark/20260102T000000Z"
OUTPUTS = 13
"""Of two quanta that need each other, a third that gathers, and the init job."""


@dataclass(frozen=True)
class Local:
    """The graph, and a run of it with everything on this machine."""

    data: Path
    compiled: Path
    repo: Path
    """With the results."""
    outputs: Path


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Local:
    folder = tmp_path_factory.mktemp("local")
    data, out, repo = folder / "data", folder / "out", folder / "repo"
    make_demo_data("dark", data, exposures=1, detectors=1)
    shutil.copytree(data / "repo", repo)
    compile_folder(data / "pipeline.yaml", data / "graph.qg", out)
    shutil.copytree(out, folder / "compiled")
    done = run(out, repo=repo)
    return Local(data, folder / "compiled", repo, done.outputs)


def _reach(store: Store) -> Callable[[str], Access]:
    return lambda url: Access(store.scheme, store.options)


def _repo_in(store: Store, local: Local, folder: Path) -> Path:
    """The repository of the inputs with its registry here and its files in the store."""
    shutil.copytree(local.data / "repo", folder)
    config = (folder / "butler.yaml").read_text()
    (folder / "butler.yaml").write_text(config.replace("root: <butlerRoot>", f"root: {store.url}/repo"))
    return folder


@pytest.fixture(params=["seaweed_store", "gcs_store"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A bucket in a store that the middleware reaches, too."""
    found: Store = request.getfixturevalue(request.param).fresh()
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


def test_with_all_data_in_a_store_a_run_gives_what_it_gives_here(
    store: Store, local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = read_quantum_graph(local.data / "graph.qg", Findings())
    upload(graph, local.data / "repo", f"{store.url}/repo", access=_reach(store)(""))
    out = tmp_path / "out"
    shutil.copytree(local.compiled, out)
    repo = _repo_in(store, local, tmp_path / "repo")
    results = f"{store.url}/results"
    given: dict[str, Any] = {"outputs_to": results, "access": _reach(store), "cache": tmp_path / "cache"}

    first = run(out, repo=repo, deliver=False, **given)
    second = run(out, inputs_at=[f"{store.url}/repo"], **given)

    assert first.fetched is not None
    assert first.fetched.objects == _inputs(local)
    assert second.fetched is not None
    assert (second.fetched.objects, second.ran, second.reused) == (0, 0, first.jobs)
    assert second.sent is not None
    assert second.sent.copied == 0, "what is there with equal content is left alone"
    _compare_outputs(store, local, first)

    with counted(store) as (counting, passed):
        for name, value in counting.environment.items():
            monkeypatch.setenv(name, value)
        done = deliver_within_store(out, repo, results, access=_reach(counting))
        again = deliver_within_store(out, repo, results, access=_reach(counting), register=False)
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)

    assert (done.delivered, done.missing, done.register) == (OUTPUTS, 0, None)
    assert (again.delivered, again.there_already) == (0, OUTPUTS)
    read = {each.path.rpartition("/")[2] for each in passed.reads()}
    assert {"_collect_records.jsonl"} < read, "logs, too: what is read is seen here"
    payload = {each for each in read if "_log_" not in each and "_metadata_" not in each} - {"_collect_records.jsonl"}
    assert payload == set(), "the store itself makes the copies; registering reads logs and metadata"
    assert sum(each.sent for each in passed.requests) < 10_000, "requests, and no content"
    compared = compare_runs(str(repo), str(local.repo), RUN)
    assert (compared.differences, compared.datasets) == ((), OUTPUTS)


def _inputs(local: Local) -> int:
    order = json.loads((local.compiled / "job.json").read_text())
    return len({each["location"] for each in files(order) if each["location"].startswith("inputs/")})


def _compare_outputs(store: Store, local: Local, done: Run) -> None:
    """What went to the store is what is in the folder, and has the names of the local run."""
    stored = store.files()
    there = {path.rpartition("/")[2] for path in stored.find(f"{store.bucket}/results")}
    assert there == {each.name for each in local.outputs.iterdir()} | {"_collect_records.jsonl"}
    for each in done.outputs.iterdir():
        assert stored.cat_file(f"{store.bucket}/results/{each.name}") == each.read_bytes(), each.name
