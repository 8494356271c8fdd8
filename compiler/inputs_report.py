"""What is wrong with the inputs of a graph, in one report: how many of each dataset type, the first by name, where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from compiler.diagnostics import Diagnostic, Origin
from compiler.inputs import CODES, SETTING, Place, State, Verified

_NAMED_AT_MOST = 5


def report(verified: Verified, source: str) -> Iterator[Diagnostic]:
    """The findings; `source` is the graph's file."""
    inputs = verified.inputs
    if inputs.unrecorded:
        message = f"{inputs.unrecorded} inputs have no datastore record and were not looked for"
        help = "build the graph with 'pipetask qgraph --qgraph-datastore-records'"
        yield Diagnostic("no-record", message, Origin(source), help, "warning")
    states = verified.states()
    for number, name in enumerate(verified.types):
        of_type = inputs.types == number
        for state in CODES:
            rows = np.flatnonzero(of_type & (states == state))
            for _, group in groupby(rows.tolist(), key=inputs.roots.__getitem__):
                yield _fault(verified, state, name, list(group), int(of_type.sum()))
    yield from _fewer_copies(verified)


def _fault(verified: Verified, state: State, name: str, rows: Sequence[int], of: int) -> Diagnostic:
    """One fault of files of one dataset type that should be at the same places."""
    places = [each for each in verified.places if _has(each, rows, state)]
    where = ", ".join(repr(each.url) for each in places)
    several, single = len(places) > 1, len(rows) == 1
    match state:
        case State.MISSING:
            said = f"{'is' if single else 'are'} {'at none of' if several else 'not at'} {where}"
        case State.WRONG_SIZE:
            said = f"at {where} {'has' if single else 'have'} another size than recorded"
        case State.ARCHIVED:
            said = f"at {where} {'is' if single else 'are'} in an archive and must be restored first"
        case _:
            said = f"at {where} cannot be read"
    shown = ", ".join(_described(verified, row, state) for row in rows[:_NAMED_AT_MOST])
    named = shown if len(rows) <= _NAMED_AT_MOST else f"{shown} and {len(rows) - _NAMED_AT_MOST:,} more"
    message = f"{len(rows):,} of {of:,} '{name}' {said}: {named}"
    help = _way_out(places, int(verified.inputs.types[rows[0]]), state)
    return Diagnostic(CODES[state], message, None, help, setting=SETTING)


def _has(place: Place, rows: Sequence[int], state: State) -> bool:
    return bool(np.isin(rows, place.rows[place.states == state]).any())


def _fewer_copies(verified: Verified) -> Iterator[Diagnostic]:
    """What a place lacks that another has does no harm, but may cost."""
    good = verified.states() == State.GOOD
    for place in verified.places:
        lacking = int((good[place.rows] & (place.states != State.GOOD)).sum())
        if lacking:
            message = (
                f"{lacking:,} of {len(place.rows):,} inputs cannot be used at {place.url!r}; other places have them"
            )
            yield Diagnostic("fewer-copies", message, severity="warning")


def _described(verified: Verified, row: int, state: State) -> str:
    path = repr(verified.inputs.paths[row])
    if state == State.WRONG_SIZE:
        for place in verified.places:
            (at,) = np.nonzero((place.rows == row) & (place.states == state))
            if len(at):
                return f"{path} ({int(place.sizes[at[0]]):,} bytes, recorded {int(verified.inputs.sizes[row]):,})"
    return path


def _way_out(places: Sequence[Place], kind: int, state: State) -> str:
    match state:
        case State.UNREADABLE:
            reasons = [each.reasons[kind] for each in places if kind in each.reasons]
            tried = (
                f"one of each dataset type was tried: {reasons[0]}" if reasons else "the store refuses to tell of them"
            )
            return f"{tried}; --json lists all"
        case State.ARCHIVED:
            return "restore them: 'aws s3api restore-object'; --json lists all"
    return "'rubincwl upload GRAPH --repo REPO --to URL' copies what is not there; --json lists all"
