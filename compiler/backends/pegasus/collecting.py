"""Final jobs that gather the records of all others, as a tree: each fetches its inputs one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

COLLECT = "_collect"
"""The transformation, and the id of the last job."""
AT_MOST = 200
"""Inputs of one job: a transfer costs about half a second."""
RECORDS = "_records.jsonl"
"""With which files of records end; the runner's verb ``collect`` looks for it."""

Source = tuple[str, str]
"""The id of a job and the file of records that it makes."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """One job that joins files of records."""

    id: str
    sources: tuple[Source, ...]

    @property
    def output(self) -> str:
        return self.id + RECORDS

    @property
    def is_last(self) -> bool:
        """Whether nobody gathers what it makes, so that it is a result."""
        return self.id == COLLECT


def gatherings(sources: Sequence[Source], id: str = COLLECT) -> tuple[Gathering, ...]:
    """The tree of jobs that gather `sources`; its root, called `id`, stands last.

    >>> [each.id for each in gatherings([(f"isr-{n}", f"isr-{n}.jsonl") for n in range(400)])]
    ['_collect-1-1', '_collect-1-2', '_collect']
    """
    made: list[Gathering] = []
    for level in count(1):
        if len(sources) <= AT_MOST:
            break
        groups = range(0, len(sources), AT_MOST)
        width = len(str(len(groups)))
        row = [
            Gathering(f"{id}-{level}-{number:0{width}d}", tuple(sources[first : first + AT_MOST]))
            for number, first in enumerate(groups, 1)
        ]
        made += row
        sources = [(each.id, each.output) for each in row]
    return (*made, Gathering(id, tuple(sources))) if sources else ()
