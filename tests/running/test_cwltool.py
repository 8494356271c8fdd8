"""Compiled folders run with the real cwltool on real quanta, and the results come home."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.comparison import compare_runs
from compiler.delivery import deliver
from compiler.demo_data import make_demo_data
from compiler.diagnostics import CompileError, ToolError, render
from compiler.driver import compile_folder
from compiler.engines import Event, run
from tests.running.directly import run_directly

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the Rubin middleware (extra lsst)")
pytest.importorskip("cwltool", reason="needs an engine (extra engines)")
pytestmark = pytest.mark.real

RUN = "u/demo/{}/20260102T000000Z"


def _made(tmp_path: Path, kind: str, exposures: int, **choices: str) -> tuple[Path, Path, Path]:
    """Folder of the data, repository to deliver to, compiled folder."""
    data = tmp_path / "data"
    make_demo_data(kind, data, exposures=exposures, detectors=1, **choices)  # type: ignore[arg-type]
    shutil.copytree(data / "repo", tmp_path / "repo")
    compile_folder(data / "pipeline.yaml", data / "graph.qg", tmp_path / "out")
    return data, tmp_path / "repo", tmp_path / "out"


def test_a_dark_run_that_was_interrupted_goes_on_and_equals_a_direct_run(tmp_path: Path) -> None:
    data, repo, out = _made(tmp_path, "dark", 2)

    def interrupt(event: Event, jobs: int) -> None:
        assert jobs == 6, "five quanta and the init job"
        if event.kind == "done" and event.what.startswith("cpDark"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(out, repo=repo, observe=interrupt)
    assert not list((out / "run" / "outputs").glob("dark-*"))

    events: list[Event] = []
    done = run(out, observe=lambda event, jobs: events.append(event))

    assert done.reused >= 1
    assert done.ran + done.reused == done.jobs == 6
    assert [each.kind for each in events].count("done") == done.ran
    assert done.delivery is not None, "the repository is known from the first run"
    assert (done.delivery.delivered, done.delivery.absent, done.delivery.missing) == (19, 0, 0)
    assert Path(done.delivery.repo) == repo

    direct = data / "repo"
    run_directly(data, direct)
    compared = compare_runs(str(repo), str(direct), RUN.format("dark"))
    assert compared.differences == ()
    assert compared.datasets == 19

    again = run(out)
    assert (again.ran, again.reused) == (0, 6)
    assert again.delivery is not None
    assert (again.delivery.delivered, again.delivery.there_already) == (0, 19)

    with (out / "run" / "outputs" / "dark-MockCam-0").open("a") as file:
        file.write(" ")
    with pytest.raises(ToolError, match="holds these datasets already, with other content: dark-MockCam-0"):
        deliver(out)


def test_plain_cwltool_runs_single_frame_with_schemas_and_deliver_follows(tmp_path: Path) -> None:
    _, repo, out = _made(tmp_path, "single-frame", 2)
    (out / "inputs").symlink_to(repo)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "cwltool.main", "--quiet", "--parallel", "--outdir", str(out / "run" / "outputs")]
    ran = subprocess.run([*command, str(out / "workflow.cwl"), str(out / "job.json")], env=environment)
    assert ran.returncode == 0

    delivery = deliver(out)

    assert delivery.missing == 0
    from lsst.daf.butler import Butler

    with Butler.from_config(str(repo)) as butler:
        run_name = RUN.format("single-frame")
        found = {kind: len(butler.query_datasets(kind, run_name)) for kind in ("calexp", "src_schema", "calibrate_log")}
    assert found == {"calexp": 2, "src_schema": 1, "calibrate_log": 2}


def test_absent_datasets_travel_as_markers_and_are_not_delivered(tmp_path: Path) -> None:
    no_work = {"fail": "exposure = 1001", "fail_exception": "lsst.pipe.base.NoWorkFound"}
    data, repo, out = _made(tmp_path, "dark", 2, **no_work)

    done = run(out, repo=repo)

    assert done.delivery is not None
    assert (done.delivery.delivered, done.delivery.absent) == (17, 2)
    assert (out / "run" / "outputs" / "cpDarkProc-MockCam-0-1001").read_text().startswith("rubincwl-absent 1\n")
    run_directly(data, data / "repo")
    compared = compare_runs(str(repo), str(data / "repo"), RUN.format("dark"))
    assert (compared.differences, compared.datasets) == ((), 17)


def test_a_failing_quantum_is_named_with_its_log_and_what_succeeded_is_kept(tmp_path: Path) -> None:
    _, repo, out = _made(tmp_path, "dark", 2, fail="exposure = 1001")

    with pytest.raises(ToolError) as first:
        run(out, repo=repo)
    with pytest.raises(ToolError) as second:
        run(out, repo=repo)

    for error in (first.value, second.value):
        text = "\n".join(map(render, error.findings))
        assert "error[quantum-failed]: isr{instrument: MockCam, detector: 0, exposure: 1001} failed: exit 10" in text
        assert "    | ValueError: Simulated failure: task=isr" in text
        assert "note[not-run]: 2 jobs did not run for want of their inputs" in text
        assert f"'rubincwl run {out}' continues" in text
    (line,) = (out / "run" / "failed.jsonl").read_text().splitlines()
    assert json.loads(line)["data_id"] == {"instrument": "MockCam", "detector": 0, "exposure": 1001}
    kept = {each.name for each in (out / "run" / "outputs").iterdir()}
    assert {"cpDarkIsr-MockCam-0-1000", "cpDarkProc-MockCam-0-1000", "packages"} <= kept
    assert (out / "run" / "log").read_text().count("Using cached output") == 3

    with pytest.raises(CompileError, match="the run is not complete: 9 of 19 outputs are missing"):
        deliver(out, repo)
    part = deliver(out, repo, incomplete=True)
    assert (part.delivered, part.missing) == (10, 9)
