"""One way to ask any store: pages of a listing, one file, one byte of it. The files are those below a URL.

Each call goes through fsspec's file system of the store, which brings credentials, retries and event loop. fsspec's own
listings hold a dictionary an object of all that is found; a page at a time needs the store's own paging, which s3fs and
gcsfs pass on (`call_s3`, `call`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from providers.base import Access, Problem
from providers.storage.faults import StorageError, explain, reach

ABSENT, UNKNOWN = -2, -1
"""In place of a size: the file is not there; it is, but the store does not tell how large it is."""

SHA256_KEY = "rubincwl-sha256"
"""Metadata of an object in which `rubincwl upload` writes the SHA-256 of what it read, as 64 hexadecimal digits: it
changes only with the object, and reaches stores that keep no such checksum themselves."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a store."""

    path: str
    """Relative to the client's URL."""
    size: int
    sha256: str | None = None
    """64 hexadecimal digits, where the store or the uploader computed it over the whole file. An ETag is none."""
    archived: bool = False
    """Whether it must be brought back from an archive before anybody can read it."""
    version: str | None = None
    """A mark that changes whenever the object does (ETag, generation, time), and no checksum; where the file was asked
    for, not listed, and the store has one."""


_ASKED_ONLY = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}


class Client(Protocol):
    """The files below one URL; every method raises `StorageError`."""

    url: str
    """Without a trailing slash."""
    files: Any
    """fsspec's file system."""
    lists: ClassVar[bool]
    """Whether one listing costs less than asking for each of many files."""

    def path(self, key: str) -> str:
        """How `files` calls a file below the URL."""
        ...

    def pages(self, below: str = "") -> Iterator[list[Entry]]:
        """All files below a folder (``raw/all/``, empty for all), in parts as the store gives them, in no known order.

        None where the folder is not there; a bucket that is not is a `StorageError`.
        """
        ...

    def about(self, key: str) -> Entry | None:
        """One file with its checksum; None if it is not there."""
        ...

    def read_a_byte(self, key: str) -> None:
        """Prove that the file may be read."""
        ...

    def put(self, file: Path, key: str, sha256: str) -> None:
        """Copy a file of this machine there, with the SHA-256 of its content as 64 hexadecimal digits.

        It is there whole or not at all.
        """
        ...


def open_client(url: str, access: Access | Problem) -> Client:
    """The client for `url`; reaches the network only to see that something answers at an endpoint of one's own.

    Raises `StorageError`, also for a missing package and for credentials that are not where they should be.
    """
    if isinstance(access, Problem):
        raise StorageError(access)
    url = url if url.endswith(":///") else url.rstrip("/")
    token = access.options.get("token")
    if access.protocol == "gs" and isinstance(token, str) and os.sep in token and not os.path.isfile(token):
        help = "the file that the settings name as credentials"
        raise StorageError(Problem("no-credentials", f"the credentials {token!r} for {url!r} are not there", help))
    try:
        files = _file_system(access)
    except ImportError as error:
        raise StorageError(Problem("no-client", f"no client for {url!r}: {error}", access.install or None)) from error
    except Exception as error:  # what a client raises is its own business
        raise StorageError(explain(error, url, "reach")) from error
    endpoint = access.options.get("endpoint_url")
    if endpoint:
        reach(str(endpoint), url)
    from providers.storage.clients import AnyClient, GoogleClient, S3Client

    if access.protocol in ("s3", "s3a"):
        return S3Client(url, files)
    if access.protocol in ("gs", "gcs"):
        return GoogleClient(url, files)
    return AnyClient(url, files)


def _file_system(access: Access) -> Any:
    if access.protocol in ("gs", "gcs"):
        # Read when gcsfs is imported: its support of zonal buckets asks Google whatever the endpoint is, and waits.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import fsspec

    for name in ("gcsfs", "s3fs"):  # they log what they raise, traceback and all; without a handler it is printed
        logging.getLogger(name).addHandler(logging.NullHandler())
    options = {**access.options, "skip_instance_cache": True, "use_listings_cache": False}
    if access.protocol in ("s3", "s3a") and options.get("endpoint_url"):
        # Stores that are not Amazon's need not know the checksums that botocore adds to each request.
        options["config_kwargs"] = {**_ASKED_ONLY, **options.get("config_kwargs", {})}
    return fsspec.filesystem(access.protocol, **options)
