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
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.rubin import format_quantum
from compiler.runtime import quantum_runner
from compiler.runtime.quantum_runner import Call, Ended, Quantum, Staged, dataset_name, judge, quantum_text

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
    command = [sys.executable, quantum_runner.__file__, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


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


def test_a_wrong_command_line_exits_with_2(tmp_path: Path) -> None:
    assert _run("quanta", "--graph", "g", cwd=tmp_path).returncode == quantum_runner.USAGE
    ran = _run("quanta", "--graph", "g", "--butler", "b", "--task", "isr", "7", cwd=tmp_path)
    assert (ran.returncode, "'7' is not dimension=value" in ran.stderr) == (quantum_runner.USAGE, True)


def test_every_exit_code_stands_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "quantum-runner.md").read_text()
    for code in quantum_runner.EXIT_CODES:
        assert f"| {code if code != quantum_runner.SIGNAL else '128 + n'} |" in text
