"""A repository's overall inputs go to a store, under the paths that they have in the repository."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin, ToolError
from compiler.inputs import Inputs, inputs_of
from compiler.rubin import QuantumGraph
from providers.base import Access, Problem
from providers.storage import Client, StorageError, default_access, open_client, survey

_SMALL = 32 * 2**20
"""Bytes; larger files go in parts, and few at once: clients hold what they send in memory."""
_AT_ONCE = 16
"""Transfers of small files under way: enough to hide the store's answer times, few enough for its request limits."""
_LARGE_AT_ONCE = 4
_NAMED_AT_MOST = 5

Observe = Callable[[int, int | None], None]
"""Called with the numbers of files done and of all, as each is done."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an upload did."""

    copied: int
    skipped: int
    """There already, with the size that the repository has."""
    bytes: int
    """Of the files that were copied."""
    elsewhere: int
    """Inputs that the graph finds by an absolute URI: they stay where they are."""
    bytes_there: int = 0
    """Of the files that were there already."""


def upload(
    graph: QuantumGraph,
    repo: Path,
    to_url: str,
    observe: Observe | None = None,
    access: Access | Problem | None = None,
) -> Uploaded:
    """Copy every file of `graph` that exists before the workflow from the datastore root `repo` to `to_url`.

    Paths below `to_url` are those in the repository, so that ``--inputs-at`` can name it. A file that is there with
    the same size is left alone; nothing is deleted, and a file that is interrupted on its way is not there at all. Each
    carries the SHA-256 of what was read: S3 compares it with what arrives. `access` says how the store is reached, by
    default as its client does by itself.

    Raises `CompileError` if the graph has no datastore records, or files are missing or not as large as recorded,
    before anything is copied; `ToolError` if the store refuses.
    """
    inputs = inputs_of(graph)
    paths, sizes = _here(inputs, repo, graph.source)
    access = default_access(to_url) if access is None else access
    if to_url.startswith(("http://", "https://")):
        access = Problem("bad-url", f"{to_url!r} is a web server, which takes no files", "give a URL of a store")
    if isinstance(access, Problem) and access.code == "bad-url":
        raise CompileError([_told(access)])
    try:
        client = open_client(to_url, access)
        there = survey(client, paths).sizes.tolist()
    except StorageError as error:
        raise ToolError([_told(error.problem)]) from error
    if observe is not None:
        observe(0, len(paths))
    wanted = [number for number, (size, found) in enumerate(zip(sizes, there, strict=True)) if size != found]
    put_files(client, repo, paths, sizes, wanted, observe)
    copied = sum(sizes[number] for number in wanted)
    return Uploaded(
        len(wanted), len(paths) - len(wanted), copied, len(inputs) - len(paths), bytes_there=sum(sizes) - copied
    )


def _here(inputs: Inputs, repo: Path, graph: str) -> tuple[list[str], list[int]]:
    """Paths in the repository with the sizes of the files; what is not as recorded is raised."""
    paths = [path for root, path in zip(inputs.roots, inputs.paths, strict=True) if not root]
    recorded = [size for root, size in zip(inputs.roots, inputs.sizes.tolist(), strict=True) if not root]
    sizes: list[int] = []
    findings = Findings()
    for path, said in zip(paths, recorded, strict=True):
        try:
            size = (repo / path).stat().st_size
        except OSError:
            findings.error("missing-input", f"the repository {str(repo)!r} has no {path!r}", Origin(graph))
            continue
        if said not in (-1, size):
            message = f"{path!r} has {size} bytes in the repository {str(repo)!r}, its record says {said}"
            findings.error("wrong-size", message, Origin(graph), "jobs would refuse it: make the graph again")
        sizes.append(size)
    findings.raise_errors()
    return paths, sizes


def put_files(
    client: Client,
    repo: Path,
    paths: Sequence[str],
    sizes: Sequence[int],
    wanted: Sequence[int],
    observe: Observe | None,
) -> None:
    """Copy the files with the numbers `wanted` from the folder `repo`.

    Raises `ToolError` with every reason why some were not.
    """
    done = len(paths) - len(wanted)
    copied = 0
    refused: dict[Problem, list[str]] = {}

    def put(number: int) -> Problem | None:
        file = repo / paths[number]
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            client.put(file, paths[number], digest)
        except StorageError as error:
            return error.problem
        except OSError as error:
            return Problem("unreadable-file", f"{str(file)!r} cannot be read: {error.strerror or error}")
        return None

    small = [number for number in wanted if sizes[number] <= _SMALL]
    large = [number for number in wanted if sizes[number] > _SMALL]
    for numbers, at_once in ((small, _AT_ONCE), (large, _LARGE_AT_ONCE)):
        with ThreadPoolExecutor(at_once) as pool:
            under_way: list[Future[Problem | None]] = [pool.submit(put, number) for number in numbers]
            for number, each in zip(numbers, under_way, strict=True):
                if (problem := each.result()) is None:
                    copied += 1
                else:
                    refused.setdefault(problem, []).append(paths[number])
                    if not copied and sum(map(len, refused.values())) >= at_once:
                        # Nothing was taken so far: the store says the same to the rest.
                        pool.shutdown(cancel_futures=True)
                        break
                done += 1
                if observe is not None:
                    observe(done, len(paths))
        if refused and not copied:
            break
    if refused:
        raise ToolError([_not_copied(problem, names, copied, len(wanted)) for problem, names in refused.items()])


def _not_copied(problem: Problem, names: Sequence[str], copied: int, wanted: int) -> Diagnostic:
    shown = ", ".join(map(repr, names[:_NAMED_AT_MOST])) + (" and others" if len(names) > _NAMED_AT_MOST else "")
    message = f"{copied} of {wanted} files were copied, {shown} not: {problem.message}"
    return Diagnostic(problem.code, message, help=problem.help or "call it again: what is there is left alone")


def _told(problem: Problem) -> Diagnostic:
    return Diagnostic(problem.code, problem.message, help=problem.help)
