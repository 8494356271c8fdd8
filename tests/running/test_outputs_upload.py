"""Results go to a store: what differs, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compiler.diagnostics import CompileError, ToolError
from compiler.engines.outputs_upload import open_outputs, upload_outputs
from providers.base import Access
from tests.stores import Store


def _outputs(out: Path) -> Path:
    folder = out / "run" / "outputs"
    folder.mkdir(parents=True)
    (folder / "dark-MockCam-0").write_text("one")
    record = {"format": "rubincwl quantum record 1", "outputs": [], "absent_outputs": []}
    (folder / "isr_record-1").write_text(json.dumps(record, indent=1))
    return folder


def test_results_and_their_records_in_one_file_go_up_once_and_again_where_they_differ(
    object_store: Store, tmp_path: Path
) -> None:
    folder = _outputs(tmp_path)

    def send() -> tuple[int, int]:
        done = upload_outputs(tmp_path, f"{object_store.url}/a", lambda url: Access(object_store.scheme, options))
        return done.copied, done.there_already

    options = object_store.options
    assert send() == (3, 0)
    assert send() == (0, 3)
    (folder / "dark-MockCam-0").write_text("two")  # of the same size
    assert send() == (1, 2)
    files = object_store.files()
    assert files.cat_file(f"{object_store.bucket}/a/dark-MockCam-0") == b"two"
    (line,) = files.cat_file(f"{object_store.bucket}/a/_collect_records.jsonl").decode().splitlines()
    assert json.loads(line)["name"] == "isr_record-1"


@pytest.mark.parametrize("url", ["results", "https://host/results", "s3:///results"])
def test_what_is_no_store_is_refused_before_anything_runs(url: str) -> None:
    with pytest.raises(CompileError, match="bad-url"):
        open_outputs(url)


def test_a_bucket_that_is_not_there_is_told_before_anything_runs(moto_store: Store) -> None:
    with pytest.raises(ToolError, match="no-such-bucket-here"):
        open_outputs("s3://no-such-bucket-here/x", lambda url: Access("s3", moto_store.options))
