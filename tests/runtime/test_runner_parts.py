"""Parts of the runner that need no middleware."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.rubin import format_quantum
from compiler.runtime import quantum_runner
from compiler.runtime.bundle import write_runner
from compiler.runtime.quantum_runner import dataset_name, quantum_text
from compiler.runtime.quantum_runner.call import Call, Quantum, Staged
from compiler.runtime.quantum_runner.judging import judge
from compiler.runtime.quantum_runner.middleware import Ended
from compiler.runtime.quantum_runner.telling import print_records, record_line

_VALUES = st.lists(st.one_of(st.integers(), st.text(max_size=8)), max_size=4)
_TYPES = st.text(min_size=1, max_size=12)


@given(_TYPES, _VALUES, _TYPES, _VALUES)
def test_two_datasets_never_share_a_name(one: str, values: list[int | str], other: str, more: list[int | str]) -> None:
    same = (one, [str(v) for v in values]) == (other, [str(v) for v in more])
    assert (dataset_name(one, values) == dataset_name(other, more)) == same


@given(_TYPES, _VALUES, st.uuids() | st.none())
def test_names_hold_only_what_every_engine_takes(kind: str, values: list[int | str], id: UUID | None) -> None:
    name = dataset_name(kind, values, id.hex if id else None)
    assert re.fullmatch(r"[A-Za-z0-9._+-]{1,200}", name)


def test_people_see_one_name_of_a_quantum() -> None:
    data_id: dict[str, int | str] = {"instrument": "MockCam", "exposure": 1000}
    assert quantum_text("isr", data_id) == format_quantum("isr", data_id)


def test_a_zipfile_that_mixes_up_open_members_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quantum_runner.zipfile_is_sound()
    right = zipfile.ZipExtFile.seek

    def of_3_12_1(self: zipfile.ZipExtFile, offset: int, whence: int = 0) -> int:
        if whence == os.SEEK_SET and offset > self.tell():
            self._fileobj._file.seek(7)  # type: ignore[attr-defined]
            self._fileobj._pos = 7  # type: ignore[attr-defined]
            return offset
        return right(self, offset, whence)

    monkeypatch.setattr(zipfile.ZipExtFile, "seek", of_3_12_1)
    assert not quantum_runner.zipfile_is_sound()
    with pytest.raises(quantum_runner.StopError, match=r"3\.12\.1 and 3\.13\.0") as stop:
        quantum_runner.check_environment()
    assert stop.value.code == quantum_runner.ENVIRONMENT


_OUT, _LOG, _METADATA, _IN = (UUID(int=n) for n in range(1, 5))


def _judge(tmp_path: Path, *, caveats: int, written: list[UUID], stored: set[UUID]) -> dict[str, object]:
    """The record of a quantum whose metadata says `caveats` and `written`, where only `stored` is in the store."""
    outputs = {"out": [_OUT], "_log": [_LOG], "_metadata": [_METADATA]}
    quantum = Quantum(UUID(int=9), "isr", {"exposure": 1}, {"inp": [_IN]}, outputs, "record")
    datasets = {each: Staged(f"file{each.int}", str(each.int)) for each in (_OUT, _LOG, _METADATA, _IN)}
    call = Call([quantum], datasets, lambda chosen: None)
    (tmp_path / "store").mkdir()
    for each in stored | {_METADATA}:
        (tmp_path / "store" / str(each.int)).touch()
    section = {"scalars": {"caveats": caveats}, "arrays": {"outputs": [str(each) for each in written]}}
    (tmp_path / "store" / str(_METADATA.int)).write_text(json.dumps({"metadata": {"quantum": section}}))
    ended = Ended(0, None, 0.0, 1.0, 1.0, 100.0, [], True, given={quantum.id})
    (record,) = judge(call, [quantum], [ended], tmp_path, tmp_path)
    return record


def test_an_absent_output_is_right_where_the_caveats_say_so(tmp_path: Path) -> None:
    record = _judge(tmp_path, caveats=1, written=[], stored={_LOG, _IN})
    assert (record["status"], record["absent_outputs"]) == ("done", [{"connection": "out", "name": "file1"}])
    assert quantum_runner.is_marker(tmp_path / "file1")


def test_an_absent_output_without_caveats_is_an_error(tmp_path: Path) -> None:
    record = _judge(tmp_path, caveats=0, written=[], stored={_LOG, _IN})
    assert (record["status"], record["exit_code"]) == ("output-missing", 12)
    assert not (tmp_path / "file1").exists()


def test_other_caveats_do_not_excuse_an_absent_output(tmp_path: Path) -> None:
    record = _judge(tmp_path, caveats=4, written=[], stored={_LOG, _IN})
    assert record["exit_code"] == quantum_runner.OUTPUT_MISSING


def test_an_output_that_was_written_and_lost_is_an_error_whatever_the_caveats(tmp_path: Path) -> None:
    record = _judge(tmp_path, caveats=7, written=[_OUT], stored={_LOG, _IN})
    assert record["exit_code"] == quantum_runner.OUTPUT_MISSING


def test_a_quantum_that_lost_inputs_may_give_outputs_up_without_a_caveat(tmp_path: Path) -> None:
    record = _judge(tmp_path, caveats=0, written=[], stored={_LOG})
    assert (record["status"], record["absent_inputs"]) == ("done", ["file4"])


def test_a_log_is_never_rightly_absent(tmp_path: Path) -> None:
    record = _judge(tmp_path, caveats=7, written=[], stored={_IN})
    assert record["exit_code"] == quantum_runner.OUTPUT_MISSING


def _run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    runner = write_runner(cwd / "quantum_runner.pyz")
    return subprocess.run([sys.executable, runner, *words], cwd=cwd, capture_output=True, text=True)


def _leftovers(folder: Path) -> None:
    folder.mkdir()
    for name in ("isr_record-1", "isr_metadata-1", "isr_log-1", "postISRCCD-1"):
        (folder / name).write_text(json.dumps({"of": name}))


def test_collect_gathers_records_and_metadata_but_no_payload(tmp_path: Path) -> None:
    _leftovers(tmp_path / "a")
    assert _run("collect", "--output", "all.jsonl", cwd=tmp_path / "a").returncode == 0
    lines = [json.loads(each) for each in (tmp_path / "a" / "all.jsonl").read_text().splitlines()]
    assert [each["name"] for each in lines] == ["isr_metadata-1", "isr_record-1"]
    assert lines[1]["content"] == {"of": "isr_record-1"}


def test_collect_makes_the_same_tar_of_the_same_files(tmp_path: Path) -> None:
    for each in "ab":
        _leftovers(tmp_path / each)
        (tmp_path / each / "list").write_text("isr_record-1\nisr_metadata-1\n")
        ran = _run("collect", "--output", "all.tar", "@list", cwd=tmp_path / each)
        assert ran.returncode == 0, ran.stderr
    made = (tmp_path / "a" / "all.tar").read_bytes()
    assert made == (tmp_path / "b" / "all.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert tar.getnames() == ["isr_metadata-1", "isr_record-1"]


def test_collect_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    ran = _run("collect", "--output", "all.tar", "isr_record-1", cwd=tmp_path)
    assert (ran.returncode, "missing: isr_record-1" in ran.stderr) == (quantum_runner.INPUT_MISSING, True)


def _collection(file: Path, rows: dict[str, object]) -> None:
    file.write_text("".join(json.dumps({"name": name, "content": row}) + "\n" for name, row in sorted(rows.items())))


@pytest.mark.parametrize("leaf", ["jsonl", "tar"])
@pytest.mark.parametrize("trunk", ["jsonl", "tar"])
def test_collections_are_collected_as_what_they_hold(tmp_path: Path, leaf: str, trunk: str) -> None:
    rows: dict[str, object] = {f"isr_{kind}-{n}": {"of": n} for n in range(6) for kind in ("record", "metadata")}
    for name, row in rows.items():
        (tmp_path / name).write_text(json.dumps(row))
    names = sorted(rows)
    assert _run("collect", "--output", f"one.{leaf}", *names[:5], cwd=tmp_path).returncode == 0
    _collection(tmp_path / "job_records.jsonl", {name: rows[name] for name in names[5:8]})
    assert _run("collect", "--output", f"two.{leaf}", "job_records.jsonl", *names[8:], cwd=tmp_path).returncode == 0

    ran = _run("collect", "--output", f"all.{trunk}", f"two.{leaf}", f"one.{leaf}", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    found = list(_read_collection(tmp_path / f"all.{trunk}"))
    assert found == [(name, rows[name]) for name in names], "every one once, sorted"


def _read_collection(file: Path) -> Iterator[tuple[str, object]]:
    if file.suffix == ".jsonl":
        for line in file.read_text().splitlines():
            yield json.loads(line)["name"], json.loads(line)["content"]
        return
    with tarfile.open(file) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            yield member.name, json.load(content)


def test_collections_may_overlap_but_not_contradict(tmp_path: Path) -> None:
    _collection(tmp_path / "a.jsonl", {"isr_record-1": {"status": "done"}})
    _collection(tmp_path / "b.jsonl", {"isr_record-1": {"status": "done"}, "isr_record-2": {}})
    assert _run("collect", "--output", "all.jsonl", "a.jsonl", "b.jsonl", cwd=tmp_path).returncode == 0
    assert (tmp_path / "all.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()

    _collection(tmp_path / "b.jsonl", {"isr_record-1": {"status": "failed"}})
    ran = _run("collect", "--output", "all.jsonl", "a.jsonl", "b.jsonl", cwd=tmp_path)
    assert ran.returncode == quantum_runner.USAGE
    assert "a.jsonl and b.jsonl hold different isr_record-1" in ran.stderr


def test_without_names_the_records_files_and_collections_of_the_folder_are_collected(tmp_path: Path) -> None:
    _leftovers(tmp_path / "a")
    _collection(tmp_path / "a" / "job_records.jsonl", {"cp_record-1": {}})
    _collection(tmp_path / "a" / "_collect-1.jsonl", {"cp_record-2": {}})
    for _ in range(2):  # the second time its own output stands there as well
        assert _run("collect", "--output", "_collect.jsonl", cwd=tmp_path / "a").returncode == 0
        names = [name for name, _ in _read_collection(tmp_path / "a" / "_collect.jsonl")]
        assert names == ["cp_record-1", "cp_record-2", "isr_metadata-1", "isr_record-1"]


@pytest.mark.parametrize("name", ["cut.jsonl", "cut.tar"])
def test_a_collection_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"name": "isr_rec')
    ran = _run("collect", "--output", "all.jsonl", name, cwd=tmp_path)
    assert (ran.returncode, f"{name} is no collection" in ran.stderr) == (quantum_runner.INPUT_MISSING, True)


_RECORD = {"message": "x", "outputs": [{"name": "file" * 10}] * 20, "absent_inputs": [], "absent_outputs": []}


@given(st.integers(300, 5000), st.lists(st.text(max_size=300), max_size=40), st.text(max_size=2000))
def test_a_record_fits_a_line_of_any_length(longest: int, tail: list[str], message: str) -> None:
    line = record_line(_RECORD | {"message": message}, longest, tail)
    assert len(line) < max(longest, 800)
    assert "\n" not in line
    assert json.loads(line.removeprefix(quantum_runner.RECORD_PREFIX))["message"] == message[: len(message)][:1000] or (
        len(message) > 100
    )


def test_what_a_failed_call_prints_is_bounded(capfd: pytest.CaptureFixture[str]) -> None:
    print_records([_RECORD] * 5000)
    said = capfd.readouterr().out
    assert len(said) < 256 * 1024, "what Pegasus keeps of a job's output"
    assert said.splitlines()[-1].endswith("more records were left out")


def test_a_wrong_command_line_exits_with_2(tmp_path: Path) -> None:
    assert _run("quanta", "--graph", "g", cwd=tmp_path).returncode == quantum_runner.USAGE
    ran = _run("quanta", "--graph", "g", "--butler", "b", "--task", "isr", "7", cwd=tmp_path)
    assert (ran.returncode, "'7' is not dimension=value" in ran.stderr) == (quantum_runner.USAGE, True)


def test_every_exit_code_stands_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "quantum-runner.md").read_text()
    for code in quantum_runner.EXIT_CODES:
        assert f"| {code if code != quantum_runner.SIGNAL else '128 + n'} |" in text
