"""The whole road by the command line alone, on real quanta. `make demo` does it for the dark pipeline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compiler.comparison import compare_runs

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the Rubin middleware (extra lsst)")
pytest.importorskip("cwltool", reason="needs an engine (extra engines)")
pytestmark = pytest.mark.real

ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def rubincwl(*words: str | Path) -> Any:
    """What the verb's report says it made."""
    command = [sys.executable, "-m", "rubincwl", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["result"]


def test_single_frame_runs_and_equals_a_direct_run(single_frame_demo: Path, tmp_path: Path) -> None:
    files = single_frame_demo / "pipeline.yaml", single_frame_demo / "graph.qg"
    ours, direct, out = tmp_path / "ours", tmp_path / "direct", tmp_path / "out"
    shutil.copytree(single_frame_demo / "repo", ours)
    shutil.copytree(single_frame_demo / "repo", direct)

    made = rubincwl("compile", *files, "--target", "aws", "--repo", ours, "-o", out)
    assert made["certificate"]["proved"] is True
    ran = rubincwl("run", out)
    assert (ran["jobs"], ran["ran"], ran["reused"]) == (19, 19, 0)
    assert ran["delivery"]["missing"] == 0
    assert rubincwl("check", *files, "--against", out)["certificate"] == made["certificate"]

    command = ["pipetask", "run", "-b", direct, "-g", files[1], "--register-dataset-types"]
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    found = compare_runs(str(ours), str(direct), made["summary"]["graph"]["output_run"])
    assert found.differences == ()
    assert found.datasets == ran["delivery"]["delivered"]
