"""Which of many wanted files are in a store, and how large, with few requests.

A listing gives a thousand files a request, wanted or not; a question gives one. Folders are listed while that pays,
judged by what the pages bring; where wanted files are sparse the search goes down into the folders that hold some, and
asks for the rest one by one. No order of the store is relied on: not all that speak S3 list by key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from providers.base import Problem
from providers.storage.client import ABSENT, Client, Entry
from providers.storage.faults import StorageError
from providers.storage.listing import Observe

_AT_ONCE = 32
"""Questions under way."""
_ONE_BY_ONE = 20
"""A listing is not worth it for fewer files."""
_A_PAGE = 50
"""Questions that one page is worth: a page takes S3 some 200 ms, a question 30 ms of which 32 are under way; by price
a page is 12.5 questions."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What a store holds of the wanted files; all columns are in their order."""

    sizes: NDArray[np.int64]
    """Shape (wanted,): bytes, `UNKNOWN` or `ABSENT`."""
    sha256: list[str | None]
    """Of the whole file, where the answers told."""
    refused: NDArray[np.bool_]
    """Shape (wanted,): there, or not: the store does not tell us. Its size is then `ABSENT`."""
    archived: NDArray[np.bool_]
    """Shape (wanted,)."""
    unlisted: Problem | None = None
    """Why nothing was listed although that would have been quicker."""
    requests: int = 0
    """Pages and questions; for figures."""


@dataclass
class _Found:
    """What is known so far, by path."""

    entries: dict[str, Entry] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    requests: int = 0
    listed: bool = False
    """Whether a page was had, so that the bucket is there."""
    unlisted: Problem | None = None


def survey(client: Client, wanted: Sequence[str], observe: Observe | None = None) -> Survey:
    """Look for `wanted`, paths relative to the client's URL, each once.

    Raises `StorageError` if the store cannot be used at all. A right to list that is missing costs time only.
    """
    found = _Found()
    total = len(wanted)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        alone = list(wanted)
        if client.lists:
            alone = []
            level = [(_common_folder(wanted), sorted(wanted))]
            while level:
                searched = pool.map(lambda each: _list(client, each[0], each[1], found), level)
                level, before = [], level
                for (folder, keys), whole in zip(before, searched, strict=True):
                    if not whole:
                        deeper, single = _divide(folder, [key for key in keys if key not in found.entries])
                        level += deeper
                        alone += single
                    if observe is not None:
                        observe(len(found.entries), total)
        _ask(client, alone, found, pool, observe, total)
    if client.lists and not found.listed and found.unlisted is None:
        _see_bucket(client, found)
    return _columns(wanted, found)


def probe(client: Client, keys: Iterable[str], read: bool = True) -> Iterator[tuple[str, Entry | None, Problem | None]]:
    """Each file with what the store tells of it when asked, and why it cannot be read.

    `read` takes a byte of it: a right to see an object's facts need not be one to decrypt it.
    """

    def one(key: str) -> tuple[str, Entry | None, Problem | None]:
        try:
            entry = client.about(key)
            if read and entry is not None and entry.size != 0:
                client.read_a_byte(key)
        except StorageError as error:
            return key, None, error.problem
        return key, entry, None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(one, keys)


def _common_folder(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    first, last = min(keys), max(keys)
    same = next(
        (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[: first[:same].rfind("/") + 1]


def _list(client: Client, folder: str, keys: list[str], found: _Found) -> bool:
    """List `folder` for `keys` while it pays; whether all of it was seen."""
    if len(keys) <= _ONE_BY_ONE or found.unlisted is not None:
        return False
    missing = set(keys)
    worth = 1 + len(keys) // _A_PAGE
    try:
        for number, page in enumerate(client.pages(folder), 1):
            found.requests += 1
            found.listed = True
            for entry in page:
                if entry.path in missing:
                    missing.discard(entry.path)
                    found.entries[entry.path] = entry
            if not missing:
                return True
            if number >= worth:
                return False
    except StorageError as error:
        if error.problem.code != "no-permission":
            raise
        found.unlisted = error.problem
        return False
    return True


def _divide(folder: str, keys: Sequence[str]) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """The keys by the next folder below; those that are few there, or stand in `folder` itself, are asked for alone."""
    below: dict[str, list[str]] = {}
    alone: list[str] = []
    for key in keys:
        name, slash, _ = key[len(folder) :].partition("/")
        if slash:
            below.setdefault(f"{folder}{name}/", []).append(key)
        else:
            alone.append(key)
    deeper: list[tuple[str, list[str]]] = []
    for name, members in below.items():
        if len(members) > _ONE_BY_ONE:
            deeper.append((name, members))
        else:
            alone += members
    return deeper, alone


def _ask(
    client: Client, keys: Sequence[str], found: _Found, pool: ThreadPoolExecutor, observe: Observe | None, total: int
) -> None:
    """Ask for each of `keys`; gives up if the store refuses to tell of any of the first."""

    def one(key: str) -> Entry | Problem | None:
        try:
            return client.about(key)
        except StorageError as error:
            if error.problem.code not in ("no-permission", "store-refused"):
                raise
            return error.problem

    done = total - len(keys)
    for start in range(0, len(keys), 256):
        part = keys[start : start + 256]
        refusal: Problem | None = None
        for key, answer in zip(part, pool.map(one, part), strict=True):
            found.requests += 1
            if isinstance(answer, Problem):
                if answer.code != "no-permission":
                    _refuse(client, found, answer)
                refusal = answer
                found.refused.add(key)
            elif answer is not None:
                found.entries[key] = answer
            done += 1
            if observe is not None:
                observe(done, total)
        if refusal is not None and not start and len(found.refused) == len(part):
            _refuse(client, found, refusal)


def _refuse(client: Client, found: _Found, refusal: Problem) -> NoReturn:
    """Raises for a refusal of HEAD, whose answer has no body: why, of keys unknown or expired, a listing is told."""
    if client.lists:
        _see_bucket(client, found)
    raise StorageError(refusal)


def _see_bucket(client: Client, found: _Found) -> None:
    """Files may be missing since their bucket is, or since this is no store, of which answers to HEAD say nothing."""
    found.requests += 1
    try:
        next(iter(client.pages()), None)
    except StorageError as error:
        if error.problem.code != "no-permission":
            raise


def _columns(wanted: Sequence[str], found: _Found) -> Survey:
    rows = [found.entries.get(key) for key in wanted]
    return Survey(
        sizes=np.array([ABSENT if row is None else row.size for row in rows], dtype=np.int64),
        sha256=[None if row is None else row.sha256 for row in rows],
        refused=np.array([key in found.refused for key in wanted], dtype=np.bool_),
        archived=np.array([row is not None and row.archived for row in rows], dtype=np.bool_),
        unlisted=found.unlisted,
        requests=found.requests,
    )
