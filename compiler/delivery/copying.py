"""Copies inside a store: one request a file (several for large ones), and no byte of it passes here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlsplit

from compiler.delivery.predicted import Output
from compiler.delivery.staged import AT_ONCE, File, ask
from compiler.diagnostics import Findings, Origin, ToolError
from providers.base import Access, Problem
from providers.storage import SHA256_KEY, Client, StorageError, open_client, survey

SCHEMES: Mapping[str, str] = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Stores that copy within themselves."""
_NAMED_AT_MOST = 20
_SUMS = ("md5Hash", "crc32c")
"""What Google computes over every object."""

Observe = Callable[[int, int], None]
"""Called with the numbers of files done and of all."""


class Copies:
    """Files on their way from `source` to where the repository keeps its own, in the same store.

    Raises `StorageError`.
    """

    none: list[File]
    """The repository has no such file."""
    other: list[File]
    """It has one of other content."""
    doubtful: list[File]
    """It has one of equal size, and nothing tells whether the contents are equal."""

    def __init__(self, source: Client, files: Sequence[File], reach: Access | Problem) -> None:
        self.source = source
        self._reach = reach
        self.none, self.other, self.doubtful = [], [], []
        if not files:
            return
        self._keys = {each.output.name: _key(each.output) for each in files}
        self._bucket = _bucket(files[0].output)
        sizes = survey(self._target, list(self._keys.values())).sizes.tolist()
        same = [each for each, size in zip(files, sizes, strict=True) if size == each.size]
        self.none = [each for each, size in zip(files, sizes, strict=True) if size < 0]
        self.other = [each for each, size in zip(files, sizes, strict=True) if size >= 0 and size != each.size]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for each, verdict in zip(same, pool.map(self._equal, same), strict=True):
                if verdict != "equal":
                    (self.other if verdict == "other" else self.doubtful).append(each)

    def run(self, files: Sequence[File], observe: Observe | None = None) -> None:
        """Copy `files`; each is there whole or not at all. Raises `ToolError` with what the store refused."""
        failed = Findings()
        more = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done, (each, problem) in enumerate(zip(files, pool.map(self._copy, files), strict=True), 1):
                if problem is not None and len(failed) < _NAMED_AT_MOST:
                    message = f"{each.output.name} was not copied to '{each.output.target}': {problem.message}"
                    failed.error("copy-failed", message, Origin(self.source.url), problem.help)
                elif problem is not None:
                    more += 1
                if observe is not None:
                    observe(done, len(files))
        if more:
            failed.error("copy-failed", f"and {more} more files", Origin(self.source.url))
        if failed.errors:
            raise ToolError(failed)

    @cached_property
    def _target(self) -> Client:
        """The bucket of the repository's files."""
        return open_client(f"{urlsplit(self.source.url).scheme}://{self._bucket}", self._reach)

    def _equal(self, file: File) -> Literal["equal", "other", "unknown"]:
        """Whether the repository's file of equal size has the same content; an ETag alone tells no difference."""
        key, name = self._keys[file.output.name], file.output.name
        there = self._target.about(key)
        sha256 = file.sha256 or getattr(self.source.about(name), "sha256", None)
        if there is not None and there.sha256 and sha256:
            return "equal" if there.sha256 == sha256 else "other"
        files = self.source.files
        ours = ask(self.source, "read", lambda: files.info(self.source.path(name)))
        theirs = ask(self._target, "read", lambda: files.info(self._target.path(key)))
        for sum in _SUMS:
            if ours.get(sum) and theirs.get(sum):
                return "equal" if ours[sum] == theirs[sum] else "other"
        # Equal ETags of objects put in one piece are equal MD5s, where they are MD5s at all; unequal ones tell nothing.
        mark = str(ours.get("ETag") or "").strip('"')
        return "equal" if mark and "-" not in mark and mark == str(theirs.get("ETag")).strip('"') else "unknown"

    def _copy(self, file: File) -> Problem | None:
        source = self.source.path(file.output.name)
        target = self._target.path(self._keys[file.output.name])
        try:
            ask(self.source, "write", lambda: self.source.files.cp_file(source, target, **self._labels(file)))
        except StorageError as error:
            return error.problem
        return None

    def _labels(self, file: File) -> dict[str, Any]:
        """What the copy on S3 carries, so that a later delivery knows it; Google sums up every object itself."""
        if SCHEMES[urlsplit(self.source.url).scheme] != "s3" or file.sha256 is None:
            return {}
        from s3fs.core import MANAGED_COPY_THRESHOLD

        labels: dict[str, Any] = {"Metadata": {SHA256_KEY: file.sha256}}
        # Larger ones are copied in parts, whose first call knows no directive.
        return labels | ({"MetadataDirective": "REPLACE"} if file.size <= MANAGED_COPY_THRESHOLD else {})


def environment(reach: Access | Problem) -> dict[str, str]:
    """Variables by which the middleware reaches a store in the same way: names and addresses, no secrets."""
    if isinstance(reach, Problem):
        return {}
    endpoint, profile, token = (reach.options.get(each) for each in ("endpoint_url", "profile", "token"))
    found: dict[str, Any]
    if SCHEMES.get(reach.protocol) == "s3":
        found = {"S3_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_S3": endpoint, "AWS_PROFILE": profile}
    else:
        keys = token if isinstance(token, str) and os.path.isfile(token) else None
        found = {"STORAGE_EMULATOR_HOST": endpoint, "GOOGLE_APPLICATION_CREDENTIALS": keys}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _bucket(output: Output) -> str:
    # The middleware lets a profile stand before the bucket: s3://profile@bucket/key.
    return str(output.target.netloc).rpartition("@")[2]


def _key(output: Output) -> str:
    return str(output.target.relativeToPathRoot)
