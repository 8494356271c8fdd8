"""`Client` for S3, for Google Cloud Storage, and for any other file system of fsspec."""

from __future__ import annotations

import base64
import binascii
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from providers.storage.client import SHA256_KEY, UNKNOWN, Entry
from providers.storage.faults import Doing, StorageError, explain, not_a_store

_PAGE = 1000
"""What S3 and Google give at most."""
_PART, _PARTS_AT_ONCE = 32 * 2**20, 2
"""Bytes of a part, and parts of a file on their way: they are held in memory."""
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""S3's storage classes that must be restored first; Google's and 'Glacier Instant Retrieval' are read at once."""
_GONE = frozenset({404, 410})


class S3Client:
    """S3 and everything that speaks its language."""

    lists: ClassVar[bool] = True

    def __init__(self, url: str, files: Any) -> None:
        self.url, self.files = url, files
        self._bucket, self._base = _bucket_and_base(url)

    def path(self, key: str) -> str:
        return f"{self._bucket}/{self._base}{key}"

    def pages(self, below: str = "") -> Iterator[list[Entry]]:
        asked: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._base + below, "MaxKeys": _PAGE}
        while True:
            page = self._call("list", "list_objects_v2", **asked)
            if "IsTruncated" not in page:  # botocore reads any XML, and finds nothing in a web page
                raise StorageError(not_a_store(self.url, "its answer is not S3's"))
            yield [
                Entry(each["Key"][len(self._base) :], int(each["Size"]), archived=each.get("StorageClass") in _ARCHIVES)
                for each in page.get("Contents", ())
            ]
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def about(self, key: str) -> Entry | None:
        try:
            found = self._call("read", "head_object", Bucket=self._bucket, Key=self._base + key, ChecksumMode="ENABLED")
        except StorageError as error:
            if error.absent:
                return None
            raise
        archived = found.get("StorageClass") in _ARCHIVES and 'ongoing-request="false"' not in found.get("Restore", "")
        return Entry(key, int(found["ContentLength"]), _s3_sha256(found), archived, found.get("ETag"))

    def read_a_byte(self, key: str) -> None:
        _told(self.url, "read", lambda: self.files.cat_file(self.path(key), start=0, end=1))

    def put(self, file: Path, key: str, sha256: str) -> None:
        # An object in parts has no checksum of S3's over the whole: s3fs leaves it out there, the metadata stay.
        kept = {
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            "Metadata": {SHA256_KEY: sha256},
            "chunksize": _PART,
            "max_concurrency": _PARTS_AT_ONCE,
        }
        _told(self.url, "write", lambda: self.files.put_file(str(file), self.path(key), **kept))

    def _call(self, doing: Doing, method: str, **asked: Any) -> dict[str, Any]:
        found: dict[str, Any] = _told(self.url, doing, lambda: self.files.call_s3(method, **asked))
        return found


class GoogleClient:
    """Google Cloud Storage by its JSON interface."""

    lists: ClassVar[bool] = True

    def __init__(self, url: str, files: Any) -> None:
        self.url, self.files = url, files
        self._bucket, self._base = _bucket_and_base(url)

    def path(self, key: str) -> str:
        return f"{self._bucket}/{self._base}{key}"

    def pages(self, below: str = "") -> Iterator[list[Entry]]:
        asked: dict[str, Any] = {"prefix": self._base + below, "maxResults": _PAGE}
        # 'fields' leaves out two thirds of each answer.
        asked["fields"] = "kind,nextPageToken,items(name,size,metadata)"
        while True:
            page = self._call("list", "b/{}/o", self._bucket, **asked)
            if page.get("kind") != "storage#objects":
                raise StorageError(not_a_store(self.url, "its answer is not Google's"))
            yield [self._entry(each) for each in page.get("items", ())]
            if not page.get("nextPageToken"):
                return
            asked["pageToken"] = page["nextPageToken"]

    def about(self, key: str) -> Entry | None:
        try:
            return self._entry(self._call("read", "b/{}/o/{}", self._bucket, self._base + key))
        except StorageError as error:
            if error.absent:
                return None
            raise

    def read_a_byte(self, key: str) -> None:
        _told(self.url, "read", lambda: self.files.cat_file(self.path(key), start=0, end=1))

    def put(self, file: Path, key: str, sha256: str) -> None:
        # 'md5': what Google says that it has is compared with what was sent.
        kept = {"metadata": {SHA256_KEY: sha256}, "chunksize": _PART, "consistency": "md5"}
        _told(self.url, "write", lambda: self.files.put_file(str(file), self.path(key), **kept))

    def _entry(self, found: dict[str, Any]) -> Entry:
        sha256 = _hexadecimal((found.get("metadata") or {}).get(SHA256_KEY))
        version = found.get("generation")
        return Entry(found["name"][len(self._base) :], int(found.get("size", UNKNOWN)), sha256, version=version)

    def _call(self, doing: Doing, method: str, *names: str, **asked: Any) -> dict[str, Any]:
        found: dict[str, Any] = _told(
            self.url, doing, lambda: self.files.call("GET", method, *names, json_out=True, **asked)
        )
        return found


class AnyClient:
    """Folders and web servers: each file is asked for, since that is quick there or listing is not to be had.

    Only folders take files.
    """

    lists: ClassVar[bool] = False

    def __init__(self, url: str, files: Any) -> None:
        self.url, self.files = url, files
        self._base = str(files._strip_protocol(url))
        self._web = url.startswith(("http://", "https://"))

    def path(self, key: str) -> str:
        return f"{self._base}/{quote(key) if self._web else key}"

    def pages(self, below: str = "") -> Iterator[list[Entry]]:
        start = f"{self._base}/{below}".rstrip("/")
        walk = self.files.walk(start, detail=True, on_error="raise")
        while True:
            try:
                _, _, found = _told(self.url, "list", lambda: next(walk))
            except StopIteration:
                return
            except StorageError as error:
                if error.absent:
                    return
                raise
            cut = len(self._base) + 1
            yield [Entry(str(each["name"])[cut:], _size(each)) for each in found.values()]

    def about(self, key: str) -> Entry | None:
        try:
            found = _told(self.url, "read", lambda: self.files.info(self.path(key)))
        except StorageError as error:
            if error.absent:
                return None
            raise
        return None if found.get("type") == "directory" else Entry(key, _size(found), version=_version(found))

    def read_a_byte(self, key: str) -> None:
        _told(self.url, "read", lambda: self.files.cat_file(self.path(key), start=0, end=1))

    def put(self, file: Path, key: str, sha256: str) -> None:
        target = Path(self.path(key))
        draft = target.with_name(f".{os.getpid()}.{target.name}")

        def copy() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(file, draft)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)

        _told(self.url, "write", copy)


def _told(url: str, doing: Doing, call: Callable[[], Any]) -> Any:
    """What the call gives; what it raises, in our words."""
    try:
        return call()
    except (StorageError, StopIteration):
        raise
    except Exception as error:  # what a store's client raises is its own business
        raise StorageError(explain(error, url, doing), absent=_absent(error)) from error


def _absent(error: BaseException) -> bool:
    """Whether one file is not there; a bucket that is not is another matter."""
    cause: BaseException | None = error
    while cause is not None:
        answer = getattr(cause, "response", None)
        if isinstance(answer, dict):  # botocore's ClientError
            return answer.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound")
        status = getattr(cause, "status", None)
        if isinstance(status, int):  # aiohttp's ClientResponseError
            return status in _GONE
        if cause.__cause__ is None:
            return isinstance(cause, FileNotFoundError | NotADirectoryError)
        cause = cause.__cause__
    return False


def _bucket_and_base(url: str) -> tuple[str, str]:
    # Not urlsplit: a '?' or '#' is a legal letter of a key.
    bucket, _, base = url.partition("://")[2].partition("/")
    base = base.strip("/")
    return bucket, f"{base}/" if base else ""


def _size(found: dict[str, Any]) -> int:
    size = found.get("size")
    return UNKNOWN if size is None else int(size)


def _version(found: dict[str, Any]) -> str | None:
    """Of a web server's file or one of a folder."""
    marks = [str(found[each]) for each in ("ETag", "Last-Modified", "mtime", "ino") if found.get(each)]
    return " ".join(marks) or None


def _s3_sha256(found: dict[str, Any]) -> str | None:
    """The checksum over the whole object, by the store or by who put it there.

    Of an object put in parts, S3 gives the checksum of the parts' checksums: ``COMPOSITE``, written with the number of
    parts behind (Amazon S3 user guide, 'Checking object integrity').
    """
    told = str(found.get("ChecksumSHA256") or "")
    if told and "-" not in told and found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        try:
            digest = base64.b64decode(told, validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) == 32:
            return digest.hex()
    return _hexadecimal(found.get("Metadata", {}).get(SHA256_KEY))


def _hexadecimal(told: object) -> str | None:
    text = str(told or "").lower()
    return text if len(text) == 64 and set(text) <= set("0123456789abcdef") else None
