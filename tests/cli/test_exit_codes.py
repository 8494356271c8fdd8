"""Exit codes, and what is said with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

import compiler.translate
from compiler.diagnostics import Diagnostic, ToolError
from schemas import schema
from tests.cli.conftest import Rubincwl


def test_well_is_0(rubincwl: Rubincwl, synthetic_dark: Path) -> None:
    done = rubincwl("check", synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst")
    assert done.code == 0
    assert "proved" in done.out


def test_findings_in_the_input_are_1_and_told_of_both_files_at_once(rubincwl: Rubincwl, tmp_path: Path) -> None:
    pipeline = tmp_path / "p.yaml"
    pipeline.write_text("description: x\ntasks: 3\n")
    graph = tmp_path / "g.qg"
    graph.write_text("nothing")
    done = rubincwl("check", pipeline, graph)
    assert done.code == 1
    assert f"{pipeline}:2:8: error[" in done.err
    assert f"{graph}: error[" in done.err


def test_wrong_usage_is_2(rubincwl: Rubincwl, tmp_path: Path) -> None:
    assert rubincwl("compile").code == 2
    assert rubincwl("compile", "p", "g", "--target", "moon", "-o", tmp_path / "out").code == 2
    assert rubincwl("compile", "p", "g", "--target", "cwl", "--bucket", "b", "-o", tmp_path / "out").code == 2
    assert rubincwl("nothing").code == 2


def test_a_tool_that_fails_is_3(rubincwl: Rubincwl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ToolError([Diagnostic("engine-failed", "it did not work")])

    monkeypatch.setattr("compiler.demo_data.make_demo_data", fails)
    done = rubincwl("demo-data", "tract", "-o", tmp_path / "out")
    assert done.code == 3
    assert "error[engine-failed]: it did not work" in done.err


def test_a_missing_extra_is_named_with_the_way_out(
    rubincwl: Rubincwl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'lsst'", name="lsst.daf.butler")

    monkeypatch.setattr("compiler.demo_data.make_demo_data", fails)
    done = rubincwl("demo-data", "dark", "-o", tmp_path / "out")
    assert done.code == 3
    assert "pip install 'rubincwl[lsst]'" in done.err


def test_a_folder_that_cannot_be_written_is_3(rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    done = rubincwl(
        "compile", synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst", "--target", "cwl", "-o", out
    )
    assert done.code == 3
    assert "Not a directory" in done.err or "File exists" in done.err


def test_our_own_fault_is_70_and_says_so_without_a_traceback(
    rubincwl: Rubincwl, synthetic_dark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(compiler.translate, "translate", fails)
    files = synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst"
    done = rubincwl("check", *files)
    assert done.code == 70
    assert "this is a bug in rubincwl: KeyError: 'lost'" in done.err
    assert "Traceback" not in done.err
    with pytest.raises(KeyError):
        rubincwl("check", *files, "--debug")


def test_a_workflow_that_is_not_the_graph_is_never_written(
    rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compiler.translate.translate

    def loses_a_quantum(*words: Any, **options: Any) -> compiler.translate.Workflow:
        workflow = whole(*words, **options)
        quanta = next(value for value in workflow.job_order.values() if isinstance(value, list))
        quanta[0].pop()
        return workflow

    monkeypatch.setattr(compiler.translate, "translate", loses_a_quantum)
    files = synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst"
    done = rubincwl("compile", *files, "--target", "aws", "-o", tmp_path / "out")
    assert done.code == 70
    assert "this is a bug in rubincwl" in done.err
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_object_with_the_findings_and_the_exit_code(
    rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path
) -> None:
    good = rubincwl("check", synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst", "--json").json
    assert good["exit_code"] == 0
    assert good["result"]["certificate"]["proved"] is True
    (tmp_path / "p.yaml").write_text("tasks: 3\n")
    bad = rubincwl("check", tmp_path / "p.yaml", tmp_path / "none.qg", "--json").json
    assert bad["exit_code"] == 1
    assert {each["severity"] for each in bad["findings"]} >= {"error"}
    assert any(each["place"] and each["place"].get("line") == 1 for each in bad["findings"])
    for report in (good, bad):
        jsonschema.validate(report, schema("report"))


def test_quiet_says_nothing_when_all_is_well(rubincwl: Rubincwl, synthetic_dark: Path, tmp_path: Path) -> None:
    files = synthetic_dark / "pipeline.yaml", synthetic_dark / "graph.ndjson.zst"
    done = rubincwl("compile", *files, "--target", "aws", "-o", tmp_path / "out", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
