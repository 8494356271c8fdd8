"""A store copies within itself, and what is there already is known again."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.delivery.copying import Copies, environment
from compiler.delivery.predicted import Output
from compiler.delivery.staged import File
from compiler.diagnostics import ToolError
from providers.base import Access
from providers.storage import open_client
from tests.running.counting import counted
from tests.stores import Store

CONTENT = b"a dark, in truth"


def _file(store: Store, name: str, content: bytes, sha256: bool = True, key: str | None = None) -> File:
    """An output that belongs under the name ``repo/NAME`` of the store."""
    target = SimpleNamespace(netloc=f"profile@{store.bucket}", relativeToPathRoot=key or f"repo/{name}")
    sum = hashlib.sha256(content).hexdigest() if sha256 else None
    return File(Output(name, SimpleNamespace(id=name), target), len(content), sum)


def _copies(store: Store, files: list[File]) -> Copies:
    access = Access(store.scheme, store.options)
    return Copies(open_client(f"{store.url}/results", access), files, access)


def _there(store: Store, name: str) -> bytes:
    return bytes(store.files().cat_file(f"{store.bucket}/repo/{name}"))


@pytest.mark.parametrize("sha256", [True, False])
def test_what_was_copied_is_known_to_be_there(object_store: Store, sha256: bool) -> None:
    names = ["dark-1", "raw-MockCam+2d1-0"]
    object_store.put({f"results/{name}": CONTENT for name in names})
    files = [_file(object_store, name, CONTENT, sha256) for name in names]
    with counted(object_store) as (store, passed):
        first = _copies(store, files)
        first.run(first.none)
        second = _copies(store, files)
    assert (first.none, first.other, first.doubtful) == (files, [], [])
    assert (second.none, second.other, second.doubtful) == ([], [], [])
    assert [_there(object_store, name) for name in names] == [CONTENT] * 2
    assert passed.reads() == []
    assert all(CONTENT not in each.path.encode() for each in passed.requests)


def test_other_content_of_equal_size_is_told_by_its_sum(object_store: Store) -> None:
    object_store.put({"results/dark": CONTENT})
    before = _copies(object_store, [_file(object_store, "dark", CONTENT)])
    before.run(before.none)
    other = CONTENT[::-1]
    object_store.put({"results/dark": other})
    file = _file(object_store, "dark", other)
    after = _copies(object_store, [file])
    assert after.other == [file]
    after.run(after.other)
    assert _there(object_store, "dark") == other
    assert _copies(object_store, [file]).other == []


def test_where_no_sum_tells_equal_sizes_are_in_doubt(moto_store: Store) -> None:
    store = moto_store.fresh()
    store.put({"results/dark": CONTENT, "repo/dark": CONTENT[::-1]})  # of S3's ETags only equal ones tell anything
    file = _file(store, "dark", CONTENT, sha256=False)
    assert _copies(store, [file]).doubtful == [file]


def test_large_files_are_copied_in_parts_with_their_sum(moto_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    core = pytest.importorskip("s3fs.core")
    monkeypatch.setattr(core, "MANAGED_COPY_THRESHOLD", 6 * 2**20)
    store = moto_store.fresh()
    content = bytes(7 * 2**20)
    name = "coadd-0+2c5"
    store.put({f"results/{name}": content})
    file = _file(store, name, content)
    with counted(store) as (counting, passed):
        copies = _copies(counting, [file])
        copies.run(copies.none)
    assert _there(store, name) == content
    assert any("uploadId" in each.query and each.method == "PUT" for each in passed.requests), "in parts"
    assert max(each.sent for each in passed.requests) < 10_000
    again = _copies(store, [file])
    assert (again.none, again.other, again.doubtful) == ([], [], [])


def test_files_that_the_store_does_not_copy_are_told_by_name_and_the_others_are_copied(object_store: Store) -> None:
    object_store.put({"results/dark-1": CONTENT})
    files = [_file(object_store, name, CONTENT) for name in ("dark-1", "dark-2")]
    copies = _copies(object_store, files)
    with pytest.raises(ToolError, match="copy-failed") as error:
        copies.run(copies.none)
    (finding,) = error.value.findings
    assert finding.message.startswith("dark-2 was not copied to")
    assert _there(object_store, "dark-1") == CONTENT


@pytest.mark.parametrize(
    ("access", "variables"),
    [
        (
            Access("s3", {"endpoint_url": "https://s3.site.org", "profile": "night"}),
            {
                "S3_ENDPOINT_URL": "https://s3.site.org",
                "AWS_ENDPOINT_URL_S3": "https://s3.site.org",
                "AWS_PROFILE": "night",
            },
        ),
        (Access("s3", {"key": "k", "secret": "s"}), {}),
        (Access("gs", {"token": "google_default"}), {}),
    ],
)
def test_the_middleware_is_told_how_to_reach_the_store_and_no_secret(access: Access, variables: Any) -> None:
    assert environment(access) == variables
