"""Final jobs that gather the records of all others, as a tree: each fetches its inputs one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

COLLECT = "_collect"
"""The transformation, and the id of the last job."""
AT_MOST = 200
"""Inputs of one job: a transfer costs about half a second."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """One job that joins files of records."""

    id: str
    parents: tuple[str, ...]
    """Ids of the jobs that made its inputs."""
    suffix: str
    """With which, after the job's id, every file of records ends."""

    @property
    def inputs(self) -> list[str]:
        return [parent + self.suffix for parent in self.parents]

    @property
    def output(self) -> str:
        return self.id + self.suffix

    @property
    def is_last(self) -> bool:
        return self.id == COLLECT


def gatherings(ids: Sequence[str], suffix: str, name: str = COLLECT) -> tuple[Gathering, ...]:
    """The tree of jobs that gather the records of the jobs `ids`; its root, called `name`, stands last.

    >>> [each.id for each in gatherings([f"isr-{n}" for n in range(400)], ".jsonl")]
    ['_collect-1-1', '_collect-1-2', '_collect']
    """
    made: list[Gathering] = []
    for level in count(1):
        if len(ids) <= AT_MOST:
            break
        groups = range(0, len(ids), AT_MOST)
        width = len(str(len(groups)))
        row = [
            Gathering(f"{name}-{level}-{number:0{width}d}", tuple(ids[first : first + AT_MOST]), suffix)
            for number, first in enumerate(groups, 1)
        ]
        made += row
        ids = [each.id for each in row]
    return (*made, Gathering(name, tuple(ids), suffix)) if ids else ()
