"""Are two runs of one graph equal? Datasets are compared by data id; ids, run names and times do not count."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.diagnostics import CompileError, Diagnostic

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_SECONDS = re.compile(r"\d+(?:\.\d+)? seconds")
_SET = re.compile(r"frozenset\(\{(.*?)\}\)")  # its order changes from process to process
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs have in common, and what not."""

    equal: Mapping[str, int]
    """How many datasets of each type are equal in both."""
    differences: tuple[str, ...]
    """A sentence for each dataset that only one run has, or whose contents differ."""

    @property
    def datasets(self) -> int:
        return sum(self.equal.values())


@dataclass(frozen=True, slots=True)
class _Found:
    """A dataset in a repository."""

    uri: Any
    """lsst.resources.ResourcePath"""
    storage_class: str


def compare_runs(repo_a: str, repo_b: str, collection: str, other_collection: str | None = None) -> Comparison:
    """Compare the outputs of two repositories: of a RUN, or of the newest RUN of a chain.

    What a task wrote must be equal but for ids, run names and times. Of metadata the entries and the caveats are
    compared, not times and memory; of logs the messages; the packages' versions as text. Raises `CompileError` if there
    is no such collection.
    """
    a, run_a = _datasets(repo_a, collection)
    b, run_b = _datasets(repo_b, other_collection or collection)
    differences: list[str] = []
    equal: dict[str, int] = {}
    for key in sorted(a.keys() | b.keys()):
        if key not in a or key not in b:
            differences.append(f"{_name(key)} is only in {repo_a if key in a else repo_b}")
        elif said := _difference(a[key], b[key], run_a, run_b):
            differences.append(f"{_name(key)} differs: {said}")
        else:
            equal[key[0]] = equal.get(key[0], 0) + 1
    return Comparison(equal, tuple(differences))


_Key = tuple[str, tuple[tuple[str, str], ...]]


def _name(key: _Key) -> str:
    return f"{key[0]}{{{', '.join(f'{k}: {v}' for k, v in key[1])}}}"


def _datasets(repo: str, collection: str) -> tuple[dict[_Key, _Found], str]:
    """Every stored dataset of the collection's newest run, and that run's name."""
    from lsst.daf.butler import Butler, CollectionType, MissingCollectionError

    from compiler.runtime.quantum_runner import register_mocks

    try:
        with Butler.from_config(repo) as butler:
            info = butler.collections.get_info(collection)
            run = info.children[0] if info.type is CollectionType.CHAINED else collection
            types = list(butler.registry.queryDatasetTypes())
            register_mocks(kind.storageClass_name for kind in types)
            refs = [
                ref
                for kind in types
                for ref in butler.query_datasets(kind, run, find_first=False, explain=False, limit=None)
            ]
            places = butler.get_many_uris(refs)
    except (MissingCollectionError, FileNotFoundError) as error:
        message = f"nothing to compare: {error}"
        raise CompileError([Diagnostic("no-collection", message)]) from error
    found = {}
    for ref in refs:
        key = ref.datasetType.name, tuple((k, str(v)) for k, v in ref.dataId.required.items())
        found[key] = _Found(places[ref].primaryURI, ref.datasetType.storageClass_name)
    return found, run


def _difference(a: _Found, b: _Found, run_a: str, run_b: str) -> str | None:
    """Where two datasets differ first, in words, or None."""
    one, other = a.uri.read(), b.uri.read()
    if one == other:
        return None
    try:
        left, right = _plain(one, a, run_a), _plain(other, b, run_b)
    except UnicodeDecodeError:
        return f"{len(one)} bytes and {len(other)} bytes"
    return next(_unlike(left, right, ""), None)


def _plain(content: bytes, found: _Found, run: str) -> Any:
    """The content without what two equal runs may differ in."""
    text = content.decode()
    try:
        value = json.loads(text)
    except ValueError:
        return _without_accidents(text, run)
    if found.storage_class == "TaskMetadata":
        return _metadata(value)
    if found.storage_class == "ButlerLogRecords":
        return [_without_accidents(each["message"], run) for each in _messages(value)]
    return _clean(value, run)


def _clean(value: Any, run: str) -> Any:
    if isinstance(value, dict):
        return {key: _clean(each, run) for key, each in value.items()}
    if isinstance(value, list):
        return [_clean(each, run) for each in value]
    return _without_accidents(value, run) if isinstance(value, str) else value


def _without_accidents(text: str, run: str) -> str:
    text = _SECONDS.sub("# seconds", _UUID.sub("#id", text.replace(run, "#run")))
    return _SET.sub(lambda found: ", ".join(sorted(found[1].split(", "))), text)


def _metadata(value: Any) -> Any:
    """The names of all entries, with the caveats: everything else is times, memory and ids."""
    if not isinstance(value, dict):
        return None
    kept = {key: _metadata(each) for key, each in value.items() if key not in ("job", "butler_metrics")}
    return kept | {key: value[key] for key in ("caveats",) if key in value}


def _messages(value: Any) -> Iterator[Any]:
    """Log records: a list, or the list in an object that also tells of earlier attempts."""
    records = value.get("records", []) if isinstance(value, dict) else value
    return (each for each in records if isinstance(each, dict) and "message" in each)


def _unlike(a: Any, b: Any, path: str) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            if key not in a or key not in b:
                yield f"only one has {path}/{key}"
            else:
                yield from _unlike(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _unlike(x, y, f"{path}/{n}")
    elif a != b:
        left, right = str(a), str(b)
        alike = next((n for n, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), 0)
        shown = slice(max(0, alike - _SHOWN // 4), alike + _SHOWN)
        yield f"{path or 'the text'}: {left[shown]!r} and {right[shown]!r}"
