"""Results of a run on this machine go to an object store, under the names that they have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from compiler.delivery import OUTPUTS
from compiler.delivery.staged import RECORDS
from compiler.diagnostics import CompileError, Diagnostic, Origin, ToolError
from compiler.engines.stores import AccessOf, finding
from compiler.output_folder import whole_file
from compiler.upload import put_files
from providers.base import Problem
from providers.storage import Client, StorageError, default_access, open_client, survey

_RECORD = "_record"
_FORMAT = "rubincwl quantum record"
_AT_ONCE = 16

Observe = Callable[[int, int | None], None]
"""Called with the numbers of files done and of all."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What an upload of results did."""

    url: str
    copied: int
    there_already: int
    """With equal SHA-256."""
    bytes: int
    """Of the files that were copied."""


def upload_outputs(out: Path, url: str, access: AccessOf = default_access, observe: Observe | None = None) -> Sent:
    """Copy every file of OUT/run/outputs to `url`, and the records of all quanta in one file, as on a cloud.

    A file that is there with the same content is left alone; nothing is deleted, and what is interrupted on its way is
    not there at all. Raises `CompileError` for what is no URL of a store, `ToolError` if the store refuses.
    """
    folder = out / OUTPUTS
    names = sorted(each.name for each in folder.iterdir() if each.is_file() and each.name != RECORDS)
    _gather(folder, names)
    paths = [*names, RECORDS]
    sizes = [(folder / each).stat().st_size for each in paths]
    client = open_outputs(url, access)
    try:
        wanted = _differing(client, folder, paths, sizes)
    except StorageError as error:
        raise ToolError([finding(error.problem)]) from error
    put_files(client, folder, paths, sizes, wanted, observe)
    return Sent(url, len(wanted), len(paths) - len(wanted), sum(sizes[each] for each in wanted))


def open_outputs(url: str, access: AccessOf = default_access) -> Client:
    """The store at `url`; a run asks before it begins. Raises `CompileError` or `ToolError`."""
    way = access(url)
    if url.startswith(("http://", "https://")):
        way = Problem("bad-url", f"'{url}' is a web server, which takes no files", "give a URL of a store")
    if isinstance(way, Problem) and way.code == "bad-url":
        raise CompileError([finding(way)])
    try:
        client = open_client(url, way)
        next(iter(client.pages(RECORDS)), None)  # a question about one object would not tell of its bucket
    except StorageError as error:
        if error.problem.code != "no-permission":  # who may write need not be allowed to list
            raise ToolError([finding(error.problem)]) from error
    return client


def _gather(folder: Path, names: list[str]) -> None:
    """Put the records of all quanta into one file."""
    with whole_file(folder / RECORDS) as draft, draft.open("w", encoding="utf-8") as stream:
        for name in names:
            if not name.partition("-")[0].endswith(_RECORD):
                continue
            try:
                content = json.loads((folder / name).read_text(encoding="utf-8"))
            except ValueError as error:
                message = f"'{name}' is no record: {error}"
                raise CompileError([Diagnostic("damaged-output", message, Origin(str(folder)))]) from error
            if isinstance(content, dict) and str(content.get("format", "")).startswith(_FORMAT):
                stream.write(json.dumps({"name": name, "content": content}) + "\n")


def _differing(client: Client, folder: Path, paths: list[str], sizes: list[int]) -> list[int]:
    """Numbers of the files that the store does not have as they are here."""
    there = survey(client, paths)

    def differs(number: int) -> bool:
        if there.sizes[number] != sizes[number]:
            return True
        told = there.sha256[number]
        if told is None:
            entry = client.about(paths[number])
            told = entry.sha256 if entry is not None else None
        with (folder / paths[number]).open("rb") as stream:
            return told != hashlib.file_digest(stream, "sha256").hexdigest()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [number for number, each in enumerate(pool.map(differs, range(len(paths)))) if each]
