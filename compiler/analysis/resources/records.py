"""What quanta of earlier runs took, from the records that the quantum runner left."""

from __future__ import annotations

import json
import tarfile
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import Findings, Origin, Span

FORMAT = "rubincwl quantum record 1"
_MARK = "_record"
"""In the name of every record's file."""
_TOLD = 5
"""Files that are named when some cannot be read."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the finished quanta of one label took."""

    memory_mib: NDArray[np.float64]
    """Shape (quanta,): peak resident size; in a process of several quanta, up to the end of each."""
    seconds: NDArray[np.float64]
    """Shape (quanta,): wall time of the quantum alone."""

    def percentile(self, of: Literal["memory", "time"], percentile: float) -> float:
        """A value that was seen, at or above the percentile; MiB or seconds."""
        values = self.memory_mib if of == "memory" else self.seconds
        return float(np.percentile(values, percentile, method="higher"))


@dataclass(frozen=True, slots=True)
class Records:
    """What finished quanta took, by task label."""

    by_label: Mapping[str, Taken] = field(default_factory=dict)
    source: str = ""
    """The file or folder they were read from, as it was named."""


def read_records(source: Path, findings: Findings, place: Span | None = None) -> Records:
    """Records of finished quanta below a folder, in a ``.jsonl`` file, or in a tar such as ``collect`` writes.

    Two numbers a quantum are kept, whatever the size of the records. What cannot be read is told; `place` is where
    the source is named.
    """
    where = place or Origin(str(source))
    memory: dict[str, array[float]] = {}
    seconds: dict[str, array[float]] = {}
    bad: list[str] = []
    seen: set[int] = set()
    try:
        for name, text in _texts(source):
            try:
                record = _record(json.loads(text))
                if record is not None and _new(record, seen):
                    label, peak, wall = str(record["label"]), record["peak_memory_mib"], record["wall_seconds"]
                    memory.setdefault(label, array("d")).append(float(peak))
                    seconds.setdefault(label, array("d")).append(float(wall))
            except (ValueError, KeyError, TypeError, RecursionError):
                bad.append(name)
    except FileNotFoundError:
        findings.error("no-file", f"no file or folder '{source}'", where, "name records of an earlier run")
        return Records(source=str(source))
    except (OSError, tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        findings.error("unreadable-file", f"'{source}' cannot be read: {error}", where)
        return Records(source=str(source))
    if bad:
        shown = ", ".join(bad[:_TOLD]) + (" ..." if len(bad) > _TOLD else "")
        findings.warning("bad-record", f"{len(bad)} records in '{source}' cannot be read: {shown}", where)
    if not memory:
        help = "name a folder that holds records, a .jsonl of them, or the tar of 'collect'"
        findings.warning("no-records", f"no record of a finished quantum in '{source}'", where, help)
    return Records(
        {label: Taken(np.array(memory[label]), np.array(seconds[label])) for label in sorted(memory)}, str(source)
    )


def _record(found: Any) -> Mapping[str, Any] | None:
    """The record of a quantum that finished; None for one that did not, and for what is no record."""
    if isinstance(found, Mapping) and set(found) == {"name", "content"}:
        found = found["content"]  # a line of what 'collect' writes
    if not isinstance(found, Mapping) or found.get("format") != FORMAT or found.get("status") != "done":
        return None
    return found


def _new(record: Mapping[str, Any], seen: set[int]) -> bool:
    """Whether this run of the quantum was not met before: a folder may hold a record and a collection with it."""
    number = hash((record["label"], record["quantum_id"], record["started"]))
    known = number in seen
    seen.add(number)
    return not known


def _texts(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and text of everything that may be a record, one at a time."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix in (".jsonl", ".tar") and path.is_file():
                yield from _texts(path)
            elif _MARK in path.name and path.is_file():
                yield str(path), path.read_bytes()
    elif tarfile.is_tarfile(source):
        with tarfile.open(source, "r|*") as tar:
            for member in tar:
                content = tar.extractfile(member) if _MARK in member.name and member.isfile() else None
                if content is not None:
                    yield member.name, content.read()
    else:
        yield from _lines(source)


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield f"{path}:{number}", line
