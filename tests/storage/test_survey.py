"""Listing and looking for files, in real stores and in one that lists in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import Access
from providers.storage import ABSENT, UNKNOWN, Entry, default_access, list_files, open_client, survey
from tests.stores import Store

KEYS = [f"raw/2026 11/{n % 3}/a+b={n}~ü.fits" for n in range(45)]


def of(store: Store) -> Access:
    return Access(store.scheme, store.options)


def sizes(keys: list[str]) -> dict[str, bytes]:
    return {key: b"x" * number for number, key in enumerate(keys)}


def test_a_listing_tells_every_path_and_size_below_the_url_and_no_more(object_store: Store) -> None:
    object_store.put({f"repo/{key}": content for key, content in sizes(KEYS).items()})
    object_store.put({"repository": b"1", "repo2/x": b"1"})
    seen: list[tuple[int, int | None]] = []
    found = list_files(f"{object_store.url}/repo/", of(object_store), lambda *now: seen.append(now))
    assert dict(zip(found.paths, found.sizes.tolist(), strict=True)) == {key: n for n, key in enumerate(KEYS)}
    assert seen[-1] == (45, None)


def test_a_listing_goes_on_behind_its_first_page(object_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from providers.storage import clients

    monkeypatch.setattr(clients, "_PAGE", 10)
    object_store.put(sizes(KEYS))
    client = open_client(object_store.url, of(object_store))
    pages = [[each.path for each in page] for page in client.pages("raw/2026 11/")]
    assert max(map(len, pages)) <= 10
    assert sorted(path for page in pages for path in page) == sorted(KEYS)


def test_a_prefix_that_nothing_has_is_an_empty_listing(object_store: Store) -> None:
    assert len(list_files(f"{object_store.url}/nothing", of(object_store))) == 0


@pytest.mark.parametrize("count", [3, 45])
def test_a_survey_tells_what_is_there_and_how_large(object_store: Store, count: int) -> None:
    object_store.put(sizes(KEYS))
    wanted = [*KEYS[:count], "raw/2026 11/0/nothing", "raw/2026 11", "elsewhere/a"]
    found = survey(open_client(object_store.url, of(object_store)), wanted)
    assert found.sizes.tolist() == [*range(count), ABSENT, ABSENT, ABSENT]
    assert not found.refused.any()


def test_many_files_take_few_requests(object_store: Store) -> None:
    object_store.put(sizes(KEYS))
    assert survey(open_client(object_store.url, of(object_store)), KEYS).requests == 1


def test_a_folder_is_listed_and_surveyed_the_same(tmp_path: Path) -> None:
    for key, content in sizes(KEYS).items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(content)
    url = tmp_path.as_uri()
    found = list_files(url, default_access(url))
    assert sorted(found.paths) == sorted(KEYS)
    wanted = [*KEYS, "raw/nothing", "raw"]
    assert survey(open_client(url, default_access(url)), wanted).sizes.tolist() == [*range(45), ABSENT, ABSENT]
    assert len(list_files(f"{url}/nothing", default_access(f"{url}/nothing"))) == 0


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server over the folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_files_on_the_web_are_asked_for_one_by_one(tmp_path: Path, web: str) -> None:
    for key in KEYS:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(b"123")
    found = survey(open_client(web, default_access(web)), [*KEYS, "raw/nothing"])
    assert found.sizes.tolist() == [3] * 45 + [ABSENT]


@dataclass
class Shuffled:
    """A store in memory that lists in no order, in pages of any length."""

    held: dict[str, int]
    page: int
    url: str = "s3://memory"
    files: Any = None
    asked: int = 0
    lists: ClassVar[bool] = True

    def path(self, key: str) -> str:
        return key

    def pages(self, below: str = "") -> Iterator[list[Entry]]:
        found = sorted((Entry(key, size) for key, size in self.held.items() if key.startswith(below)), key=hash)
        for start in range(0, max(len(found), 1), self.page):
            self.asked += 1
            yield found[start : start + self.page]

    def about(self, key: str) -> Entry | None:
        self.asked += 1
        return Entry(key, self.held[key]) if key in self.held else None

    def read_a_byte(self, key: str) -> None:
        assert key in self.held

    def put(self, file: Path, key: str, sha256: str) -> None:
        raise NotImplementedError


FOLDERS = st.sampled_from(["", "raw/", "raw/a/", "raw/a b/", "raw-1/", "u/x/y/z/", "calib/bias/"])
KEY = st.tuples(FOLDERS, st.integers(0, 80)).map(lambda each: f"{each[0]}{each[1]}")


@given(
    st.dictionaries(KEY, st.integers(0, 5) | st.just(UNKNOWN), max_size=120),
    st.sets(KEY, max_size=120),
    st.integers(1, 7),
)
def test_a_survey_finds_exactly_what_is_there(held: dict[str, int], others: set[str], page: int) -> None:
    wanted = sorted(others | set(list(held)[::2]))
    found = survey(Shuffled(held, page), wanted)
    assert found.sizes.tolist() == [held.get(key, ABSENT) for key in wanted]
    assert not found.refused.any()


def test_sparse_files_are_not_looked_for_in_all_that_is_there() -> None:
    held = {f"u/run{n % 50}/x/{n}": n for n in range(20_000)}
    wanted = [f"u/run{n}/x/{n}" for n in range(30)]
    store = Shuffled(held, 1000)
    found = survey(store, wanted)
    assert found.sizes.tolist() == list(range(30))
    assert store.asked <= 35
