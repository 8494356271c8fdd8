"""A folder of files fetched from object stores, each stored once under what it contains.

```
FOLDER/content/ab/abcdef…   the files, named by their SHA-256, read-only
FOLDER/seen/…               for an object (URL, size, version): the SHA-256 of what it contained
FOLDER/partial/…            fetches under way
```

Several threads, processes and runs may share a folder: an object is fetched by one, the others wait for it. A file is
in ``content`` whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from compiler.engines.stores import Stores
from providers.base import Problem
from providers.storage import Entry, StorageError

_AT_ONCE = 16
"""Fetches under way for one job: enough to hide a store's answer times."""


class ContentCache:
    """Files of `stores` in `folder`."""

    def __init__(self, folder: Path, stores: Stores) -> None:
        self.folder = folder
        self.fetched = 0
        """Objects fetched so far, and their bytes."""
        self.bytes = 0
        self._stores = stores
        self._seen: dict[str, Entry] = {}
        self._here: dict[str, Path] = {}
        self._lock = Lock()
        for each in ("content", "seen", "partial"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        self._sweep()

    def look(self, url: str) -> Entry:
        """What the store says of the object. Raises `StorageError`."""
        if url not in self._seen:
            self._seen[url] = self._stores.look(url)
        return self._seen[url]

    def file(self, url: str) -> Path:
        """The object's content on this machine, fetched if it is not there yet. Raises `StorageError`."""
        found = self._here.get(url)
        if found is not None:
            return found
        seen = self.look(url)
        key = hashlib.sha256(f"{url}\n{seen.size}\n{seen.version}".encode()).hexdigest()
        with self._alone(key):
            found = self._here.get(url) or self._known(key, seen) or self._fetch(url, key, seen)
        self._here[url] = found
        return found

    def files(self, urls: Iterable[str]) -> list[Path]:
        """The contents of several objects, fetched side by side."""
        wanted = list(urls)
        if all(url in self._here for url in wanted):
            return [self._here[url] for url in wanted]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.file, wanted))

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """While nobody else fetches the object, in this process or another; the system ends the lock of a dead one."""
        with self._lock_of(key).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _lock_of(self, key: str) -> Path:
        # Few files for many objects; two that share one wait for each other, which costs little.
        return self.folder / "partial" / f"{key[:3]}.lock"

    def _sweep(self) -> None:
        """Remove what fetches that were killed left behind."""
        for each in (self.folder / "partial").iterdir():
            if each.suffix == ".lock":
                continue
            with self._lock_of(each.name).open("a") as lock, suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                each.unlink(missing_ok=True)

    def _known(self, key: str, seen: Entry) -> Path | None:
        if seen.version is None:  # the object may have changed and look the same
            return None
        try:
            digest = (self.folder / "seen" / key).read_text(encoding="ascii")
            found = self._place(digest)
            return found if found.stat().st_size == seen.size else None
        except OSError:
            return None

    def _fetch(self, url: str, key: str, seen: Entry) -> Path:
        part = self.folder / "partial" / key
        part.unlink(missing_ok=True)
        try:
            self._stores.get(url, part)
            size = part.stat().st_size
            if size != seen.size or self._stores.look(url) != seen:
                raise StorageError(Problem("input-changed", f"'{url}' changed while it was read", "run again"))
            with part.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if seen.sha256 not in (None, digest):
                raise StorageError(Problem("damaged-input", f"'{url}' is not what was uploaded: other SHA-256"))
            place = self._place(digest)
            place.parent.mkdir(exist_ok=True)
            part.chmod(0o444)  # jobs see it through a link
            part.replace(place)
            note = part.with_suffix(".seen")
            note.write_text(digest, encoding="ascii")
            note.replace(self.folder / "seen" / key)
        finally:
            part.unlink(missing_ok=True)
        with self._lock:
            self.fetched += 1
            self.bytes += size
        return place

    def _place(self, digest: str) -> Path:
        return self.folder / "content" / digest[:2] / digest
