"""Inputs that are in object stores: where they are, whether all are there, and what the engine is told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from compiler.diagnostics import CompileError, Diagnostic, Origin, ToolError
from compiler.engines.stores import AccessOf, Stores, finding, is_remote, split
from compiler.output_folder import whole_file
from providers.base import Problem
from providers.storage import ABSENT, UNKNOWN, StorageError, default_access, survey

PREFIX = "inputs/"
"""With which locations begin that are relative to the repository."""
_NAMED_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class InputsAt:
    """Where inputs are that the job order names relative to the repository."""

    urls: tuple[str, ...]
    """URLs that hold the datastore's root. Of several, the first that has a file is taken."""
    access: AccessOf = default_access
    """How this machine reaches them, as `providers.base.Provider.access` says."""
    cache: Path | None = None
    """Folder in which fetched files are kept; OUT/run/inputs if None."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What an engine is told when inputs are in stores."""

    order: Path
    """The job order with URLs."""
    setup: dict[str, Any]
    """What `compiler.engines.cwltool_stores` reads."""


def files(value: object) -> Iterator[dict[str, Any]]:
    """All files in a job order."""
    if isinstance(value, dict):
        if value.get("class") == "File":
            yield value
        else:
            for each in value.values():
                yield from files(each)
    elif isinstance(value, list):
        for each in value:
            yield from files(each)


def locate(out: Path, order: Mapping[str, Any], where: InputsAt | None) -> Remote | None:
    """Find every input that is in a store and write OUT/run/job.json with their URLs; None if there is none.

    Stores tell what is there and how large it is; nothing is read. Raises `CompileError` with all inputs that are
    missing or not as large as recorded, `ToolError` for stores that cannot be asked.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    sizes: dict[str, int] = {}
    for each in files(order):
        location = str(each.get("location", ""))
        if where is not None and location.startswith(PREFIX):
            wanted[location] = tuple(f"{url.rstrip('/')}/{location.removeprefix(PREFIX)}" for url in where.urls)
        elif is_remote(location):
            wanted[location] = (location,)
        sizes[location] = int(each.get("size", UNKNOWN))
    if not wanted:
        return None
    access = where.access if where is not None else default_access
    places = _places(out, wanted, sizes, Stores(access))
    for each in files(order):
        location = str(each.get("location", ""))
        if location in places:
            each["location"], size = places[location]
            if size >= 0:
                each["size"] = size
        elif not urlsplit(location).scheme:
            each["location"] = f"{out.absolute().as_uri()}/{location}"
    run = out / "run"
    run.mkdir(exist_ok=True)
    with whole_file(run / "job.json") as draft:
        draft.write_text(json.dumps(order), encoding="utf-8")
    ways = {root: access(root) for root in dict.fromkeys(split(url)[0] for url, _ in places.values())}
    setup = {
        "cache": str(((where and where.cache) or run / "inputs").absolute()),
        "access": {
            root: (way.protocol, dict(way.options), way.install)
            for root, way in ways.items()
            if not isinstance(way, Problem)
        },
    }
    return Remote(run / "job.json", setup)


def _places(
    out: Path, wanted: Mapping[str, tuple[str, ...]], sizes: Mapping[str, int], stores: Stores
) -> dict[str, tuple[str, int]]:
    """By location, the URL at which it is, and its size there (negative if the store does not tell)."""
    places: dict[str, tuple[str, int]] = {}
    faults: dict[str, str] = {}
    for turn in range(max(map(len, wanted.values()))):
        asked = {each: urls[turn] for each, urls in wanted.items() if each not in places and turn < len(urls)}
        try:
            found = _sizes(list(asked.values()), stores)
        except StorageError as error:
            raise ToolError([finding(error.problem)]) from error
        for location, url in asked.items():
            size, recorded = found[url], sizes[location]
            if size == ABSENT:
                faults.setdefault(location, f"there is no '{url}'")
            elif UNKNOWN not in (size, recorded) and size != recorded:
                faults.setdefault(location, f"'{url}' has {size} bytes, its record says {recorded}")
            else:
                places[location] = (url, size)
    bad = [said for location, said in faults.items() if location not in places]
    if bad:
        raise CompileError(_faults(out, bad, len(wanted)))
    return places


def _sizes(urls: list[str], stores: Stores) -> dict[str, int]:
    """What the stores say of many objects, asked with few requests."""
    found: dict[str, int] = {}
    roots: dict[str, list[str]] = {}
    for url in dict.fromkeys(urls):
        roots.setdefault(split(url)[0], []).append(url)
    for each in roots.values():
        there = survey(stores.find(each[0])[0], [split(url)[1] for url in each])
        # What a store does not let us see is asked for when it is needed; the answer then says more.
        sizes = np.where(there.refused, UNKNOWN, there.sizes)
        found |= zip(each, sizes.tolist(), strict=True)
    return found


def _faults(out: Path, bad: list[str], all: int) -> list[Diagnostic]:
    place = Origin(str(out / "job.json"))
    findings = [Diagnostic("input-not-found", each, place) for each in bad[:_NAMED_AT_MOST]]
    more = f", {_NAMED_AT_MOST} of them named above" if len(bad) > _NAMED_AT_MOST else ""
    help = "'rubincwl upload GRAPH --repo REPO --to URL' copies a repository's inputs to a store"
    message = f"{len(bad)} of {all} inputs are not where they are said to be{more}"
    return [*findings, Diagnostic("input-not-found", message, place, help)]
