"""What a run left in a store, found without reading a dataset: from listings and from the run's records."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.delivery.predicted import Output, some
from compiler.diagnostics import Diagnostic, Origin, ToolError
from compiler.runtime.quantum_runner.markers import MARKER
from providers.storage import Client, StorageError, survey
from providers.storage.faults import Doing, explain

RECORDS = "_collect_records.jsonl"
"""The file of all records, beside the outputs."""
AT_ONCE = 32
"""Questions to the store under way."""
_MARKER_AT_MOST = 1024


@dataclass(frozen=True, slots=True)
class Told:
    """What the records tell of outputs."""

    made: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """By name: size and SHA-256."""
    absent: frozenset[str] = frozenset()
    """Names of legitimately absent ones, which are markers."""


@dataclass(frozen=True, slots=True)
class File:
    """An output that is in the store."""

    output: Output
    size: int
    sha256: str | None
    """As the quantum's record or the uploader says."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What there is of the predicted outputs."""

    files: list[File]
    absent: int
    """Markers."""
    unfound: list[Output]
    """Outputs with neither file nor marker."""


def staged(source: Client, outputs: Sequence[Output]) -> Staged:
    """Look for `outputs` under their names in `source`.

    Raises `ToolError` for files that are not as large as their quanta's records say, `StorageError` for a store that
    refuses.
    """
    return _divide(source, outputs, _records(source))


def ask(client: Client, doing: Doing, call: Callable[[], Any]) -> Any:
    """What a call of the client's file system gives; what it raises becomes a `StorageError`."""
    try:
        return call()
    except Exception as error:  # what a store's client raises is its own business
        raise StorageError(explain(error, client.url, doing)) from error


def _records(source: Client) -> Told:
    """What the run's records tell; nothing if it left none, as one that failed does."""
    if source.about(RECORDS) is None:
        return Told()
    made: dict[str, tuple[int, str]] = {}
    absent: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / RECORDS
        ask(source, "read", lambda: source.files.get_file(source.path(RECORDS), str(file)))
        with file.open(encoding="utf-8") as stream:
            for line in stream:
                content = json.loads(line).get("content", {})
                if str(content.get("format", "")).startswith("rubincwl quantum record"):
                    made |= {each["name"]: (each["size"], each["sha256"]) for each in content["outputs"]}
                    absent |= set(content["absent_outputs"])
    return Told(made, frozenset(absent))


def _divide(source: Client, outputs: Sequence[Output], told: Told) -> Staged:
    found = survey(source, [each.name for each in outputs])
    files: list[File] = []
    unfound: list[Output] = []
    small: list[File] = []
    damaged: list[str] = []
    absent = 0
    for output, size, sha256 in zip(outputs, found.sizes.tolist(), found.sha256, strict=True):
        record = told.made.get(output.name)
        if size < 0:
            unfound.append(output)
        elif output.name in told.absent:
            absent += 1
        elif record is not None:
            files.append(File(output, size, record[1]))
            if size != record[0]:
                damaged.append(f"{output.name} ({size} bytes, not {record[0]})")
        else:
            (small if size <= _MARKER_AT_MOST and not output.initial else files).append(File(output, size, sha256))
    if damaged:
        message = f"{len(damaged)} outputs have another size than their quanta's records say: {some(damaged)}"
        raise ToolError([Diagnostic("damaged-output", message, Origin(source.url), "run those quanta again")])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        heads = pool.map(lambda each: _head(source, each.output.name, len(MARKER)), small)
        for file, head in zip(small, heads, strict=True):
            if head == MARKER:
                absent += 1
            else:
                files.append(file)
    return Staged(files, absent, unfound)


def _head(source: Client, name: str, count: int) -> bytes:
    return bytes(ask(source, "read", lambda: source.files.cat_file(source.path(name), start=0, end=count)))
