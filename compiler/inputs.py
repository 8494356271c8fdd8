"""The files that a graph takes, where they are said to be, and what the stores there say of them.

Datastore records tell paths and sizes, listings tell what is there; joined they give the copies that may be used and
all that is missing, mis-sized or cannot be read, in one report. The checksum of a datastore record is not used: it does
not say of what algorithm it is, and the middleware's own default is not SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin

if TYPE_CHECKING:
    from compiler.rubin import QuantumGraph

SETTING = "inputs_at"
_INPUTS = "inputs/"
REPOSITORY = ""
"""In place of a root: the file is where the repository is."""


class State(IntEnum):
    """What one place says of one file."""

    GOOD = 0
    MISSING = 1
    WRONG_SIZE = 2
    ARCHIVED = 3
    UNREADABLE = 4
    """There or not: the store does not let us see, or it refused to give a file of this dataset type."""


CODES: Mapping[State, str] = {
    State.MISSING: "missing-input",
    State.WRONG_SIZE: "wrong-size",
    State.ARCHIVED: "archived-input",
    State.UNREADABLE: "unreadable-input",
}


@dataclass(frozen=True, eq=False)
class Inputs:
    """Every file that exists before the workflow, once, sorted by root and path; all columns are of shape (files,)."""

    locations: list[str]
    """As the job order names them: ``inputs/raw/a%20b.fits``, or an absolute URI."""
    roots: list[str]
    """``s3://bucket`` of an absolute URI; empty for files of the repository."""
    paths: list[str]
    """Below the root, or in the repository."""
    sizes: NDArray[np.int64]
    """Bytes as recorded; -1 where the record does not tell."""
    types: NDArray[np.int32]
    """The dataset type, as its number in the graph."""
    unrecorded: int = 0
    """Datasets without a datastore record, whose paths nobody knows."""

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True, eq=False)
class Place:
    """What one place says of some of the files."""

    url: str
    rows: NDArray[np.int64]
    """Which files, as places in `Inputs`."""
    sizes: NDArray[np.int64]
    """Shape (rows,): bytes there; negative where the store tells none."""
    sha256: list[str | None]
    states: NDArray[np.int8]
    """Shape (rows,): of `State`."""
    reasons: Mapping[int, str] = field(default_factory=dict)
    """Why files of a dataset type, by its number, cannot be read."""


@dataclass(frozen=True, eq=False)
class Verified:
    """The files of a graph and what each place says of them."""

    inputs: Inputs
    places: tuple[Place, ...]
    """In the order of preference."""
    types: Sequence[str]
    """Names by number."""
    findings: Findings = field(default_factory=Findings)
    """Everything wrong, in one report."""

    def states(self) -> NDArray[np.int8]:
        """Shape (files,): good where any place is good, missing where it is missing from all, else what is wrong."""
        merged = np.full(len(self.inputs), State.MISSING, dtype=np.int8)
        good = np.zeros(len(self.inputs), dtype=np.bool_)
        for place in self.places:
            merged[place.rows] = np.maximum(merged[place.rows], place.states)
            good[place.rows] |= place.states == State.GOOD
        merged[good] = State.GOOD
        return merged

    def copies(self) -> Iterator[tuple[int, list[str], int, str | None]]:
        """Each file that is good somewhere: its place in `Inputs`, URLs, size (negative if unknown), SHA-256 if known.

        A copy that differs from a more preferred one in size or checksum is left out.
        """
        urls: dict[int, list[str]] = {}
        told: dict[int, tuple[int, str | None]] = {}
        for place in self.places:
            for row, size, sha256, state in zip(
                place.rows.tolist(), place.sizes.tolist(), place.sha256, place.states.tolist(), strict=True
            ):
                if state != State.GOOD:
                    continue
                known_size, known_sum = told.get(row, (int(self.inputs.sizes[row]), None))
                if _differ(known_size, size) or (known_sum and sha256 and known_sum != sha256):
                    continue
                told[row] = (size if known_size < 0 else known_size, known_sum or sha256)
                urls.setdefault(row, []).append(self._url(place, row))
        for row in sorted(urls):
            yield row, urls[row], *told[row]

    def _url(self, place: Place, row: int) -> str:
        if self.inputs.roots[row] != REPOSITORY:
            return self.inputs.locations[row]
        path = self.inputs.paths[row]
        # A URL of the web is quoted, a key of a store is a key.
        return f"{place.url}/{quote(path) if place.url.startswith(('http://', 'https://')) else path}"

    def to_json(self) -> dict[str, Any]:
        """Counts, and every file that no place has as it should be."""
        states = self.states()
        bad = np.flatnonzero(states != State.GOOD).tolist()
        return {
            "files": len(self.inputs),
            "bytes": int(self.inputs.sizes[self.inputs.sizes > 0].sum()),
            "places": [
                {"url": each.url, "files": len(each.rows), "good": int((each.states == State.GOOD).sum())}
                for each in self.places
            ],
            "checksums": sum(1 for *_, sha256 in self.copies() if sha256 is not None),
            "faults": [
                {
                    "code": CODES[State(int(states[row]))],
                    "dataset_type": self.types[int(self.inputs.types[row])],
                    "file": self.inputs.paths[row],
                    "root": self.inputs.roots[row] or None,
                }
                for row in bad
            ],
        }


class InputsError(CompileError):
    """Inputs are missing, mis-sized or cannot be read; `verified` holds them all."""

    def __init__(self, verified: Verified) -> None:
        super().__init__(verified.findings)
        self.verified = verified


def inputs_of(graph: QuantumGraph) -> Inputs:
    """The files that `graph` takes from before it.

    Raises `CompileError` if there are inputs and the graph has a datastore record of none.
    """
    from compiler.translate.order import existing_files

    recorded = dict(zip(graph.files.numbers.tolist(), graph.files.paths, strict=True))
    type_of = graph.dataset_type_of
    rows: dict[tuple[str, str], tuple[str, int, int]] = {}
    existing = existing_files(graph)
    for dataset, file in existing.items():
        if dataset not in recorded:
            continue
        location = str(file["location"])
        # "#unzip=..." names a member: the archive is the file, and its size is not the member's.
        whole, _, member = recorded[dataset].partition("#unzip=")
        size = -1 if member else int(file.get("size", -1))
        key = (REPOSITORY, whole) if location.startswith(_INPUTS) else _split(whole)
        rows[key] = (location, size, int(type_of[dataset]))
    if existing and not rows:
        help = "build it with 'pipetask qgraph --qgraph-datastore-records'"
        raise CompileError(
            [Diagnostic("no-records", "this graph does not say where its inputs are", Origin(graph.source), help)]
        )
    order = sorted(rows)
    return Inputs(
        locations=[rows[key][0] for key in order],
        roots=[root for root, _ in order],
        paths=[path for _, path in order],
        sizes=np.array([rows[key][1] for key in order], dtype=np.int64),
        types=np.array([rows[key][2] for key in order], dtype=np.int32),
        unrecorded=sum(dataset not in recorded for dataset in existing),
    )


def _split(uri: str) -> tuple[str, str]:
    """Root and path of an absolute URI: the bucket or host, and what follows.

    >>> _split("s3://survey/raw/a.fits")
    ('s3://survey', 'raw/a.fits')
    """
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    root = f"{scheme}://{host}"
    return root if host else f"{root}/", unquote(path)


def _differ(one: int, other: int) -> bool:
    return one >= 0 and other >= 0 and one != other
