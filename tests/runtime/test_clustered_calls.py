"""Several quanta in one call: what one of them does to the others, and what a second try still has to do."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from compiler.rubin import Quantum
from compiler.runtime.bundle import write_runner
from compiler.runtime.quantum_runner import GRAPH, RECORD_PREFIX, TASK_FAILED, butler_config
from compiler.runtime.quantum_runner.checkpoint import CHECKPOINT_INDEX, write_checkpoint
from schemas import schema
from tests.runtime.staging import Staging, make_graph

pytest.importorskip("lsst.ctrl.mpexec", reason="needs the Rubin middleware (extra lsst)")
pytestmark = pytest.mark.real

EXPOSURES = (1000, 1001, 1002)


def _pipeline(plain: str, label: str, *config: str) -> str:
    """The pipeline's text with more configuration for one task."""
    start = plain.index(f"  {label}:")
    lines = "".join(f"      {each}\n" for each in config)
    return plain[:start] + plain[start:].replace("    config:\n", "    config:\n" + lines, 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from compiler.demo_data import make_demo_data

    out = tmp_path_factory.mktemp("dark")
    make_demo_data("dark", out, exposures=3, detectors=1)
    return out


def _staging(data: Path, out: Path, label: str, *config: str) -> Staging:
    text = _pipeline((data / "pipeline.yaml").read_text(), label, *config)
    return Staging(make_graph(data / "repo", text, out / "made"), data / "repo", out / "pool")


@pytest.fixture(scope="module")
def raising(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Staging:
    """isr of exposure 1001 raises an exception."""
    config = ("fail_condition: exposure = 1001", "fail_exception: builtins.ValueError")
    return _staging(data, tmp_path_factory.mktemp("raising"), "isr", *config)


@pytest.fixture(scope="module")
def crashing(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Staging:
    """isr of exposure 1001 dies of a signal."""
    return _staging(
        data, tmp_path_factory.mktemp("crashing"), "isr", "fail_condition: exposure = 1001", "fail_signal: 11"
    )


def _all(staging: Staging) -> list[Quantum]:
    """isr and cpDark of every exposure, then the quantum that combines them: one chain of data."""
    return [
        *(staging.quantum("isr", exposure=each) for each in EXPOSURES),
        *(staging.quantum("cpDark", exposure=each) for each in EXPOSURES),
        staging.quantum("cpCombine"),
    ]


def _records(folder: Path, file: str = "records.jsonl") -> dict[str, dict[str, Any]]:
    """By name without the instrument, out of a records file; each is valid."""
    rows = [json.loads(each) for each in (folder / file).read_text().splitlines()]
    assert [each["name"] for each in rows] == sorted(each["name"] for each in rows)
    found = {
        each["name"].replace("_record-MockCam-0", ""): each["content"] for each in rows if "_record" in each["name"]
    }
    for each in found.values():
        jsonschema.Draft202012Validator(schema("quantum_record")).validate(each)
    return found


def _printed(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(each.removeprefix(RECORD_PREFIX)) for each in stdout.splitlines()]


def _made(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir() if not each.is_symlink()}


def _retry(staging: Staging, before: Path, folder: Path, *quanta: Quantum) -> subprocess.CompletedProcess[str]:
    """A second try in a new folder, which holds the inputs and nothing of the first but its checkpoint."""
    staging.stage(folder, *quanta)
    shutil.copy(before / "kept.tar", folder)
    return staging.call(folder, *quanta, more=("--records", "records.jsonl", "--checkpoint", "kept.tar"))


@pytest.fixture(scope="module")
def failed(raising: Staging, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a call of all quanta, isr of 1001 of which raises."""
    folder = tmp_path_factory.mktemp("failed")
    raising.stage(folder, *_all(raising))
    ran = raising.call(folder, *_all(raising), more=("--records", "records.jsonl", "--checkpoint", "kept.tar"))
    return folder, ran


def test_data_flow_inside_a_call_from_the_first_quantum_to_the_last(data: Path, tmp_path: Path) -> None:
    staging = Staging(data / "graph.qg", data / "repo", tmp_path / "pool")
    folder = tmp_path / "job"
    staged = staging.stage(folder, *_all(staging))
    assert not [each for each in staged if each.startswith(("cpDarkIsr", "cpDarkProc"))], "nothing in between is staged"

    ran = staging.call(folder, *_all(staging), more=("--records", "records.jsonl", "--checkpoint", "kept.tar"))

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert {each["status"] for each in _records(folder).values()} == {"done"}
    combined = json.loads((folder / "dark-MockCam-0").read_text())
    assert sorted(each["data_id"]["exposure"] for each in combined["quantum"]["inputs"]["inputExps"]) == list(EXPOSURES)
    assert not [each for each in _made(folder) if "_record-" in each], "one file holds all records"
    with tarfile.open(folder / "kept.tar") as tar:
        assert tar.getnames() == [CHECKPOINT_INDEX], "there is nothing that a second try would need"


def test_a_failed_quantum_takes_what_depends_on_it_and_nothing_else(
    failed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, ran = failed
    assert ran.returncode == TASK_FAILED
    records = _records(folder)
    assert {name: each["status"] for name, each in records.items()} == {
        "isr-1000": "done", "isr-1001": "failed", "isr-1002": "done",
        "cpDark-1000": "done", "cpDark-1001": "upstream-failed", "cpDark-1002": "done",
        "cpCombine": "upstream-failed",
    }  # fmt: skip
    for name in ("cpDark-1001", "cpCombine"):
        assert (
            records[name]["message"]
            == "it needs what isr{instrument: MockCam, detector: 0, exposure: 1001} was to make"
        )
        assert records[name]["outputs"] == []
    assert {each["process"]["quanta"] for each in records.values()} == {7}


def test_records_of_a_failed_call_stand_in_its_standard_output_those_of_finished_quanta_too(
    failed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, ran = failed
    assert [each["status"] for each in _printed(ran.stdout)] == [
        "done", "failed", "done", "done", "upstream-failed", "done", "upstream-failed",
    ]  # fmt: skip
    assert _printed(ran.stdout)[0] == _records(folder)["isr-1000"]


def test_a_second_try_runs_only_what_is_left(
    raising: Staging, failed: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    before, _ = failed
    ran = _retry(raising, before, tmp_path, *_all(raising))
    assert ran.returncode == TASK_FAILED, "isr of 1001 raises again"
    assert "kept isr{instrument: MockCam, detector: 0, exposure: 1000} of an earlier try" in ran.stderr
    assert sum(each.startswith("rubincwl: start ") for each in ran.stderr.splitlines()) == 3
    records, first = _records(tmp_path), _records(before)
    kept = [name for name, each in first.items() if each["status"] == "done"]
    assert {name: records[name] for name in kept} == {name: first[name] for name in kept}
    assert _made(before) <= _made(tmp_path), "its files are those of a call that ran everything"
    with tarfile.open(tmp_path / "kept.tar") as tar:
        index = json.load(tar.extractfile(CHECKPOINT_INDEX) or io.BytesIO())
    assert len(index["records"]) == 4, "a third try would not run them either"


def test_a_second_try_that_succeeds_leaves_what_one_try_would_have_left(
    data: Path, raising: Staging, failed: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The quantum that failed is left out of the second call, whose rest is finished already."""
    before, _ = failed
    quanta = [raising.quantum(label, exposure=each) for label in ("isr", "cpDark") for each in (1000, 1002)]
    ran = _retry(raising, before, tmp_path, *quanta)
    assert ran.returncode == 0, ran.stderr
    assert "start" not in ran.stderr, "nothing was left to run"
    for record in _records(tmp_path).values():
        for output in record["outputs"]:
            assert (tmp_path / output["name"]).read_bytes() == (before / output["name"]).read_bytes()


def test_what_is_kept_serves_quanta_that_need_it(data: Path, tmp_path: Path) -> None:
    """cpDark finds no input at the first try; isr of the same call is kept for the second."""
    staging = Staging(data / "graph.qg", data / "repo", tmp_path / "pool")
    isr, dark = staging.quantum("isr", exposure=1000), staging.quantum("cpDark", exposure=1000)
    staging.stage(tmp_path / "first", isr)
    assert staging.call(tmp_path / "first", isr, more=("--records", "r.jsonl")).returncode == 0
    record = _records(tmp_path / "first", "r.jsonl")["isr-1000"]
    write_checkpoint(tmp_path / "first" / "kept.tar", {isr.id: record}, tmp_path / "first")

    ran = _retry(staging, tmp_path / "first", tmp_path / "second", isr, dark)

    assert ran.returncode == 0, ran.stderr
    assert [each for each in ran.stderr.splitlines() if "start" in each] == [f"rubincwl: start {dark}"]
    assert _records(tmp_path / "second")["isr-1000"] == record


def _altered(file: Path, out: Path, alter: dict[str, bytes | None]) -> None:
    """A copy of a checkpoint with other contents, or without some members."""
    with tarfile.open(file) as source, tarfile.open(out, "w") as target:
        for member in source:
            content = (source.extractfile(member) or io.BytesIO()).read()
            content = alter.get(member.name, content)  # type: ignore[assignment]
            if content is not None:
                info = tarfile.TarInfo(member.name)
                info.size = len(content)
                target.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "cpDarkIsr-MockCam-0-1000 has another checksum than its record says"),
        (None, "'cpDarkIsr-MockCam-0-1000' not found"),
    ],
)
def test_a_damaged_part_of_a_checkpoint_is_told_and_made_again(
    raising: Staging,
    failed: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    content: bytes | None,
    said: str,
) -> None:
    (tmp_path / "first").mkdir()
    _altered(failed[0] / "kept.tar", tmp_path / "first" / "kept.tar", {"cpDarkIsr-MockCam-0-1000": content})
    quanta = [raising.quantum("isr", exposure=each) for each in (1000, 1002)]

    ran = _retry(raising, tmp_path / "first", tmp_path / "second", *quanta)

    assert ran.returncode == 0, ran.stderr
    assert said in ran.stderr
    assert [each for each in ran.stderr.splitlines() if "start" in each] == [f"rubincwl: start {quanta[0]}"]


def _cut(file: Path) -> bytes:
    return file.read_bytes()[:700]


def _nonsense(file: Path) -> bytes:
    return b"no tar at all" * 100


def _empty(file: Path) -> bytes:
    return b""


@pytest.mark.parametrize("make", [_cut, _nonsense, _empty])
def test_a_checkpoint_that_cannot_be_read_is_told_and_everything_runs(
    raising: Staging, failed: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, make: Any
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "kept.tar").write_bytes(make(failed[0] / "kept.tar"))
    isr = raising.quantum("isr", exposure=1000)

    ran = _retry(raising, tmp_path / "first", tmp_path / "second", isr)

    assert ran.returncode == 0, ran.stderr
    assert "the checkpoint kept.tar cannot be used" in ran.stderr
    assert f"start {isr}" in ran.stderr


def test_a_checkpoint_of_another_graph_is_told_and_everything_runs(
    data: Path, failed: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    staging = Staging(data / "graph.qg", data / "repo", tmp_path / "pool")
    isr = staging.quantum("isr", exposure=1000)

    ran = _retry(staging, failed[0], tmp_path / "second", isr)

    assert ran.returncode == 0, ran.stderr
    assert "4 quanta in kept.tar are not of this call" in ran.stderr
    assert f"start {isr}" in ran.stderr


def test_a_crash_takes_one_quantum_and_what_depends_on_it(crashing: Staging, tmp_path: Path) -> None:
    crashing.stage(tmp_path, *_all(crashing))

    ran = crashing.call(tmp_path, *_all(crashing), more=("--records", "records.jsonl", "--checkpoint", "kept.tar"))

    assert ran.returncode == 128 + signal.SIGSEGV
    records = _records(tmp_path)
    assert {name: (each["status"], each["exit_code"]) for name, each in records.items() if each["exit_code"]} == {
        "isr-1001": ("signal", 139),
        "cpDark-1001": ("upstream-failed", 10),
        "cpCombine": ("upstream-failed", 10),
    }
    assert (records["isr-1002"]["status"], records["isr-1002"]["signal"]) == ("done", None), "in a second process"


def test_a_cluster_that_is_asked_to_end_keeps_what_it_has_made(data: Path, tmp_path: Path) -> None:
    staging = _staging(data, tmp_path, "cpDark", "sleep: 60.0")
    quanta = _all(staging)
    staging.stage(tmp_path / "job", *quanta)
    command = staging.command(*quanta, more=("--records", "records.jsonl", "--checkpoint", "kept.tar"))
    with subprocess.Popen(
        command, cwd=tmp_path / "job", stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        _wait_for_log(tmp_path / "job", "label=cpDark")
        runner.send_signal(signal.SIGTERM)
        runner.communicate(timeout=30)
    assert runner.returncode == 128 + signal.SIGTERM
    statuses = {name: each["status"] for name, each in _records(tmp_path / "job").items()}
    assert statuses == {
        "isr-1000": "done", "isr-1001": "done", "isr-1002": "done",
        "cpDark-1000": "signal", "cpDark-1001": "not-started", "cpDark-1002": "not-started",
        "cpCombine": "upstream-failed",
    }  # fmt: skip
    with tarfile.open(tmp_path / "job" / "kept.tar") as tar:
        assert {each.split("-")[0] for each in tar.getnames()[1:]} == {"cpDarkIsr", "isr_log", "isr_metadata"}


def _wait_for_log(folder: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(text in each.read_text() for each in folder.glob(".rubincwl-*/log")):
            return
        time.sleep(0.1)
    raise AssertionError(f"the middleware did not say {text}")


def test_a_failed_call_leaves_a_checkpoint_whatever_it_failed_of(data: Path, tmp_path: Path) -> None:
    """Pegasus would wait for minutes for a file that is not there."""
    for number, more in enumerate(("nowhere.qg", str(data / "pipeline.yaml"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "butler.yaml").write_text(butler_config())
        runner = write_runner(tmp_path / "quantum_runner.pyz")
        command = ["quanta", "--graph", more, "--butler", "butler.yaml", "--task", "isr", "--checkpoint", "kept.tar"]
        ran = subprocess.run([sys.executable, runner, *command], cwd=folder, capture_output=True)
        assert ran.returncode == GRAPH
        assert _made(folder) == {"butler.yaml", "kept.tar"}
