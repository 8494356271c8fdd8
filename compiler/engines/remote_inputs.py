"""Inputs that are in object stores: where they are, whether all are there, and what the engine is told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin
from compiler.engines.object_stores import Seen, StoreError, Stores, is_remote
from compiler.output_folder import whole_file

PREFIX = "inputs/"
"""With which locations begin that are relative to the repository."""
_AT_ONCE = 32
_NAMED_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class InputsAt:
    """Where inputs are that the job order names relative to the repository."""

    urls: tuple[str, ...]
    """URLs that hold the datastore's root. Of several, the first that has a file is taken."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of fsspec's file systems by protocol; names of profiles and files of credentials, never secrets."""
    cache: Path | None = None
    """Folder in which fetched files are kept; OUT/run/inputs if None."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The job order as an engine is to read it, when inputs are in stores."""

    order: Path
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

    What is there and as large as recorded is told by the stores; nothing is read. Raises `CompileError` with all that
    are missing, unreadable or of another size.
    """
    found = list(files(order))
    wanted: dict[str, tuple[str, ...]] = {}
    sizes: dict[str, int] = {}
    for each in found:
        location = str(each.get("location", ""))
        if where is not None and location.startswith(PREFIX):
            wanted[location] = tuple(f"{url.rstrip('/')}/{location.removeprefix(PREFIX)}" for url in where.urls)
        elif is_remote(location):
            wanted[location] = (location,)
        if isinstance(each.get("size"), int):
            sizes[location] = each["size"]
    if not wanted:
        return None
    places = _look(out, wanted, sizes, Stores(where.options if where is not None else {}))
    for each in found:
        location = str(each.get("location", ""))
        if location in places:
            each["location"], seen = places[location]
            each["size"] = seen.size
        elif not urlsplit(location).scheme:
            each["location"] = f"{(out / '_').absolute().as_uri().removesuffix('_')}{location}"
    run = out / "run"
    run.mkdir(exist_ok=True)
    setup = {
        "cache": str((where and where.cache) or (run / "inputs").absolute()),
        "options": where.options if where is not None else {},
        "seen": {url: (seen.size, seen.version) for url, seen in places.values()},
    }
    with whole_file(run / "job.json") as draft:
        draft.write_text(json.dumps(order), encoding="utf-8")
    return Remote(run / "job.json", setup)


def _look(
    out: Path, wanted: Mapping[str, Sequence[str]], sizes: Mapping[str, int], stores: Stores
) -> dict[str, tuple[str, Seen]]:
    """By location, the URL at which it is and what its store says of it."""
    findings = Findings()
    places: dict[str, tuple[str, Seen]] = {}
    refused: list[str] = []

    def look(location: str) -> tuple[str, Seen] | StoreError:
        refusals = []
        for url in wanted[location]:
            try:
                return url, stores.look(url)
            except StoreError as error:
                refusals.append(error)
        return refusals[0]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for location, found in zip(wanted, pool.map(look, wanted), strict=True):
            if isinstance(found, StoreError):
                refused.append(str(found))
            elif sizes.get(location, found[1].size) != found[1].size:
                refused.append(f"'{found[0]}' has {found[1].size} bytes, not the {sizes[location]} of its record")
            else:
                places[location] = found
    for each in refused[:_NAMED_AT_MOST]:
        findings.error("input-not-found", each, Origin(str(out / "job.json")))
    if len(refused) > _NAMED_AT_MOST:
        findings.error("input-not-found", f"and {len(refused) - _NAMED_AT_MOST} more inputs", Origin(str(out)))
    if refused:
        first = findings.items[0]
        help = "'rubincwl upload' copies a repository's inputs to a store"
        findings.items[0] = Diagnostic(first.code, first.message, first.place, help)
        raise CompileError(findings)
    return places
