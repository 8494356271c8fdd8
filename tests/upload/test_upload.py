"""Overall inputs are copied to an object store under their own paths, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.diagnostics import CompileError, ToolError
from compiler.rubin import QuantumGraph
from compiler.upload import Uploaded, upload
from tests import shapes

pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, Any]]:
    """Options of an S3 store on this machine with the bucket ``survey``."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "k", "secret": "s", "endpoint_url": f"http://{host}:{port}"}
    files(options).mkdir("survey")
    yield options
    server.stop()


def files(options: dict[str, Any]) -> Any:
    import s3fs

    return s3fs.S3FileSystem(**options, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def graph() -> QuantumGraph:
    return shapes.dark()


@pytest.fixture
def repo(tmp_path: Path, graph: QuantumGraph) -> Path:
    for number, file in enumerate(graph.files.values()):
        path = tmp_path / "repo" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (number + 1))
    (tmp_path / "repo" / "unrelated").write_text("stays")
    return tmp_path / "repo"


def test_every_input_arrives_under_its_own_path_and_nothing_else(
    graph: QuantumGraph, repo: Path, store: dict[str, Any]
) -> None:
    seen: list[tuple[int, int]] = []
    done = upload(graph, repo, "s3://survey/one/", lambda *now: seen.append(now), store)
    count = len(graph.files)
    assert done == Uploaded(copied=count, skipped=0, bytes=count * (count + 1) // 2, elsewhere=0)
    found = {path.removeprefix("survey/one/") for path in files(store).find("survey/one")}
    assert found == {file.path for file in graph.files.values()}
    some = next(iter(graph.files.values())).path
    assert files(store).cat(f"survey/one/{some}") == (repo / some).read_bytes()
    assert seen[-1] == (count, count)


def test_what_is_there_with_its_size_is_skipped_and_what_changed_is_copied(
    graph: QuantumGraph, repo: Path, store: dict[str, Any]
) -> None:
    upload(graph, repo, "s3://survey/two", options=store)
    some = next(iter(graph.files.values())).path
    (repo / some).write_bytes(b"another size")
    done = upload(graph, repo, "s3://survey/two", options=store)
    assert (done.copied, done.skipped, done.bytes) == (1, len(graph.files) - 1, 12)
    assert upload(graph, repo, "s3://survey/two", options=store).copied == 0


def test_missing_files_are_all_told_before_anything_is_copied(
    graph: QuantumGraph, repo: Path, store: dict[str, Any]
) -> None:
    for file in list(graph.files.values())[:2]:
        (repo / file.path).unlink()
    with pytest.raises(CompileError) as caught:
        upload(graph, repo, "s3://survey/three", options=store)
    assert [each.code for each in caught.value.findings] == ["missing-input"] * 2
    assert files(store).find("survey/three") == []


def test_a_bucket_that_is_not_there_is_told(graph: QuantumGraph, repo: Path, store: dict[str, Any]) -> None:
    with pytest.raises(ToolError) as caught:
        upload(graph, repo, "s3://no-such-bucket/x", options=store)
    assert {each.code for each in caught.value.findings} <= {"store-refused", "upload-failed"}


@pytest.mark.parametrize("url", ["survey/x", "nonsense://x"])
def test_what_is_no_store_is_a_finding(graph: QuantumGraph, repo: Path, url: str) -> None:
    with pytest.raises(CompileError, match="bad-url"):
        upload(graph, repo, url)


def test_a_graph_without_records_says_how_to_build_one(repo: Path) -> None:
    graph = replace(shapes.dark(), files={})
    with pytest.raises(CompileError, match="no-records"):
        upload(graph, repo, "s3://survey/x")


def test_another_store_works_the_same(graph: QuantumGraph, repo: Path, tmp_path: Path) -> None:
    target = tmp_path / "store"
    done = upload(graph, repo, target.as_uri(), options={"auto_mkdir": True})
    assert done.copied == len(graph.files)
    assert upload(graph, repo, target.as_uri(), options={"auto_mkdir": True}).skipped == len(graph.files)
