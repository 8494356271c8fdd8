"""A graph runs with all its data in an object store, and its results are delivered inside that store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from compiler.comparison import compare_runs
from compiler.delivery import Delivery, deliver_within_store
from compiler.demo_data import make_demo_data
from compiler.diagnostics import CompileError, Findings, ToolError, render
from compiler.driver import Choices, compile_folder
from compiler.engines import Run, run
from compiler.engines.remote_inputs import files
from compiler.frontend.config import Settings, read_config
from compiler.frontend.quantum_graph import read_quantum_graph
from compiler.upload import upload
from providers.base import Access
from rubincwl.cli import cli
from schemas import schema
from tests.running.counting import counted
from tests.stores import Store

Butler = pytest.importorskip("lsst.daf.butler", reason="needs the Rubin middleware (extra lsst)").Butler
DatasetExistence = pytest.importorskip("lsst.daf.butler").DatasetExistence
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


@dataclass(frozen=True)
class Left:
    """What a run on a cloud left: results in a store, without sums, and the folder of the compile."""

    store: Store
    out: Path
    repo: Path

    @property
    def url(self) -> str:
        return f"{self.store.url}/results"

    def deliver(self, **choices: Any) -> Delivery:
        return deliver_within_store(self.out, self.repo, self.url, access=_reach(self.store), **choices)


@pytest.fixture
def left(moto_store: Store, local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Left:
    store = moto_store.fresh()
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    store.put({f"results/{each.name}": each.read_bytes() for each in local.outputs.iterdir()})
    shutil.copytree(local.compiled, tmp_path / "out")
    return Left(store, tmp_path / "out", _repo_in(store, local, tmp_path / "repo"))


def _record(store: Store, local: Local) -> list[dict[str, Any]]:
    """Put the file of all records into the store; returns them."""
    found = [json.loads(each.read_text()) for each in sorted(local.outputs.iterdir()) if "_record-" in each.name]
    lines = [json.dumps({"name": str(number), "content": each}) for number, each in enumerate(found)]
    store.put({"results/_collect_records.jsonl": "\n".join(lines).encode()})
    return found


def test_what_is_to_be_registered_elsewhere_is_written_and_the_command_told(left: Left) -> None:
    done = left.deliver(register=False)

    written = json.loads((left.out / "run" / "registration.json").read_text())
    jsonschema.validate(written, schema("registration"))
    assert done.register == written["command"]
    assert done.register == f"rubincwl deliver {left.out} --repo {left.repo} --outputs-at {left.url}"
    assert written["registry"] == done.registry == f"the file '{left.repo}/gen3.sqlite3'"
    files = left.store.files()
    assert len(written["datasets"]) == OUTPUTS
    assert all(files.exists(each["url"]) for each in written["datasets"])
    with Butler.from_config(str(left.repo)) as butler:
        assert not butler.collections.query(RUN.rpartition("/")[0] + "*")


def test_without_records_small_files_are_read_as_far_as_a_mark_goes(left: Left) -> None:
    left.store.put({"results/cpDarkProc-MockCam-0-1000": b'rubincwl-absent 1\n{"dataset": "d"}\n'})
    with counted(left.store) as (counting, passed):
        done = replace(left, store=counting).deliver(register=False)
    assert (done.delivered, done.absent, done.missing) == (OUTPUTS - 1, 1, 0)
    assert {each.received for each in passed.reads()} <= {len("rubincwl-absent 1\n")}


def test_a_result_that_is_not_as_large_as_its_record_says_is_not_delivered(left: Left, local: Local) -> None:
    _record(left.store, local)
    left.store.put({"results/dark-MockCam-0": b"half"})
    with pytest.raises(ToolError, match=r"another size than .* dark-MockCam-0 \(4 bytes, not"):
        left.deliver()
    assert left.store.files().find(f"{left.store.bucket}/repo") == []


def test_a_run_that_lacks_results_is_refused_unless_said(left: Left) -> None:
    left.store.files().rm_file(f"{left.store.bucket}/results/dark-MockCam-0")
    with pytest.raises(CompileError, match=r"1 of 13 outputs are missing: dark-MockCam-0"):
        left.deliver()
    done = left.deliver(incomplete=True, register=False)
    assert (done.delivered, done.missing) == (OUTPUTS - 1, 1)
    written = json.loads((left.out / "run" / "registration.json").read_text())
    assert (written["complete"], len(written["without_file"])) == (False, 1)
    assert "--incomplete" in written["command"]


def test_files_of_other_content_are_not_replaced_where_nobody_can_ask_the_registry(left: Left) -> None:
    left.deliver(register=False)
    left.store.put({"results/dark-MockCam-0": b"another dark, of another size"})
    with pytest.raises(ToolError, match="other content, which may be registered: dark-MockCam-0"):
        left.deliver(register=False)


def test_what_was_made_and_not_kept_is_registered_without_a_file(left: Left, local: Local) -> None:
    shutil.rmtree(left.out)
    config = left.out.with_name("config.yaml")
    config.write_text("keep: [dark]\n")
    choices = Choices("aws", Settings({"bucket": "b-1", "inputs_at": "s3://b-1/x"}), read_config(config, Findings()))
    compile_folder(local.data / "pipeline.yaml", local.data / "graph.qg", left.out, choices)
    for name in ("cpDarkIsr-MockCam-0-1000", "cpDarkProc-MockCam-0-1000"):
        left.store.files().rm_file(f"{left.store.bucket}/results/{name}")

    done = left.deliver()

    assert (done.delivered, done.missing, done.not_kept) == (OUTPUTS - 2, 0, 2)
    with Butler.from_config(str(left.repo)) as butler:
        (made,) = butler.query_datasets("cpDarkIsr", RUN)
        (kept,) = butler.query_datasets("dark", RUN)
        assert butler.exists(made) == DatasetExistence.RECORDED, "it is known, and no file is looked for"
        assert butler.exists(kept) == DatasetExistence.VERIFIED


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gs://bucket/results", "other-store.*keeps its files at 's3://"),
        ("https://host/results", "bad-url.*is in no object store"),
        ("s3://no-such-bucket-here/results", "no-such-bucket-here"),
    ],
)
def test_a_delivery_that_cannot_be_is_told_in_words(left: Left, url: str, said: str) -> None:
    with pytest.raises((CompileError, ToolError), match=said):
        deliver_within_store(left.out, left.repo, url, access=_reach(left.store))


def test_inputs_that_a_store_lacks_are_all_told_before_anything_starts(left: Left, local: Local) -> None:
    with pytest.raises(CompileError) as error:
        run(left.out, inputs_at=[f"{left.store.url}/nowhere"], access=_reach(left.store))
    assert len(error.value.findings) == _inputs(local) + 1
    assert f"{_inputs(local)} of {_inputs(local)} inputs are not where" in str(error.value.findings[-1])


def test_an_input_that_is_gone_when_it_is_fetched_is_told_by_its_url(left: Left, local: Local) -> None:
    files = left.store.files()
    files.put(f"{local.data / 'repo'}/", f"{left.store.bucket}/repo/", recursive=True)
    gone = [each for each in files.find(f"{left.store.bucket}/repo") if "/raw_" in each]

    def meanwhile(findings: object) -> None:
        files.rm_file(gone[0])

    with pytest.raises(ToolError) as error:
        run(left.out, inputs_at=[f"{left.store.url}/repo"], access=_reach(left.store), tell=meanwhile)
    assert f"error[fetch-failed]: there is no 's3://{gone[0]}'" in "".join(map(render, error.value.findings))
    assert "Traceback" not in "".join(map(render, error.value.findings))


def test_the_command_line_reaches_a_store_as_settings_say(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "S3_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    files = left.store.files()
    files.copy(f"{left.store.bucket}/results/", f"{left.store.bucket}/night/outputs/", recursive=True)
    config = left.out.with_name("config.yaml")
    settings = {"endpoint": left.store.endpoint, "bucket": left.store.bucket, "prefix": "night"}
    config.write_text(json.dumps({"targets": {"onprem": settings}}))
    command = ["deliver", str(left.out), "--repo", str(left.repo), "--no-register", "--target", "onprem"]

    said = CliRunner().invoke(cli, [*command, "--config", str(config)])

    assert said.exit_code == 0, said.output
    assert f"{OUTPUTS} datasets delivered to {left.repo}, not yet registered in {RUN}" in said.output
    assert "none of them passed through this machine" in said.output
    assert f"where the file '{left.repo}/gen3.sqlite3' can be reached:\n  rubincwl deliver" in said.output
