"""Records joined with what stores hold: what is missing, mis-sized or unreadable, and which copies may be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import verification
from compiler.diagnostics import CompileError, ToolError
from compiler.inputs import State, Verified, inputs_of
from compiler.rubin import QuantumGraph
from compiler.rubin.files import Files
from compiler.upload import upload
from compiler.verification import known_of, verify_inputs
from providers.base import Access, Problem
from providers.storage import Entry, StorageError, default_access
from tests import shapes
from tests.stores import Store

GRAPH = shapes.dark()
PATHS = sorted(file.path for file in GRAPH.files.values())


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo", GRAPH)


def repository(root: Path, graph: QuantumGraph) -> Path:
    for file in graph.files.values():
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode()[:1] * (file.size or 3))
    return root


def of(store: Store) -> Any:
    return lambda url: Access(store.scheme, store.options)


def codes(verified: Verified) -> list[str]:
    return [each.code for each in verified.findings]


def test_inputs_that_are_all_there_have_sizes_sums_and_places(repo: Path, object_store: Store) -> None:
    url = f"{object_store.url}/repo"
    upload(GRAPH, repo, url, access=of(object_store)(url))
    verified = verify_inputs(GRAPH, [f"{url}/"], of(object_store))
    assert codes(verified) == []
    known = known_of(verified)
    path = PATHS[0]
    assert known.urls[f"inputs/{path}"] == [f"{url}/{path}"]
    assert set(known.urls) == {f"inputs/{each}" for each in PATHS}
    assert set(known.sizes.values()) == {10}
    assert known.sha256[f"inputs/{path}"] == hashlib.sha256((repo / path).read_bytes()).hexdigest()
    assert len(known.sha256) == len(PATHS)


def test_an_etag_is_no_checksum(repo: Path, object_store: Store) -> None:
    object_store.put({path: (repo / path).read_bytes() for path in PATHS})
    verified = verify_inputs(GRAPH, [object_store.url], of(object_store))
    assert codes(verified) == []
    assert known_of(verified).sha256 == {}


def test_a_checksum_that_s3_made_itself_is_taken_and_one_of_parts_is_not(repo: Path, moto_store: Store) -> None:
    store = moto_store.fresh()
    for path in PATHS:
        content = (repo / path).read_bytes()
        store.files().pipe_file(f"{store.bucket}/{path}", content, ChecksumAlgorithm="SHA256")
    known = known_of(verify_inputs(GRAPH, [store.url], of(store)))
    assert known.sha256 == {f"inputs/{path}": hashlib.sha256((repo / path).read_bytes()).hexdigest() for path in PATHS}
    from providers.storage.clients import _s3_sha256

    whole = "RNbHZ1ZvNY3vIq5zE2MEhAVNQ3iJZ1qOWxFzw8rMmPY="
    assert _s3_sha256({"ChecksumSHA256": whole, "ChecksumType": "FULL_OBJECT"}) is not None
    assert _s3_sha256({"ChecksumSHA256": whole, "ChecksumType": "COMPOSITE"}) is None
    assert _s3_sha256({"ChecksumSHA256": f"{whole}-3"}) is None


def test_all_that_is_wrong_is_told_in_one_report(repo: Path, object_store: Store) -> None:
    upload(GRAPH, repo, object_store.url, access=of(object_store)(object_store.url))
    files = object_store.files()
    gone, short = PATHS[:7], PATHS[7]
    for path in gone:
        files.rm_file(f"{object_store.bucket}/{path}")
    files.pipe_file(f"{object_store.bucket}/{short}", b"short")
    verified = verify_inputs(GRAPH, [object_store.url], of(object_store))
    told = {each.code: each for each in verified.findings}
    assert set(told) == {"missing-input", "wrong-size"}
    assert sum(each.severity == "error" for each in verified.findings) == len(verified.findings)
    assert {each["file"] for each in verified.to_json()["faults"]} == {*gone, short}
    assert f"{short!r} (5 bytes, recorded 10)" in told["wrong-size"].message
    assert all(each.setting == "inputs_at" for each in verified.findings)


def test_a_file_that_one_place_has_is_not_missing_and_is_taken_from_there(repo: Path, object_store: Store) -> None:
    near, far = f"{object_store.url}/near", f"{object_store.url}/far"
    for url in (near, far):
        upload(GRAPH, repo, url, access=of(object_store)(url))
    object_store.files().rm_file(f"{object_store.bucket}/near/{PATHS[0]}")
    object_store.files().rm_file(f"{object_store.bucket}/far/{PATHS[1]}")
    verified = verify_inputs(GRAPH, [near, far], of(object_store))
    assert codes(verified) == ["fewer-copies", "fewer-copies"]
    urls = known_of(verified).urls
    assert urls[f"inputs/{PATHS[0]}"] == [f"{far}/{PATHS[0]}"]
    assert urls[f"inputs/{PATHS[1]}"] == [f"{near}/{PATHS[1]}"]
    assert urls[f"inputs/{PATHS[2]}"] == [f"{near}/{PATHS[2]}", f"{far}/{PATHS[2]}"]


def test_every_store_that_cannot_be_asked_is_told_at_once(repo: Path, object_store: Store) -> None:
    gone = [f"{object_store.scheme}://no-such-bucket-{n}" for n in range(2)]
    with pytest.raises(ToolError) as caught:
        verify_inputs(GRAPH, [object_store.url, *gone], of(object_store))
    assert [each.code for each in caught.value.findings] == ["no-bucket", "no-bucket"]


def test_a_right_to_read_that_is_missing_is_found_out(seaweed_store: Store, tmp_path: Path) -> None:
    graph = shapes.dark(exposures=8)
    store = seaweed_store.fresh()
    upload(graph, repository(tmp_path, graph), store.url, access=of(store)(store.url))
    verified = verify_inputs(graph, [store.url], of(store.as_user("lister")))
    assert set(codes(verified)) == {"unreadable-input"}
    assert all("you may not read" in (each.help or "") for each in verified.findings)
    assert len(verified.to_json()["faults"]) == len(graph.files)


def test_who_may_read_but_not_list_verifies_too(seaweed_store: Store, repo: Path) -> None:
    store = seaweed_store.fresh()
    upload(GRAPH, repo, store.url, access=of(store)(store.url))
    verified = verify_inputs(GRAPH, [store.url], of(store.as_user("fetcher")))
    assert verified.findings.errors == []
    assert len(known_of(verified).sha256) == len(PATHS)


def test_files_elsewhere_are_looked_for_where_their_records_say(tmp_path: Path, repo: Path) -> None:
    path = PATHS[0]
    other = tmp_path / "other place" / "raw.fits"
    other.parent.mkdir()
    other.write_bytes(b"0123456789")
    graph = with_paths(GRAPH, {path: other.as_uri()})
    verified = verify_inputs(graph, [repo.as_uri()], default_access)
    assert codes(verified) == []
    assert known_of(verified).urls[other.as_uri()] == [other.as_uri()]
    other.unlink()
    (told,) = verify_inputs(graph, [repo.as_uri()], default_access).findings
    assert told.code == "missing-input"
    assert "raw.fits" in told.message


def with_paths(graph: QuantumGraph, moved: dict[str, str]) -> QuantumGraph:
    files = graph.files
    return replace(graph, files=replace(files, paths=[moved.get(each, each) for each in files.paths]))


def test_a_member_of_an_archive_is_looked_for_as_its_archive(repo: Path) -> None:
    path = PATHS[0]
    graph = with_paths(GRAPH, {path: f"{path}.zip#unzip=a/b.json"})
    (repo / f"{path}.zip").write_bytes(b"another size than the member's")
    assert codes(verify_inputs(graph, [repo.as_uri()], default_access)) == []


def test_a_graph_without_records_cannot_be_verified(repo: Path) -> None:
    with pytest.raises(CompileError, match="no-records"):
        verify_inputs(replace(GRAPH, files=Files.of({})), [repo.as_uri()], default_access)


class Held:
    """A store in memory, whose files may be in an archive or be refused."""

    lists: ClassVar[bool] = True
    files: Any = None

    def __init__(self, url: str, held: dict[str, Entry], refused: frozenset[str] = frozenset()) -> None:
        self.url, self._held, self._refused = url, held, refused

    def path(self, key: str) -> str:
        return key

    def pages(self, below: str = "") -> Iterator[list[Entry]]:
        yield [each for key, each in self._held.items() if key.startswith(below)]

    def about(self, key: str) -> Entry | None:
        return self._held.get(key)

    def read_a_byte(self, key: str) -> None:
        if key in self._refused:
            raise StorageError(Problem("no-permission", "you may not"))

    def put(self, file: Path, key: str, sha256: str) -> None:
        raise NotImplementedError


@contextmanager
def stores(**held: Held) -> Iterator[list[str]]:
    by_url = {each.url: each for each in held.values()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "open_client", lambda url, access: by_url[url])
        yield list(by_url)


SUMS = st.none() | st.sampled_from(["a" * 64, "b" * 64])
THERE = st.dictionaries(
    st.sampled_from(PATHS), st.tuples(st.sampled_from([10, 10, 10, 11]), st.booleans(), SUMS), max_size=len(PATHS)
)


@given(THERE, THERE)
def test_what_is_told_is_exactly_what_is_wrong(
    near: dict[str, tuple[int, bool, str | None]], far: dict[str, tuple[int, bool, str | None]]
) -> None:
    def entries(there: dict[str, tuple[int, bool, str | None]]) -> dict[str, Entry]:
        return {key: Entry(key, size, sha256, archived) for key, (size, archived, sha256) in there.items()}

    with stores(near=Held("s3://near", entries(near)), far=Held("s3://far", entries(far))) as urls:
        verified = verify_inputs(GRAPH, urls, default_access)
    good = {
        path: [f"s3://{name}/{path}" for name, there in (("near", near), ("far", far)) if fits(there.get(path))]
        for path in PATHS
    }
    assert {each["file"] for each in verified.to_json()["faults"]} == {path for path in PATHS if not good[path]}
    assert bool(verified.findings.errors) == (not all(good.values()))
    missing = {each["file"] for each in verified.to_json()["faults"] if each["code"] == "missing-input"}
    assert missing == set(PATHS) - set(near) - set(far)
    known = known_of(verified)
    assert set(known.urls) == {f"inputs/{path}" for path in PATHS if good[path]}
    for path in PATHS:
        if not good[path]:
            continue
        sums = [there[path][2] for there in (near, far) if fits(there.get(path)) and there[path][2]]
        copies = known.urls[f"inputs/{path}"]
        # Of two that differ the preferred one stays.
        assert copies == (good[path][:1] if len(set(sums)) > 1 else good[path])
        assert known.sha256.get(f"inputs/{path}") == (sums[0] if sums else None)


def fits(there: tuple[int, bool, str | None] | None) -> bool:
    return there is not None and there[0] == 10 and not there[1]


def test_one_file_of_each_dataset_type_is_read() -> None:
    inputs = inputs_of(GRAPH)
    names = [each.name for each in GRAPH.dataset_types]
    first = {names[kind]: path for kind, path in reversed(list(zip(inputs.types.tolist(), inputs.paths, strict=True)))}
    refused = frozenset([next(iter(first.values()))])
    held = {path: Entry(path, 10) for path in PATHS}
    with stores(one=Held("s3://one", held, refused)) as urls:
        verified = verify_inputs(GRAPH, urls, default_access)
    bad = {name for name, path in first.items() if path in refused}
    told = verified.to_json()["faults"]
    assert {each["dataset_type"] for each in told} == bad
    assert {each["code"] for each in told} == {"unreadable-input"}
    assert "you may not" in (verified.findings.items[0].help or "")
    assert (verified.states() == State.UNREADABLE).sum() == len(told)


def test_long_lists_are_cut_short_and_told_in_full_to_programs() -> None:
    with stores(one=Held("s3://one", {})) as urls:
        verified = verify_inputs(GRAPH, urls, default_access)
    assert len(verified.to_json()["faults"]) == len(PATHS)
    for each in verified.findings:
        assert each.message.count(".json'") <= 5
