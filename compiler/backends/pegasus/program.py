"""What a job runs, as Pegasus wants it said: a transformation, and the arguments that are left."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.jobs import Job, JobGraph

NAMESPACE = "rubincwl"
INSTALLED = "/usr/bin/env"
"""Finds a program by name, which a transformation with its absolute path cannot."""


@dataclass(frozen=True, slots=True)
class Program:
    """The executable of a job."""

    file: int | None
    """Place in `JobGraph.files` of the script that is staged as the executable; None for an installed program."""
    path: str
    """Of an installed program; empty for a script."""
    arguments: tuple[str, ...]


def program_of(job: Job, jobs: JobGraph) -> Program:
    """The staged script of ``python3 SCRIPT ...``, or the installed program that the command names.

    A script that exists before the workflow and brings its own ``#!`` line needs no interpreter named.
    """
    first, *rest = job.command
    if first in ("python3", "python") and rest:
        for place in job.inputs:
            file = jobs.files[place]
            if file.lfn == rest[0] and file.location is not None:
                return Program(place, "", tuple(rest[1:]))
    if first.startswith("/"):
        return Program(None, first, tuple(rest))
    return Program(None, INSTALLED, job.command)
