"""What a proof needs of jobs that were written, whatever wrote them; a backend reads them back like this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from compiler.certificate.hashes import Hashes, Ragged
from compiler.rubin.graph import Ints


class Said(Protocol):
    """What one job says, as text."""

    @property
    def quanta(self) -> Sequence[str]: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def outputs(self) -> Sequence[str]: ...
    @property
    def carried(self) -> Sequence[str]:
        """Files that the arguments name and that are no datasets."""

    @property
    def records(self) -> Sequence[str]:
        """The file of records that the arguments name, if any."""


class Written(Protocol):
    """All jobs in the order of the documents, sub-workflows among them; names and commands as Python's hashes."""

    ids: list[str]
    verbs: list[str]
    """``init`` for the job that initialises the run, ``quanta`` for one that runs quanta."""
    document: Ints
    """Shape (jobs,): the document that holds each; 0 is the main one."""
    runs: Ints
    """Shape (jobs,): the document that a sub-workflow runs; -1 for jobs."""

    told: str
    """How many quanta the main document says that there are."""

    @property
    def quanta(self) -> Ragged:
        """The words that name each quantum."""

    @property
    def inputs(self) -> Ragged: ...
    @property
    def outputs(self) -> Ragged: ...
    @property
    def passed_on(self) -> Ragged:
        """Those outputs that are not staged out."""

    carried: Hashes
    """Shape (jobs,): the sum of the files that a job's arguments name and that are no datasets."""
    records: Hashes
    """Shape (jobs,): the file of records that the arguments name; 0 if none."""
    declared: Hashes
    """Shape (edges, 2): pairs (earlier, later) as documents declare them."""
    unlike: list[tuple[int, str]]
    """Jobs that contradict themselves, and in what."""
    lost: list[tuple[int, str]]
    """By document, ids in dependencies that are no job there."""

    def said(self, job: int) -> Said:
        """A job's own words."""

    def names_of(self, files: set[int], document: int) -> list[str]:
        """Names of files that jobs of a document use."""
