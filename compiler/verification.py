"""The inputs of a graph, looked for where a target's jobs would take them from, and what its files then say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compiler.diagnostics import CompileError, Diagnostic, Findings, ToolError
from compiler.frontend.config import Settings
from compiler.inputs import REPOSITORY, SETTING, Inputs, InputsError, Place, State, Verified, inputs_of
from compiler.inputs_report import report
from providers.base import Access, Problem
from providers.storage import ABSENT, Client, Observe, StorageError, default_access, open_client, probe, survey

if TYPE_CHECKING:
    from compiler.backends.pegasus import Known
    from compiler.rubin import QuantumGraph
    from providers import Provider

AccessOf = Callable[[str], Access | Problem]


def verify_target(
    provider: Provider, settings: Settings, graph: QuantumGraph, observe: Observe | None = None
) -> Verified:
    """Ask the stores at ``inputs_at`` for every input.

    Raises `InputsError` with everything that is wrong with inputs, `ToolError` with all stores that cannot be asked,
    `CompileError` if nothing says where inputs are.
    """
    said = settings.values.get(SETTING)
    places = [said] if isinstance(said, str) else list(said or ())
    if not places:
        message = f"nothing says where {provider.name} finds the inputs, so that they cannot be verified"
        raise CompileError([Diagnostic("no-inputs-at", message, help="say --inputs-at URL", setting=SETTING)])
    try:
        return _held(verify_inputs(graph, places, provider.access, observe), settings)
    except ToolError as error:
        raise ToolError(map(settings.placed, error.findings)) from error


def verify_repository(repo: Path | None, graph: QuantumGraph, observe: Observe | None = None) -> Verified:
    """Look for every input in a repository on this machine; raises as `verify_target` does."""
    from compiler.delivery import datastore_root, remote_root

    if repo is None:
        message = "nothing says where the inputs are, so that they cannot be verified"
        raise CompileError(
            [Diagnostic("no-inputs-at", message, help="say --repo REPO, or a --target with --inputs-at")]
        )
    root = remote_root(repo) or datastore_root(repo).absolute().as_uri()
    return _held(verify_inputs(graph, [root], default_access, observe), Settings())


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
    findings.items.extend(report(verified, graph.source))
    return verified


def _asked(inputs: Inputs, places: Sequence[str]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each URL to ask, with the files that should be there."""
    for root, group in groupby(range(len(inputs)), key=inputs.roots.__getitem__):
        rows = np.fromiter(group, dtype=np.int64)
        for url in [root] if root != REPOSITORY else dict.fromkeys(each.rstrip("/") for each in places):
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
        reasons = _prove_readable(client, inputs.types[rows], keys, states, sha256, observe)
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
    observe: Observe | None,
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
    for number, (key, entry, _) in enumerate(probe(client, wanted, read=False), 1):
        if entry is not None:
            sha256[wanted[key]] = entry.sha256
        if observe is not None:
            observe(number, len(wanted))
    return reasons


def known_of(verified: Verified) -> Known:
    """What catalogs of replicas say of each input: every copy that is as it should be, its size and SHA-256."""
    from compiler.backends.pegasus import Known

    urls: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    sums: dict[str, str] = {}
    for row, copies, size, sha256 in verified.copies():
        location = verified.inputs.locations[row]
        urls[location] = copies
        if size >= 0:
            sizes[location] = size
        if sha256 is not None:
            sums[location] = sha256
    return Known(urls, sizes, sums)


def _held(verified: Verified, settings: Settings) -> Verified:
    findings = verified.findings
    findings.items = [settings.placed(each) for each in findings]
    if findings.errors:
        raise InputsError(verified)
    return verified
