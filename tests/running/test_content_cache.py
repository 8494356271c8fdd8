"""Files from stores are fetched once, and are there whole or not at all."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.engines.content_cache import ContentCache
from compiler.engines.stores import Stores
from providers.base import Access
from providers.storage import Entry, StorageError
from tests.stores import Store


class Counting(Stores):
    """Stores that count what is read; between the question and the reading, something may happen."""

    def __init__(self, access: Callable[[str], Access], meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__(access)
        self.read = 0
        self._meanwhile = meanwhile

    def get(self, url: str, file: Path) -> None:
        self.read += 1
        super().get(url, file)
        self._meanwhile()


class Forgetful(Counting):
    """Stores that have no mark by which a change shows."""

    def look(self, url: str) -> Entry:
        return replace(super().look(url), version=None)


@pytest.fixture
def store(moto_store: Store) -> Store:
    made = moto_store.fresh()
    made.put({"raw/a b+c.fits": b"one", "raw/again": b"one", "raw/other": b"two"})
    return made


def _access(store: Store) -> Callable[[str], Access]:
    return lambda url: Access("s3", store.options)


def _left(cache: ContentCache) -> list[str]:
    return [each.name for each in (cache.folder / "partial").iterdir() if each.suffix != ".lock"]


def test_an_object_is_fetched_once_whoever_asks_and_however_often(store: Store, tmp_path: Path) -> None:
    stores = Counting(_access(store))
    url = f"{store.url}/raw/a%20b%2Bc.fits"
    caches = [ContentCache(tmp_path, stores) for _ in range(8)]  # as of so many processes: they share the folder alone
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda cache: cache.file(url), caches))
    (file,) = found
    assert file.read_bytes() == b"one"
    assert file.name == hashlib.sha256(b"one").hexdigest()
    assert stores.read == 1
    assert sum(each.fetched for each in caches) == 1
    assert _left(caches[0]) == []


def test_equal_contents_are_stored_once(store: Store, tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, Counting(_access(store)))
    one, again, other = cache.files([f"{store.url}/raw/{each}" for each in ("a%20b%2Bc.fits", "again", "other")])
    assert one == again != other
    assert len([each for each in (tmp_path / "content").rglob("*") if each.is_file()]) == 2


def test_an_object_that_changed_since_is_fetched_again(store: Store, tmp_path: Path) -> None:
    url = f"{store.url}/raw/other"
    stores = Counting(_access(store))
    ContentCache(tmp_path, stores).file(url)
    store.put({"raw/other": b"owt"})  # of the same size
    assert ContentCache(tmp_path, stores).file(url).read_bytes() == b"owt"
    store.put({"raw/other": b"two"})
    assert ContentCache(tmp_path, stores).file(url).read_bytes() == b"two"
    assert stores.read == 2, "the first content is still there"


def test_what_shows_no_change_is_fetched_by_every_run(store: Store, tmp_path: Path) -> None:
    stores = Forgetful(_access(store))
    for _ in range(2):
        cache = ContentCache(tmp_path, stores)
        assert cache.file(f"{store.url}/raw/other") == cache.file(f"{store.url}/raw/other")
    assert stores.read == 2


def test_an_object_that_changes_while_it_is_read_is_refused_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, Counting(_access(store), lambda: store.put({"raw/other": b"owt"})))
    with pytest.raises(StorageError, match="changed while it was read"):
        cache.file(f"{store.url}/raw/other")
    assert list((tmp_path / "content").rglob("*")) == []
    assert _left(cache) == []


def test_a_file_that_is_not_as_it_was_uploaded_is_refused(store: Store, tmp_path: Path) -> None:
    other = hashlib.sha256(b"what was meant").hexdigest()
    store.files().pipe_file(f"{store.bucket}/damaged", b"what arrived", Metadata={"rubincwl-sha256": other})
    with pytest.raises(StorageError, match="is not what was uploaded"):
        ContentCache(tmp_path, Stores(_access(store))).file(f"{store.url}/damaged")


def test_what_is_not_there_is_told_by_its_url(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"there is no '{store.url}/raw/none'") as error:
        ContentCache(tmp_path, Stores(_access(store))).file(f"{store.url}/raw/none")
    assert error.value.absent


def _fetch_and_hang(folder: Path, store: Store, began: str) -> None:
    def hang() -> None:
        Path(began).touch()
        time.sleep(60)

    ContentCache(folder, Counting(_access(store), hang)).file(f"{store.url}/raw/other")


def test_a_fetch_that_is_killed_leaves_no_half_file_and_holds_nobody_up(store: Store, tmp_path: Path) -> None:
    folder, began = tmp_path / "cache", tmp_path / "began"
    child = multiprocessing.get_context("spawn").Process(target=_fetch_and_hang, args=(folder, store, str(began)))
    child.start()
    while not began.exists():
        assert child.is_alive()
        time.sleep(0.02)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not any(each.is_file() for each in (folder / "content").rglob("*"))
    cache = ContentCache(folder, Stores(_access(store)))
    assert _left(cache) == [], "swept"
    assert cache.file(f"{store.url}/raw/other").read_bytes() == b"two"
