"""Quanta that ask for different things, for more than this machine has, or for less time than they take."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.comparison import compare_runs
from compiler.demo_data import make_demo_data
from compiler.diagnostics import Diagnostic, Findings, ToolError, render
from compiler.driver import Choices, compile_folder
from compiler.engines import run
from compiler.engines.machine import Amounts, largest_asked, overrides, warnings
from compiler.frontend.config import read_config
from tests.running.directly import run_directly

amounts = st.builds(Amounts, st.integers(1, 200), st.integers(1, 10**6))
OUT = Path("/somewhere/out")


@given(st.dictionaries(st.sampled_from(["isr", "calibrate", "_init"]), amounts), amounts)
def test_nothing_asks_for_more_than_there_is_and_who_asks_for_less_is_left_alone(
    asked: Mapping[str, Amounts], there: Amounts
) -> None:
    changed = {
        key.partition("#")[2]: Amounts(*each["requirements"]["ResourceRequirement"].values())
        for key, each in overrides(OUT, asked, there).get("cwltool:overrides", {}).items()
    }
    for tool, amount in {**asked, **changed}.items():
        assert amount.cores <= there.cores
        assert amount.memory_mib <= there.memory_mib
        assert amount.cores <= asked[tool].cores
        assert amount.memory_mib <= asked[tool].memory_mib
    told = " ".join(map(str, warnings(OUT, asked, there)))
    too_much = {t for t, a in asked.items() if a.cores > there.cores or a.memory_mib > there.memory_mib}
    assert too_much <= set(changed)
    assert {tool for tool in asked if f"{tool} (" in told} == too_much


def test_the_most_that_a_quantum_of_a_task_asks_for_counts() -> None:
    document = """
    $graph:
    - id: isr
      hints:
      - {class: "rubin:Task", label: isr}
      - {class: ResourceRequirement, coresMin: 2, ramMin: $(inputs._quantum.request.memory_mib)}
    - id: main
    """
    quanta = [[{"request": {"memory_mib": 9000}}], [{"request": {"memory_mib": 2048}}]]
    assert largest_asked(document, {"isr__quanta": quanta}) == {"isr": Amounts(2, 9000)}


def test_what_is_missing_is_told_in_one_finding() -> None:
    asked = {f"task{n}": Amounts(1, 40_000) for n in range(8)} | {"small": Amounts(1, 2048)}
    (found,) = warnings(OUT, asked, Amounts(1, 2**14))
    assert found.severity == "warning"
    assert "task4 (39.1 GiB) and 3 more tasks ask for more than the 1 core and 16 GiB of memory" in found.message


def _compiled(tmp_path: Path, data: Path, config: str) -> Path:
    pytest.importorskip("lsst.ctrl.mpexec", reason="needs the Rubin middleware (extra lsst)")
    pytest.importorskip("cwltool", reason="needs an engine (extra engines)")
    (tmp_path / "config.yaml").write_text(config)
    findings = Findings()
    configuration = read_config(tmp_path / "config.yaml", findings)
    compile_folder(data / "pipeline.yaml", data / "graph.qg", tmp_path / "out", Choices(configuration=configuration))
    assert not findings.errors
    return tmp_path / "out"


def _replace_runner(out: Path, text: str) -> None:
    order: dict[str, Any] = json.loads((out / "job.json").read_text())
    (out / order["_runner"]["location"]).write_text(text)


VARIED = """
rules:
- {when: {label: isr, data: detector = 1}, memory: 15 TiB, cores: 2, walltime: 20m}
- {when: {label: cpDark, data: exposure = 1001}, memory: 3 GiB, walltime: 15m}
- {when: {label: cpCombine}, cores: 500, retries: 0}
clusterAlgorithm: lsst.ctrl.bps.quantum_clustering_funcs.dimension_clustering
cluster:
  images: {pipetasks: "isr, cpDark", dimensions: detector}
"""


@pytest.mark.real
def test_a_run_whose_quanta_ask_for_different_things_and_too_much_equals_a_direct_run(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_demo_data("dark", data, exposures=2, detectors=2)
    shutil.copytree(data / "repo", tmp_path / "repo")
    out = _compiled(tmp_path, data, VARIED)
    requests = {
        (record["request"]["memory_mib"], record["request"]["walltime_s"])
        for row in json.loads((out / "job.json").read_text())["isr__quanta"]
        for record in row
    }
    assert len(requests) == 2, "the quanta of a task differ"
    told: list[Diagnostic] = []

    done = run(out, repo=tmp_path / "repo", tell=told.extend)

    (found,) = told
    assert found.code == "more-than-machine"
    assert re.search(r"quanta of isr \(.*15,360 GiB\), cpCombine \(500 cores\) ask for more", found.message)
    assert done.ran == done.jobs == 11
    run_directly(data, data / "repo")
    compared = compare_runs(str(tmp_path / "repo"), str(data / "repo"), "u/demo/dark/20260102T000000Z")
    assert compared.differences == ()
    assert compared.datasets > 30


WAITS = """
import signal, sys, time
def end(*_):
    what = "isr{instrument: MockCam, detector: 0, exposure: 1000}"
    print("rubincwl: failed", what, "exit 143: ended by SIGTERM", file=sys.stderr)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
while sys.argv[1] == "quanta":
    time.sleep(1)
"""


@pytest.mark.real
@pytest.mark.parametrize(
    ("runner", "told"),
    [
        (WAITS, "isr{instrument: MockCam, detector: 0, exposure: 1000} failed: exit 143: ended by SIGTERM: the wall"),
        ("import time; time.sleep(600)", "cwltool exited with 1; jobs of isr were ended: the wall"),
    ],
    ids=["by the runner", "before it can say a word"],
)
def test_a_wall_time_that_is_over_is_told_in_words(tmp_path: Path, runner: str, told: str) -> None:
    data = tmp_path / "data"
    make_demo_data("dark", data, exposures=1, detectors=1)
    out = _compiled(tmp_path, data, "rules: [{when: {label: isr}, walltime: 5s}]")
    _replace_runner(out, f"import sys\nif sys.argv[1] == 'init': sys.exit(7)\n{runner}")
    with pytest.raises(ToolError) as error:
        run(out, repo=data / "repo")
    assert f"{told} time of 5 s was over" in "\n".join(map(render, error.value.findings))


@pytest.mark.real
def test_an_engine_that_fails_without_a_word_of_the_runner_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_demo_data("dark", data, exposures=1, detectors=1)
    out = _compiled(tmp_path, data, "requestMemory: 2048")
    _replace_runner(out, "raise SystemExit(7)")
    with pytest.raises(ToolError, match="cwltool exited with 1"):
        run(out, repo=data / "repo")
