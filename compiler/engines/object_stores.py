"""Object stores as fsspec reaches them, with the options that a target's provider names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit


class StoreError(OSError):
    """A store that cannot be reached or refuses; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a store says of an object before it is read."""

    size: int
    version: str | None
    """Changes whenever the object does (an ETag, a generation). A mark, no checksum; None if the store has none."""


@dataclass
class Stores:
    """Every store that a run reads from or writes to."""

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of fsspec's file systems by protocol; what is not said comes from the environment."""
    _open: dict[str, Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def find(self, url: str) -> tuple[Any, str]:
        """fsspec's file system for `url`, and the path in it. Raises `StoreError` if there is no client."""
        import fsspec

        scheme = urlsplit(url).scheme
        with self._lock:
            if scheme not in self._open:
                try:
                    kind = fsspec.get_filesystem_class(scheme)
                except (ImportError, ValueError) as error:
                    raise StoreError(f"no client for '{url}': {error}") from error
                # Nothing that a client remembers from before may stand for what the store holds now.
                options = {"use_listings_cache": False, "skip_instance_cache": True, **self.options.get(scheme, {})}
                self._open[scheme] = kind(**options)
            files = self._open[scheme]
        # A location is a URI, a key is not; web servers want the URI.
        return files, url if scheme in ("http", "https") else unquote(url.partition("://")[2])

    def look(self, url: str) -> Seen:
        """What the store says of the object at `url`. Raises `StoreError`, whose cause is a `FileNotFoundError` if
        there is none."""
        files, path = self.find(url)
        try:
            about = files.info(path)
        except Exception as error:  # what a store's client raises is its own business
            raise StoreError(f"'{url}' cannot be read: {in_words(error)}") from error
        if about.get("type") == "directory" or about.get("size") is None:
            raise StoreError(f"'{url}' cannot be read: it is no file of known size")
        return Seen(int(about["size"]), version(about))

    def get(self, url: str, file: Path) -> None:
        """Copy the object at `url` to `file`. Raises `StoreError`."""
        files, path = self.find(url)
        try:
            files.get_file(path, str(file))
        except Exception as error:  # as above
            raise StoreError(f"'{url}' cannot be read: {in_words(error)}") from error


def is_remote(location: str) -> bool:
    """Whether a file's location is in a store and not on this machine."""
    return urlsplit(location).scheme not in ("", "file", "_")


def version(about: Mapping[str, Any]) -> str | None:
    """The mark by which fsspec's clients for S3, Google Cloud Storage and the web tell that an object has changed."""
    for names in (("generation", "metageneration"), ("ETag",), ("etag",), ("Last-Modified",)):
        found = [str(about[name]) for name in names if about.get(name)]
        if found:
            return json.dumps(found)
    return None


def in_words(error: BaseException) -> str:
    """What a store's client says, in one line; some say nothing but their name."""
    if isinstance(error, FileNotFoundError):
        return "there is no such object"
    if isinstance(error, PermissionError):
        return f"permission denied ({_line(error)})"
    return _line(error)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
