"""The runner as a workflow system calls it: a program in an empty folder, on real quanta."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from compiler.demo_data import make_demo_data
from compiler.runtime import quantum_runner
from compiler.runtime.quantum_runner.preparing import prepare
from schemas import schema
from tests.runtime.staging import Staging, make_graph

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the Rubin middleware (extra lsst)")
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark pipeline whose isr finds no work in exposure 1001."""
    out = tmp_path_factory.mktemp("dark")
    no_work = "lsst.pipe.base.NoWorkFound"
    make_demo_data("dark", out, exposures=3, detectors=1, fail="exposure = 1001", fail_exception=no_work)
    return out


@pytest.fixture(scope="module")
def staging(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Staging:
    return Staging(data / "graph.qg", data / "repo", tmp_path_factory.mktemp("pool"))


@pytest.fixture(scope="module")
def troubled(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Staging:
    """The same where isr of 1000 raises, of 1001 dies of a signal, and cpDark sleeps for a minute."""
    out = tmp_path_factory.mktemp("troubled")
    text = (data / "pipeline.yaml").read_text()
    text = text.replace("      fail_condition:", "      fail_signal: 11\n      fail_condition:", 1)
    text = text.replace("lsst.pipe.base.NoWorkFound", "builtins.ValueError")
    label = text.index("  cpDark:")
    text = text[:label] + text[label:].replace("    config:\n", "    config:\n      sleep: 60.0\n", 1)
    return Staging(make_graph(data / "repo", text, out / "made"), data / "repo", out / "pool")


def _valid(record: object) -> None:
    jsonschema.Draft202012Validator(schema("quantum_record")).validate(record)


def _files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_quantum_runs_in_an_empty_folder_and_leaves_its_outputs_and_a_record(
    staging: Staging, tmp_path: Path
) -> None:
    isr = staging.quantum("isr", exposure=1000)
    inputs = staging.stage(tmp_path, isr)
    assert [each.partition("+u")[0] for each in inputs] == ["bias-MockCam-0", "raw-MockCam-0-1000"]

    ran = staging.call(tmp_path, isr)

    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[0] == "rubincwl: start isr{instrument: MockCam, detector: 0, exposure: 1000}"
    assert ran.stderr.splitlines()[-1].startswith(
        "rubincwl: done isr{instrument: MockCam, detector: 0, exposure: 1000} "
    )
    made = [f"{each}-MockCam-0-1000" for each in ("cpDarkIsr", "isr_log", "isr_metadata", "isr_record")]
    assert _files(tmp_path) == sorted([*inputs, *made]), "and nothing else"
    record = staging.record(tmp_path, isr)
    _valid(record)
    assert (record["label"], record["status"], record["exit_code"], record["caveats"]) == ("isr", "done", 0, 0)
    assert record["data_id"] == {"instrument": "MockCam", "detector": 0, "exposure": 1000}
    assert record["quantum_id"] == str(isr.id)
    assert record["process"]["quanta"] == 1
    assert record["process"]["cpu_seconds"] > record["cpu_seconds"] > 0
    assert 20 < record["peak_memory_mib"] < 4000
    assert {each["connection"]: each["name"] for each in record["outputs"]} == {
        "outputExposure": "cpDarkIsr-MockCam-0-1000",
        "_log": "isr_log-MockCam-0-1000",
        "_metadata": "isr_metadata-MockCam-0-1000",
    }
    for each in record["outputs"]:
        content = (tmp_path / each["name"]).read_bytes()
        assert (each["size"], each["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture(scope="module")
def clustered(staging: Staging, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one call that ran isr and cpDark of 1002, which works, and of 1001, where isr finds no work."""
    folder = tmp_path_factory.mktemp("clustered")
    quanta = [staging.quantum(label, exposure=e) for e in (1002, 1001) for label in ("isr", "cpDark")]
    staging.stage(folder, *quanta)
    ran = staging.call(folder, *quanta)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_quanta_of_one_process_leave_a_record_each_and_absences_are_judged_one_by_one(
    staging: Staging, clustered: Path
) -> None:
    lost = staging.quantum("cpDark", exposure=1001)
    quanta = [staging.quantum(label, exposure=e) for e in (1002, 1001) for label in ("isr", "cpDark")]
    records = [staging.record(clustered, each) for each in quanta]
    for each in records:
        _valid(each)
    assert [each["status"] for each in records] == ["done"] * 4
    assert [each["process"]["quanta"] for each in records] == [4] * 4
    assert [each["caveats"] for each in records] == [0, 0, 7, 15]
    assert [len(each["absent_outputs"]) for each in records] == [0, 0, 1, 1]
    assert records[3]["absent_inputs"] == ["cpDarkIsr-MockCam-0-1001"]
    assert sum(each["cpu_seconds"] for each in records) < records[0]["process"]["cpu_seconds"]
    first, second = (clustered / "cpDarkProc-MockCam-0-1001").read_text().splitlines()
    assert first == "rubincwl-absent 1"
    (dataset,) = (str(staging.graph.dataset(each).id) for each in lost.outputs["outputExp"])
    assert json.loads(second) == {"dataset": dataset, "quantum": str(lost.id), "caveats": 15}
    assert not quantum_runner.is_marker(clustered / "cpDarkProc-MockCam-0-1002")


def test_a_marker_among_the_inputs_is_left_out_and_the_rest_is_combined(
    staging: Staging, clustered: Path, tmp_path: Path
) -> None:
    combine = staging.quantum("cpCombine")
    for exposure, source in ((1000, 1001), (1001, 1001), (1002, 1002)):
        shutil.copy(clustered / f"cpDarkProc-MockCam-0-{source}", tmp_path / f"cpDarkProc-MockCam-0-{exposure}")

    ran = staging.call(tmp_path, combine)

    assert ran.returncode == 0, ran.stderr
    record = staging.record(tmp_path, combine)
    assert record["absent_inputs"] == ["cpDarkProc-MockCam-0-1000", "cpDarkProc-MockCam-0-1001"]
    assert record["absent_outputs"] == []
    content = json.loads((tmp_path / "dark-MockCam-0").read_text())
    assert [each["data_id"]["exposure"] for each in content["quantum"]["inputs"]["inputExps"]] == [1002]


def test_init_writes_every_init_output_under_its_name(staging: Staging, tmp_path: Path) -> None:
    ran = staging.call(tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert "rubincwl: done _init{} " in ran.stderr
    assert _files(tmp_path) == ["cpCombine_config", "cpDark_config", "isr_config", "packages"]


def test_init_needs_no_quantum_in_the_graph(staging: Staging, tmp_path: Path) -> None:
    """The shard that travels with the init job of a large graph holds none."""
    (tmp_path / "butler.yaml").write_text(quantum_runner.butler_config())
    call = prepare(str(staging.graph_file), tmp_path, None, {})
    call.cut(()).write(str(tmp_path / "shard.qg"))
    shard = Staging(tmp_path / "shard.qg", staging.repo, staging.pool)

    ran = shard.call(tmp_path / "job")

    assert ran.returncode == 0, ran.stderr
    assert _files(tmp_path / "job") == ["cpCombine_config", "cpDark_config", "isr_config", "packages"]


def test_names_may_be_of_the_workflow_s_choosing(staging: Staging, tmp_path: Path) -> None:
    isr = staging.quantum("isr", exposure=1001)
    staging.stage(tmp_path, isr)
    names = {}
    for n, dataset in enumerate(d for row in (*isr.inputs.values(), *isr.outputs.values()) for d in row):
        names[str(staging.graph.dataset(dataset).id)] = f"file{n}"
        if (tmp_path / staging.name(dataset)).is_symlink():
            (tmp_path / staging.name(dataset)).rename(tmp_path / f"file{n}")
    names[str(isr.id)] = "told"
    (tmp_path / "names.json").write_text(json.dumps(names))

    ran = staging.call(tmp_path, isr, more=("--names", "names.json"))

    assert ran.returncode == 0, ran.stderr
    assert _files(tmp_path) == sorted([*(f"file{n}" for n in range(5)), "names.json", "told"])


def test_a_missing_input_is_an_error_before_anything_runs(staging: Staging, tmp_path: Path) -> None:
    isr = staging.quantum("isr", exposure=1000)
    inputs = staging.stage(tmp_path, isr)
    (tmp_path / inputs[0]).unlink()

    ran = staging.call(tmp_path, isr)

    assert ran.returncode == quantum_runner.INPUT_MISSING
    assert f"{inputs[0]} is missing" in ran.stderr
    record = staging.record(tmp_path, isr)
    _valid(record)
    assert (record["status"], record["middleware_exit_code"]) == ("input-missing", None)
    assert _files(tmp_path) == sorted([inputs[1], "isr_record-MockCam-0-1000"])


def test_an_input_that_the_middleware_would_take_for_nothing_to_do_is_an_error_too(
    staging: Staging, tmp_path: Path
) -> None:
    dark = staging.quantum("cpDark", exposure=1000)
    ran = staging.call(tmp_path, dark)
    assert ran.returncode == quantum_runner.INPUT_MISSING
    assert "cpDarkIsr-MockCam-0-1000 is missing" in ran.stderr


def test_an_input_that_was_cut_short_is_an_error(staging: Staging, tmp_path: Path) -> None:
    isr = staging.quantum("isr", exposure=1000)
    raw = tmp_path / staging.stage(tmp_path, isr)[1]
    content = raw.read_bytes()
    raw.unlink()
    raw.write_bytes(content[:-10])

    ran = staging.call(tmp_path, isr)

    assert ran.returncode == quantum_runner.INPUT_MISSING
    assert f"{raw.name} has {len(content) - 10} bytes, its record says {len(content)}" in ran.stderr


@pytest.mark.parametrize(
    ("label", "data_id", "said"),
    [
        ("nothing", {}, "no task 'nothing' in the graph; it has isr, cpDark, cpCombine"),
        ("isr", {"exposure": "7"}, "no quanta isr{exposure: 7} in the graph"),
        ("isr", {"detector": "0"}, "3 quanta isr{detector: 0} in the graph"),
        ("isr", {"visit": "1"}, "task 'isr' has no dimension visit; it has instrument, detector, exposure"),
    ],
)
def test_a_quantum_that_the_graph_does_not_hold_is_named(
    staging: Staging, tmp_path: Path, label: str, data_id: dict[str, str], said: str
) -> None:
    with pytest.raises(quantum_runner.StopError, match=re.escape(said)) as stop:
        prepare(str(staging.graph_file), tmp_path, [(label, data_id)], {})
    assert stop.value.code == quantum_runner.GRAPH


def test_a_graph_without_datastore_records_is_told_with_the_way_out(data: Path, tmp_path: Path) -> None:
    text = (data / "pipeline.yaml").read_text()
    graph = make_graph(data / "repo", text, tmp_path / "made", attach_datastore_records=False)
    with pytest.raises(quantum_runner.StopError, match="--qgraph-datastore-records"):
        prepare(str(graph), tmp_path, [("isr", {"exposure": "1000"})], {})


def test_a_graph_that_cannot_be_read_is_told_in_a_line(staging: Staging, tmp_path: Path) -> None:
    broken = tmp_path / "graph.qg"
    broken.write_bytes(staging.graph_file.read_bytes()[:2000])
    ran = Staging(broken, staging.repo, staging.pool).call(tmp_path)
    assert ran.returncode == quantum_runner.GRAPH
    assert f"cannot read the quantum graph {broken}" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_task_that_raises_is_told_with_the_end_of_its_log_and_a_record_that_survives(
    data: Path, tmp_path: Path
) -> None:
    text = (data / "pipeline.yaml").read_text().replace("lsst.pipe.base.NoWorkFound", "builtins.ValueError")
    staging = Staging(make_graph(data / "repo", text, tmp_path / "made"), data / "repo", tmp_path / "pool")
    folder = tmp_path / "job"
    isr = staging.quantum("isr", exposure=1001)
    staging.stage(folder, isr)

    ran = staging.call(folder, isr)

    assert ran.returncode == quantum_runner.TASK_FAILED
    assert f"rubincwl: failed {isr} exit 10: the middleware exited with 1: ValueError: Simulated" in ran.stderr
    assert "rubincwl| ValueError: Simulated failure: task=isr" in ran.stderr
    line = next(each for each in ran.stderr.splitlines() if each.startswith(quantum_runner.RECORD_PREFIX))
    assert len(line) < 4096, "lines of jobs that write to one pipe do not mix"
    printed = json.loads(line.removeprefix(quantum_runner.RECORD_PREFIX))
    _valid(printed)
    assert printed.pop("log_tail")
    record = staging.record(folder, isr)
    assert (record["status"], record["exit_code"], record["middleware_exit_code"]) == ("failed", 10, 1)
    assert [each["name"] for each in record["outputs"]] == ["isr_log-MockCam-0-1001"]
    assert (folder / "isr_log-MockCam-0-1001").is_file()
    assert {**printed, "outputs": []} == {**record, "outputs": []}


def test_a_signal_that_ends_the_task_is_told_as_one(troubled: Staging, tmp_path: Path) -> None:
    isr = troubled.quantum("isr", exposure=1001)
    troubled.stage(tmp_path, isr)

    ran = troubled.call(tmp_path, isr)

    assert ran.returncode == 128 + signal.SIGSEGV
    assert f"rubincwl: failed {isr} exit 139: ended by SIGSEGV" in ran.stderr
    record = troubled.record(tmp_path, isr)
    _valid(record)
    assert (record["status"], record["signal"], record["middleware_exit_code"]) == ("signal", signal.SIGSEGV, None)


def _sleeping(troubled: Staging, folder: Path) -> subprocess.Popen[str]:
    """The runner, while its task sleeps."""
    dark = troubled.quantum("cpDark", exposure=1002)
    if not (troubled.pool / "cpDarkIsr-MockCam-0-1002").exists():
        isr = troubled.quantum("isr", exposure=1002)
        troubled.stage(folder / "before", isr)
        assert troubled.call(folder / "before", isr).returncode == 0
        troubled.collect(folder / "before")
    troubled.stage(folder / "job", dark)
    runner = subprocess.Popen(troubled.command(dark), cwd=folder / "job", stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        logs = list((folder / "job").glob(".rubincwl-*/log"))
        if logs and "Mocking execution" in logs[0].read_text():
            return runner
        time.sleep(0.1)
    runner.kill()
    raise AssertionError("the task did not start")


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_runner_that_is_asked_to_end_ends_the_task_and_still_leaves_a_record(
    troubled: Staging, tmp_path: Path
) -> None:
    runner = _sleeping(troubled, tmp_path)
    runner.send_signal(signal.SIGTERM)
    _, said = runner.communicate(timeout=20)
    assert runner.returncode == 128 + signal.SIGTERM
    assert "exit 143: ended by SIGTERM" in said
    record = troubled.record(tmp_path / "job", troubled.quantum("cpDark", exposure=1002))
    assert (record["status"], record["signal"]) == ("signal", signal.SIGTERM)
    assert not list((tmp_path / "job").glob(".rubincwl-*")), "the private folder is gone"


@pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="needs Linux's /proc")
def test_a_runner_that_is_killed_takes_the_task_with_it(troubled: Staging, tmp_path: Path) -> None:
    runner = _sleeping(troubled, tmp_path)
    (task,) = _children(runner.pid)
    runner.kill()
    runner.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{task}/cwd").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{task}/cwd").exists()


def test_a_python_without_the_middleware_is_named(staging: Staging, tmp_path: Path) -> None:
    command = staging.command(staging.quantum("isr"))
    ran = subprocess.run([command[0], "-S", *command[1:]], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == quantum_runner.ENVIRONMENT
    assert f"no science environment at {sys.executable}" in ran.stderr
