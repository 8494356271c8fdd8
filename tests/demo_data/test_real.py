"""Data that the middleware makes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from compiler.demo_data import make_demo_data
from compiler.diagnostics import CompileError, ToolError


def _read(folder: Path) -> Any:
    graphs = pytest.importorskip("lsst.pipe.base.quantum_graph")
    with graphs.PredictedQuantumGraph.open(folder / "graph.qg") as reader:
        reader.read_execution_quanta()
        return reader.finish()


def test_the_dark_demonstration_has_28_quanta_that_the_middleware_can_execute(dark_demo: Path) -> None:
    graph = _read(dark_demo)
    assert dict(graph.header.n_task_quanta) == {"isr": 12, "cpDark": 12, "cpCombine": 4}
    executable = graph.build_execution_quanta()
    assert len(executable) == 28
    assert sum(bool(quantum.datastore_records) for quantum in executable.values()) == 12


def test_the_single_frame_demonstration_has_its_schemas_between_tasks(single_frame_demo: Path) -> None:
    base = pytest.importorskip("lsst.pipe.base")
    pipeline = base.Pipeline.fromFile(str(single_frame_demo / "pipeline.yaml"))
    assert set(pipeline.subsets) == {"singleFrame"}
    tasks = pipeline.to_graph().tasks
    assert list(tasks) == ["isr", "characterizeImage", "calibrate"]
    made = tasks["characterizeImage"].init.outputs["outputSchema"].dataset_type_name
    read = tasks["calibrate"].init.inputs["icSourceSchema"].dataset_type_name
    assert made == read == "icSrc_schema"


def test_images_and_failures_are_the_callers_choice(tmp_path: Path) -> None:
    pytest.importorskip("lsst.ctrl.mpexec")
    out = tmp_path / "demo"
    made = make_demo_data(
        "single-frame",
        out,
        exposures=2,
        detectors=2,
        images=3,
        fail="exposure = 1001 AND detector = 0",
        fail_exception="lsst.pipe.base.NoWorkFound",
        fail_task="isr",
    )
    assert made["quanta"] == {"isr": 3, "characterizeImage": 3, "calibrate": 3}
    text = (out / "pipeline.yaml").read_text(encoding="utf-8")
    assert 'fail_condition: "exposure = 1001 AND detector = 0"' in text
    assert text.count("fail_exception: lsst.pipe.base.NoWorkFound") == 1


def test_a_condition_that_the_middleware_cannot_read_is_a_finding(tmp_path: Path) -> None:
    pytest.importorskip("lsst.ctrl.mpexec")
    with pytest.raises(CompileError) as told:
        make_demo_data("dark", tmp_path / "demo", fail="exposure >", fail_exception="no.such.Error")
    assert [finding.code for finding in told.value.findings] == ["bad-condition", "unknown-exception"]
    assert list(tmp_path.iterdir()) == []


def test_without_the_middleware_a_real_kind_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lsst.pipe.base", None)
    with pytest.raises(ToolError) as told:
        make_demo_data("dark", tmp_path / "demo")
    assert "rubincwl[lsst]" in str(told.value.findings[0].help)
    assert list(tmp_path.iterdir()) == []


def test_a_demonstration_moves_as_a_whole(dark_demo: Path, tmp_path: Path) -> None:
    butlers = pytest.importorskip("lsst.daf.butler")
    pytest.importorskip("lsst.pipe.base.tests.mocks")
    moved = tmp_path / "elsewhere"
    shutil.copytree(dark_demo / "repo", moved)
    with butlers.Butler.from_config(str(moved), collections=["defaults"]) as butler:
        raw = butler.get("raw", instrument="MockCam", detector=0, exposure=1000)
    assert raw.data_id["exposure"] == 1000
