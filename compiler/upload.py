"""A repository's overall inputs go to an object store, under the paths that they have in the repository."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin, ToolError
from compiler.rubin import QuantumGraph

_AT_ONCE = 16
"""Transfers under way: enough to hide the store's answer times, few enough for its request limits."""

Observe = Callable[[int, int], None]
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


def upload(
    graph: QuantumGraph, repo: Path, to_url: str, observe: Observe | None = None, options: dict[str, Any] | None = None
) -> Uploaded:
    """Copy every file of `graph` that exists before the workflow from the datastore root `repo` to `to_url`.

    Paths below `to_url` are those in the repository, so that ``--inputs-at`` can name it. A file that is there with
    the same size is left alone; nothing is deleted. `options` go to fsspec's file system.

    Raises `CompileError` if the graph has no datastore records or files are missing, before anything is copied;
    `ToolError` if the store refuses.
    """
    target, base = _file_system(to_url, options or {})
    paths, elsewhere = _inputs(graph)
    sizes = _sizes(paths, repo, graph.source)
    try:
        there = _there(target, base)
    except Exception as error:  # what a store's client raises is its own business
        raise ToolError([Diagnostic("store-refused", f"cannot list {to_url!r}: {error}")]) from error
    wanted = [path for path in paths if there.get(f"{base}/{path}") != sizes[path]]
    failed = Findings()
    done = len(paths) - len(wanted)
    copied = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:

        def put(path: str) -> Exception | None:
            try:
                target.put_file(str(repo / path), f"{base}/{path}")
            except Exception as error:
                return error
            return None

        for path, refusal in zip(wanted, pool.map(put, wanted), strict=True):
            done += 1
            if refusal is not None:
                failed.error("upload-failed", f"{path!r} was not copied to {to_url!r}: {refusal}")
            else:
                copied += 1
            if observe is not None:
                observe(done, len(paths))
    if failed.errors:
        raise ToolError(failed)
    return Uploaded(copied, len(paths) - len(wanted), sum(sizes[path] for path in wanted), elsewhere)


def _file_system(to_url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """fsspec's file system for the URL, and the path in it without a trailing slash."""
    if not urlsplit(to_url).scheme:
        raise CompileError([Diagnostic("bad-url", f"{to_url!r} is no URL", help="for instance s3://bucket/prefix")])
    try:
        import fsspec

        target, base = fsspec.core.url_to_fs(to_url, **options)
    except ImportError as error:
        help = "pip install 'rubincwl[aws]' for s3"
        raise ToolError([Diagnostic("no-client", f"no client for {to_url!r}: {error}", help=help)]) from error
    except ValueError as error:
        raise CompileError([Diagnostic("bad-url", f"{to_url!r} cannot be written to: {error}")]) from error
    return target, str(base).rstrip("/")


def _inputs(graph: QuantumGraph) -> tuple[list[str], int]:
    """Paths relative to the repository, sorted; and how many inputs stand elsewhere."""
    paths: set[str] = set()
    elsewhere = 0
    for file in graph.files.values():
        if urlsplit(file.path).scheme or file.path.startswith("/"):
            elsewhere += 1
        else:
            # "#unzip=..." names a member: the archive is the file.
            paths.add(file.path.partition("#")[0])
    if not paths and not elsewhere:
        help = "build it with 'pipetask qgraph --qgraph-datastore-records'"
        raise CompileError(
            [Diagnostic("no-records", "this graph does not say where its inputs are", Origin(graph.source), help)]
        )
    return sorted(paths), elsewhere


def _sizes(paths: list[str], repo: Path, graph: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    findings = Findings()
    for path in paths:
        try:
            sizes[path] = (repo / path).stat().st_size
        except OSError:
            findings.error("missing-input", f"the repository {str(repo)!r} has no {path!r}", Origin(graph))
    findings.raise_errors()
    return sizes


def _there(target: Any, base: str) -> dict[str, int]:
    """Sizes of what is below `base`, by path; one listing costs less than a question a file."""
    target.invalidate_cache()
    try:
        found = target.find(base, detail=True)
    except FileNotFoundError:
        return {}
    return {path: int(about["size"]) for path, about in found.items()}
