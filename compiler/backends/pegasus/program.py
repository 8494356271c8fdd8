"""What a batch of calls runs, as Pegasus wants it said: a transformation, and the words that are left as arguments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.jobs import Batch, JobGraph

NAMESPACE = "rubincwl"
INSTALLED = "/usr/bin/env"
"""Finds a program by name, which a transformation with its absolute path cannot."""


@dataclass(frozen=True, slots=True)
class Program:
    """The executable of a batch's jobs."""

    file: int | None
    """Number of the script that is staged as the executable; None for an installed program."""
    path: str
    """Of an installed program; empty for a script."""
    said: int
    """How many words of the command the program itself says; the others are its arguments."""


def programs_of(jobs: JobGraph) -> tuple[Program, ...]:
    """For each batch the staged script of ``python3 SCRIPT ...``, or the installed program that the command names.

    A script that exists before the workflow and brings its own ``#!`` line needs no interpreter named.
    """
    scripts: dict[str, int | None] = {}
    return tuple(_program(batch, jobs, scripts) for batch in jobs.calls.batches)


def _program(batch: Batch, jobs: JobGraph, scripts: dict[str, int | None]) -> Program:
    first, *rest = batch.words
    if not isinstance(first, str):
        return Program(None, INSTALLED, 0)
    if first in ("python3", "python") and rest and isinstance(rest[0], str):
        script = scripts[rest[0]] if rest[0] in scripts else scripts.setdefault(rest[0], _existing(rest[0], jobs))
        if script is not None and _read_by_all(script, batch, jobs):
            return Program(script, "", 2)
    return Program(None, first, 1) if first.startswith("/") else Program(None, INSTALLED, 0)


def _existing(name: str, jobs: JobGraph) -> int | None:
    try:
        return jobs.files.names.index(name, 0, jobs.files.existing)
    except ValueError:
        return None


def _read_by_all(file: int, batch: Batch, jobs: JobGraph) -> bool:
    reads = jobs.calls.reads
    read = reads.item[int(reads.start[batch.first]) : int(reads.start[batch.last])]
    return int(np.count_nonzero(read == file)) == batch.last - batch.first
