"""Objects by their URLs, as an engine's inputs: one client of a store for all objects of a bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit

from compiler.diagnostics import Diagnostic
from providers.base import Access, Problem
from providers.storage import Client, Entry, StorageError, open_client
from providers.storage.faults import explain

AccessOf = Callable[[str], Access | Problem]
"""How a URL is reached."""


class Stores:
    """All stores that a run reads from. Every method raises `StorageError`."""

    def __init__(self, access: AccessOf) -> None:
        self._access = access
        self._clients: dict[str, Client] = {}
        self._lock = Lock()

    def find(self, url: str) -> tuple[Client, str]:
        """The client for `url`, a URI, and the object's key."""
        root, key = split(url)
        with self._lock:
            if root not in self._clients:
                self._clients[root] = open_client(root, self._access(root))
            return self._clients[root], key

    def look(self, url: str) -> Entry:
        """What the store says of the object."""
        client, key = self.find(url)
        found = client.about(key)
        if found is None:
            raise StorageError(Problem("input-not-found", f"there is no '{url}'"), absent=True)
        return found

    def get(self, url: str, file: Path) -> None:
        """Copy the object to `file`."""
        client, key = self.find(url)
        try:
            client.files.get_file(client.path(key), str(file))
        except Exception as error:  # what a store's client raises is its own business
            raise StorageError(explain(error, url, "read")) from error


def split(url: str) -> tuple[str, str]:
    """The bucket's (or host's) URL, and the key of a URI below it.

    >>> split("s3://survey/raw/a%20b.fits")
    ('s3://survey', 'raw/a b.fits')
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", unquote(path)


def is_remote(location: str) -> bool:
    """Whether a file's location is in a store and not on this machine."""
    return urlsplit(location).scheme not in ("", "file", "_")


def finding(problem: Problem) -> Diagnostic:
    """A store's problem as a finding."""
    return Diagnostic(problem.code, problem.message, help=problem.help)
