"""The files that a graph takes, where they are said to be, and what the stores there say of them.

Datastore records tell paths and sizes, listings tell what is there; joined they give the copies that may be used and
all that is missing, mis-sized or cannot be read, in one report. The checksum of a datastore record is not used: it does
not say of what algorithm it is, and the middleware's own default is not SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import CompileError, Diagnostic, Findings, Origin, ToolError
from providers.base import Access, Problem
from providers.storage import ABSENT, Client, Observe, StorageError, open_client, probe, survey

if TYPE_CHECKING:
    from compiler.rubin import QuantumGraph

SETTING = "inputs_at"
_NAMED_AT_MOST = 5
_INPUTS = "inputs/"
_REPOSITORY = ""
"""In place of a root: the file is where the repository is."""

AccessOf = Callable[[str], Access | Problem]


class State(IntEnum):
    """What one place says of one file."""

    GOOD = 0
    MISSING = 1
    WRONG_SIZE = 2
    ARCHIVED = 3
    UNREADABLE = 4
    """There or not: the store does not let us see, or it refused to give a file of this dataset type."""


_FAULTS: Mapping[State, tuple[str, str]] = {
    State.MISSING: ("missing-input", "{are} not at {where}"),
    State.WRONG_SIZE: ("wrong-size", "at {where} {have} another size than {their} record"),
    State.ARCHIVED: ("archived-input", "at {where} {are} in an archive and must be restored first"),
    State.UNREADABLE: ("unreadable-input", "at {where} cannot be read"),
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
        """Shape (files,): good where any place is good, else what the most preferred place says."""
        merged = np.full(len(self.inputs), -1, dtype=np.int8)
        for place in self.places:
            known = merged[place.rows]
            merged[place.rows] = np.where((known < 0) | (place.states == State.GOOD), place.states, known)
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
                url = self.inputs.locations[row] if self.inputs.roots[row] else f"{place.url}/{self.inputs.paths[row]}"
                urls.setdefault(row, []).append(url)
        for row in sorted(urls):
            yield row, urls[row], *told[row]

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
                    "code": _FAULTS[State(int(states[row]))][0],
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
        key = ("", whole) if location.startswith(_INPUTS) else _split(whole)
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


def verify_inputs(
    graph: QuantumGraph, places: Sequence[str], access: AccessOf, observe: Observe | None = None
) -> Verified:
    """Ask each of `places`, URLs that hold the repository's files, for every input of `graph`.

    That a file may be read is proved on one of each dataset type at each place. What is wrong with inputs stands in
    the result's findings. Raises `CompileError` for a graph without records, `ToolError` with the faults of all
    stores that cannot be asked.
    """
    inputs = inputs_of(graph)
    findings, faults = Findings(), Findings()
    names = [each.name for each in graph.dataset_types]
    found: list[Place] = []
    for url, rows in _asked(inputs, places):
        place = _look(inputs, url, rows, access, findings, faults, observe)
        if place is not None:
            found.append(place)
    if faults.errors:
        raise ToolError(faults)
    verified = Verified(inputs, tuple(found), names, findings)
    _report(verified, graph.source)
    return verified


def _asked(inputs: Inputs, places: Sequence[str]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each URL to ask, with the files that should be there."""
    for root, group in groupby(range(len(inputs)), key=inputs.roots.__getitem__):
        rows = np.fromiter(group, dtype=np.int64)
        for url in [root] if root != _REPOSITORY else [each.rstrip("/") for each in places]:
            yield url, rows


def _look(
    inputs: Inputs,
    url: str,
    rows: NDArray[np.int64],
    access: AccessOf,
    findings: Findings,
    faults: Findings,
    observe: Observe | None,
) -> Place | None:
    """Survey one place; a fault of the store itself is told in `faults`."""
    keys = [inputs.paths[row] for row in rows.tolist()]
    try:
        client = open_client(url, access(url))
        seen = survey(client, keys, observe)
        sha256 = list(seen.sha256)
        states = np.full(len(rows), State.GOOD, dtype=np.int8)
        recorded = inputs.sizes[rows]
        states[(recorded >= 0) & (seen.sizes >= 0) & (recorded != seen.sizes)] = State.WRONG_SIZE
        states[seen.archived] = State.ARCHIVED
        states[seen.sizes == ABSENT] = State.MISSING
        states[seen.refused] = State.UNREADABLE
        reasons = _prove_readable(client, inputs.types[rows], keys, states, sha256)
    except StorageError as error:
        problem = error.problem
        faults.error(problem.code, problem.message, help=problem.help, setting=problem.setting or SETTING)
        return None
    if seen.unlisted is not None:
        message = (
            f"{url!r} may not be listed, so that each file was asked for: what is missing looks like what is refused"
        )
        findings.warning("no-listing", message, help=seen.unlisted.help)
    return Place(url, rows, seen.sizes, sha256, states, reasons)


def _prove_readable(
    client: Client,
    types: NDArray[np.int32],
    keys: Sequence[str],
    states: NDArray[np.int8],
    sha256: list[str | None],
) -> dict[int, str]:
    """Read a byte of one good file of each dataset type; returns why those of a type cannot be read.

    If the store tells that file's checksum when asked, it is asked for those of all files of the type.
    """
    good = np.flatnonzero(states == State.GOOD)
    kinds, first = np.unique(types[good], return_index=True)
    tried = {keys[int(good[row])]: int(kind) for kind, row in zip(kinds, first, strict=True)}
    reasons: dict[int, str] = {}
    wanted: dict[str, int] = {}
    for key, entry, problem in probe(client, tried):
        of_type = np.flatnonzero((types == tried[key]) & (states == State.GOOD))
        if problem is not None:
            states[of_type] = State.UNREADABLE
            reasons[tried[key]] = f"{key!r}: {problem.message}"
        elif entry is not None and entry.sha256 is not None:
            wanted |= {keys[row]: row for row in of_type.tolist() if sha256[row] is None}
    for key, entry, _ in probe(client, wanted, read=False):
        if entry is not None:
            sha256[wanted[key]] = entry.sha256
    return reasons


def _report(verified: Verified, source: str) -> None:
    """One finding for each dataset type and fault: how many, the first by name, where."""
    inputs, findings = verified.inputs, verified.findings
    states = verified.states()
    place = Origin(source)
    if inputs.unrecorded:
        message = f"{inputs.unrecorded} inputs have no datastore record and were not looked for"
        findings.warning("no-record", message, place, "build the graph with '--qgraph-datastore-records'")
    for number, name in enumerate(verified.types):
        of_type = inputs.types == number
        for state, (code, sentence) in _FAULTS.items():
            rows = np.flatnonzero(of_type & (states == state))
            for root, group in groupby(rows.tolist(), key=inputs.roots.__getitem__):
                bad = list(group)
                where = _where(verified, root)
                single = len(bad) == 1
                said = sentence.format(
                    where=where,
                    are="is" if single else "are",
                    have="has" if single else "have",
                    their="its" if single else "their",
                )
                named = _some([_described(verified, row, state) for row in bad])
                message = f"{len(bad)} of {int(of_type.sum())} '{name}' {said}: {named}"
                findings.error(code, message, place, _way_out(verified, number, state), SETTING)
    _tell_fewer_copies(verified)


def _tell_fewer_copies(verified: Verified) -> None:
    """What a place lacks that another has does no harm, but may cost."""
    good = verified.states() == State.GOOD
    for place in verified.places:
        lacking = int((good[place.rows] & (place.states != State.GOOD)).sum())
        if lacking:
            message = f"{lacking} of {len(place.rows)} files at {place.url!r} cannot be used, other places have them"
            verified.findings.warning("fewer-copies", message)


def _where(verified: Verified, root: str) -> str:
    if root != _REPOSITORY:
        return repr(root)
    urls = list(dict.fromkeys(each.url for each in verified.places if each.url not in set(verified.inputs.roots)))
    return repr(urls[0]) if len(urls) == 1 else f"any of {', '.join(map(repr, urls))}"


def _described(verified: Verified, row: int, state: State) -> str:
    path = verified.inputs.paths[row]
    if state != State.WRONG_SIZE:
        return repr(path)
    for place in verified.places:
        (at,) = np.nonzero(place.rows == row)
        if len(at) and place.states[at[0]] == State.WRONG_SIZE:
            return f"{path!r} ({int(place.sizes[at[0]])} bytes, recorded {int(verified.inputs.sizes[row])})"
    return repr(path)


def _way_out(verified: Verified, type: int, state: State) -> str:
    match state:
        case State.UNREADABLE:
            reasons = [each.reasons[type] for each in verified.places if type in each.reasons]
            tried = (
                f"one of each dataset type was tried: {reasons[0]}" if reasons else "the store refuses to tell of them"
            )
            return f"{tried}; --json lists all"
        case State.ARCHIVED:
            return "restore them: 'aws s3api restore-object'; --json lists all"
    return "'rubincwl upload GRAPH --repo REPO --to URL' copies what is not there; --json lists all"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED_AT_MOST])
    rest = len(names) - _NAMED_AT_MOST
    return shown if rest <= 0 else f"{shown} and {rest} more"


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
