"""Overall inputs are copied to a store under their own paths, once, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler import upload as uploading
from compiler.diagnostics import CompileError, ToolError
from compiler.rubin import QuantumGraph
from compiler.upload import Uploaded, upload
from providers.base import Access
from providers.storage import open_client
from tests import shapes
from tests.stores import Store


@pytest.fixture
def graph() -> QuantumGraph:
    return shapes.dark()


@pytest.fixture
def repo(tmp_path: Path, graph: QuantumGraph) -> Path:
    for file in graph.files.values():
        path = tmp_path / "repo" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (file.size or 0))
    (tmp_path / "repo" / "unrelated").write_text("stays")
    return tmp_path / "repo"


def access(store: Store) -> Access:
    return Access(store.scheme, store.options)


def total(graph: QuantumGraph) -> int:
    return sum(file.size or 0 for file in graph.files.values())


def some(graph: QuantumGraph) -> str:
    return next(iter(graph.files.values())).path


def test_every_input_arrives_under_its_own_path_and_nothing_else(
    graph: QuantumGraph, repo: Path, object_store: Store
) -> None:
    seen: list[tuple[int, int | None]] = []
    done = upload(graph, repo, f"{object_store.url}/one/", lambda *now: seen.append(now), access(object_store))
    count = len(graph.files)
    assert done == Uploaded(copied=count, skipped=0, bytes=total(graph), elsewhere=0, bytes_there=0)
    base = f"{object_store.bucket}/one"
    found = {path.removeprefix(f"{base}/") for path in object_store.files().find(base)}
    assert found == {file.path for file in graph.files.values()}
    path = some(graph)
    assert object_store.files().cat_file(f"{base}/{path}") == (repo / path).read_bytes()
    assert seen[-1] == (count, count)


def test_what_is_there_with_its_size_is_skipped_and_what_is_not_is_copied(
    graph: QuantumGraph, repo: Path, object_store: Store
) -> None:
    upload(graph, repo, object_store.url, access=access(object_store))
    path = some(graph)
    object_store.put({path: b"cut sho"})
    done = upload(graph, repo, object_store.url, access=access(object_store))
    size = (repo / path).stat().st_size
    assert (done.copied, done.skipped, done.bytes) == (1, len(graph.files) - 1, size)
    assert done.bytes_there == total(graph) - size
    assert upload(graph, repo, object_store.url, access=access(object_store)).copied == 0


def test_an_object_carries_the_sum_of_what_was_read(graph: QuantumGraph, repo: Path, object_store: Store) -> None:
    upload(graph, repo, object_store.url, access=access(object_store))
    found = open_client(object_store.url, access(object_store)).about(some(graph))
    assert found is not None
    assert found.sha256 == hashlib.sha256((repo / some(graph)).read_bytes()).hexdigest()


def test_a_large_file_goes_in_parts_and_keeps_its_sum(
    graph: QuantumGraph, repo: Path, seaweed_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from providers.storage import clients

    monkeypatch.setattr(clients, "_PART", 5 * 2**20)  # S3's least
    monkeypatch.setattr(uploading, "_SMALL", 2**20)
    path = some(graph)
    content = b"0123456789abcdef" * (12 * 2**16 + 1)
    (repo / path).write_bytes(content)
    sizes = graph.files.sizes.copy()
    sizes[list(graph.files.paths).index(path)] = len(content)
    larger = replace(graph, files=replace(graph.files, sizes=sizes))
    store = seaweed_store.fresh()
    assert upload(larger, repo, store.url, access=access(store)).bytes == int(sizes.sum())
    assert store.files().cat_file(f"{store.bucket}/{path}") == content
    assert "-3" in store.files().info(f"{store.bucket}/{path}")["ETag"]
    found = open_client(store.url, access(store)).about(path)
    assert found is not None
    assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_a_copy_in_parts_that_fails_leaves_nothing(
    graph: QuantumGraph, repo: Path, moto_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs import S3FileSystem

    from providers.storage import clients

    async def broken(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("the line went dead")

    monkeypatch.setattr(clients, "_PART", 5 * 2**20)
    monkeypatch.setattr(uploading, "_SMALL", 2**20)
    monkeypatch.setattr(S3FileSystem, "_upload_file_part_concurrent", broken)
    path = some(graph)
    (repo / path).write_bytes(b"x" * (11 * 2**20))
    sizes = graph.files.sizes.copy()
    sizes[list(graph.files.paths).index(path)] = 11 * 2**20
    store = moto_store.fresh()
    with pytest.raises(ToolError, match="unreachable-store") as caught:
        upload(replace(graph, files=replace(graph.files, sizes=sizes)), repo, store.url, access=access(store))
    assert path in str(caught.value)
    assert f"{store.bucket}/{path}" not in store.files().find(store.bucket)
    assert "Uploads" not in store.files().call_s3("list_multipart_uploads", Bucket=store.bucket)
    assert len(store.files().find(store.bucket)) == len(graph.files) - 1


def test_a_folder_takes_files_whole(
    graph: QuantumGraph, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from providers.storage import clients

    target = tmp_path / "store"

    def interrupted(source: Path, draft: Path) -> None:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(clients.shutil, "copyfile", interrupted)
        with pytest.raises(KeyboardInterrupt):
            upload(graph, repo, target.as_uri())
    assert [each for each in target.rglob("*") if each.is_file()] == []
    assert upload(graph, repo, target.as_uri()).copied == len(graph.files)
    assert upload(graph, repo, target.as_uri()).skipped == len(graph.files)


def test_missing_files_are_all_told_before_anything_is_copied(
    graph: QuantumGraph, repo: Path, moto_store: Store
) -> None:
    store = moto_store.fresh()
    for file in list(graph.files.values())[:2]:
        (repo / file.path).unlink()
    with pytest.raises(CompileError) as caught:
        upload(graph, repo, store.url, access=access(store))
    assert [each.code for each in caught.value.findings] == ["missing-input"] * 2
    assert store.files().find(store.bucket) == []


def test_a_file_that_is_not_as_large_as_recorded_is_told(graph: QuantumGraph, repo: Path, moto_store: Store) -> None:
    (repo / some(graph)).write_bytes(b"another size")
    with pytest.raises(CompileError, match=r"wrong-size.* has 12 bytes"):
        upload(graph, repo, moto_store.url, access=access(moto_store))


def test_who_may_not_write_is_told_once_with_the_right_that_is_missing(
    graph: QuantumGraph, repo: Path, seaweed_store: Store
) -> None:
    store = seaweed_store.fresh()
    with pytest.raises(ToolError) as caught:
        upload(graph, repo, store.url, access=access(store.as_user("reader")))
    (told,) = caught.value.findings
    assert told.code == "no-permission"
    assert told.message.startswith(f"0 of {len(graph.files)} files were copied")
    assert "s3:PutObject" in (told.help or "")


def test_a_bucket_that_is_not_there_is_told(graph: QuantumGraph, repo: Path, object_store: Store) -> None:
    with pytest.raises(ToolError) as caught:
        upload(graph, repo, f"{object_store.scheme}://no-such-bucket/x", access=access(object_store))
    assert [each.code for each in caught.value.findings] == ["no-bucket"]


@pytest.mark.parametrize("url", ["survey/x", "nonsense://x", "s3://", "s3:///x"])
def test_what_is_no_store_is_a_finding(graph: QuantumGraph, repo: Path, url: str) -> None:
    with pytest.raises(CompileError, match="bad-url"):
        upload(graph, repo, url)


def test_a_web_server_takes_nothing(graph: QuantumGraph, repo: Path) -> None:
    with pytest.raises(CompileError, match="bad-url"):
        upload(graph, repo, "http://127.0.0.1:1/x")


def test_a_graph_without_records_says_how_to_build_one(repo: Path) -> None:
    graph = replace(shapes.dark(), files=type(shapes.dark().files).of({}))
    with pytest.raises(CompileError, match="no-records"):
        upload(graph, repo, "s3://survey/x")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Nothing of a user's own configuration reaches the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST"):
            patch.delenv(name, raising=False)
        yield
