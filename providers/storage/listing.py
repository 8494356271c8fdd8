"""All files below a URL, as columns."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from providers.base import Access, Problem
from providers.storage.client import Client, open_client

Observe = Callable[[int, int | None], None]
"""Called with the number of files seen so far, and of all where that is known."""


@dataclass(frozen=True, eq=False)
class Listing:
    """What is below a URL, in the order of the store."""

    url: str
    paths: list[str]
    """Relative to the URL."""
    sizes: NDArray[np.int64]
    """Shape (files,): bytes, or `UNKNOWN`."""

    def __len__(self) -> int:
        return len(self.paths)


def list_files(url: str, access: Access | Problem, observe: Observe | None = None) -> Listing:
    """List what is below `url`, a page at a time; empty if the folder is not there.

    Raises `StorageError`. 100,000 objects take some 15 MB beside the client's own.
    """
    return listing_of(open_client(url, access), observe)


def listing_of(client: Client, observe: Observe | None = None) -> Listing:
    """As `list_files`, with a client that is open."""
    paths: list[str] = []
    sizes = array("q")
    for page in client.pages():
        paths.extend(each.path for each in page)
        sizes.extend(each.size for each in page)
        if observe is not None:
            observe(len(paths), None)
    return Listing(client.url, paths, np.frombuffer(sizes, dtype=np.int64) if sizes else np.zeros(0, np.int64))
