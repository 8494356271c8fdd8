"""Commands of calls and jobs as pieces of JSON, column by column: a word that all calls share is quoted once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, repeat

import numpy as np

from compiler.backends.pegasus.program import Program
from compiler.backends.pegasus.quoting import LONGEST_ARGUMENTS, quote_arguments
from compiler.jobs import Batch, JobGraph
from compiler.jobs.graph import Word

_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-\n"
"""Letters that neither a shell nor JSON sees anything in (`shlex.quote` leaves them alone), and our separator."""


@dataclass
class Arguments:
    """The arguments of every job, in pieces: JSON strings of words quoted for the shell, joined by commas."""

    shared: list[str | list[str]]
    """For each batch, what a job says once: the same for all its calls, or for each."""
    own: list[str]
    """Shape (calls,): what a job says for each of its calls."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Calls with a word that cannot get through, and the reason."""

    def shared_by(self, call: int, batch: int, first: int) -> str:
        """What a job says once whose first call is `call`, in `batch`, whose first call is `first`."""
        shared = self.shared[batch]
        return shared if isinstance(shared, str) else shared[call - first]


def arguments_of(jobs: JobGraph, programs: Sequence[Program]) -> Arguments:
    """The arguments of all calls; what the program of a batch says itself is left out."""
    made = Arguments([], [])
    for batch, program in zip(jobs.calls.batches, programs, strict=True):
        # A command whose program is among the words that each call says has none that a job says once.
        shared = max(batch.shared, program.said)
        made.shared.append(_pieces(batch.words[program.said : shared], batch, made.refused))
        own = _pieces(batch.words[shared:], batch, made.refused)
        made.own.extend(repeat(own, batch.last - batch.first) if isinstance(own, str) else own)
    return made


def length_of(pieces: str) -> int:
    """How long a line the words make that stand in `pieces`; at most the length of that text."""
    return len(pieces) if len(pieces) <= LONGEST_ARGUMENTS else len(" ".join(json.loads(f"[{pieces}]")))


def _pieces(words: Sequence[Word], batch: Batch, refused: list[tuple[int, str]]) -> str | list[str]:
    """The words of every call as JSON; one text if they are the same for all."""
    formats: list[str] = []
    columns: list[Sequence[str]] = []
    uneven = False
    """Whether a call has no word where others have some."""
    for word in words:
        if isinstance(word, str):
            formats.append(_fixed(word, batch, refused).replace("%", "%%"))
        elif len(word) and not isinstance(word[0], str):
            rows = [tuple(each) for each in word]
            uneven = uneven or not all(rows)
            several = _quoted(list(chain.from_iterable(rows)), _calls_of(rows), batch, refused)
            ends = np.cumsum([0, *map(len, rows)]).tolist()
            columns.append([",".join(several[a:b]) for a, b in pairwise(ends)])
            formats.append("%s")
        else:
            column = [str(each) for each in word] if not isinstance(word, list) else word
            plain = _is_plain(column)
            columns.append(column if plain else _quoted(column, range(len(column)), batch, refused))
            formats.append('"%s"' if plain else "%s")
    if not columns:
        return ",".join(formats).replace("%%", "%")
    if uneven:
        return _uneven(formats, columns)
    template = ",".join(formats)
    return [template % row for row in zip(*columns, strict=True)]


def _uneven(formats: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
    """As the template would say it, but without a word where a call has none."""
    rows = []
    for values in zip(*columns, strict=True):
        left = iter(values)
        parts = (each % next(left) if each in ("%s", '"%s"') else each.replace("%%", "%") for each in formats)
        rows.append(",".join(part for part in parts if part))
    return rows


def _calls_of(rows: Sequence[tuple[str, ...]]) -> Iterable[int]:
    for place, row in enumerate(rows):
        yield from repeat(place, len(row))


def _is_plain(column: list[str]) -> bool:
    text = "\n".join(column)
    if text.count("\n") != len(column) - 1 or "" in column:
        return False
    return not text.encode(errors="replace").translate(None, _PLAIN)


def _fixed(word: str, batch: Batch, refused: list[tuple[int, str]]) -> str:
    return _quoted([word], [0], batch, refused)[0]


def _quoted(words: Sequence[str], places: Iterable[int], batch: Batch, refused: list[tuple[int, str]]) -> list[str]:
    """Each word as JSON; few of them differ, so each is quoted once."""
    known: dict[str, tuple[str, str]] = {word: _one(word) for word in dict.fromkeys(words)}
    if any(reason for _, reason in known.values()):
        for word, place in zip(words, places, strict=True):
            if known[word][1]:
                refused.append((batch.first + place, known[word][1]))
    return [known[word][0] for word in words]


def _one(word: str) -> tuple[str, str]:
    try:
        return json.dumps(quote_arguments([word])[0], ensure_ascii=False), ""
    except ValueError as reason:
        return '""', str(reason)
