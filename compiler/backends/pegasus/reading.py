"""A written abstract workflow read back, its sub-workflows included, in the columns that a proof needs.

Shares no code with what writes it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec

WORKFLOW = "workflow.yml"


class _Use(msgspec.Struct):
    lfn: str
    type: str


class _Job(msgspec.Struct):
    id: str
    type: str = "job"
    file: str = ""
    arguments: list[str] = []
    uses: list[_Use] = []


class _Dependency(msgspec.Struct):
    id: str
    children: list[str]


class _Document(msgspec.Struct):
    jobs: list[_Job]
    dependencies: list[_Dependency] = msgspec.field(name="jobDependencies", default_factory=list)


@dataclass
class Written:
    """Every job that the documents hold, those of sub-workflows included."""

    ids: list[str] = field(default_factory=list)
    document: list[int] = field(default_factory=list)
    """For each job, the number of the document that holds it; 0 is the main one."""
    quanta: list[list[str]] = field(default_factory=list)
    """For each job its quanta as its arguments say them, ``label dimension=value ...``, in their order."""
    verbs: list[str] = field(default_factory=list)
    """What each job does: its first argument."""
    declared: list[tuple[int, int]] = field(default_factory=list)
    """Pairs (earlier, later) of jobs as one document declares them."""
    handed: set[tuple[int, int]] = field(default_factory=set)
    """Pairs (earlier, later) of jobs of which the later reads a file of the earlier, in whatever documents."""
    before: dict[int, set[int]] = field(default_factory=dict)
    """For each document of a sub-workflow, those that are run before it by declaration, directly or not."""


def read_workflow(folder: Path) -> Written:
    """Read ``workflow.yml`` of `folder` and the documents of its sub-workflows.

    Raises `OSError`, and `msgspec.DecodeError` for a document that is no abstract workflow in JSON.
    """
    found = Written()
    names = [WORKFLOW]
    main = _read(folder / WORKFLOW)
    below = [job for job in main.jobs if job.type == "pegasusWorkflow"]
    names += [job.file for job in below]
    _orders(found, main, {job.id: n for n, job in enumerate(below, 1)})
    readers: dict[str, list[int]] = {}
    for document, name in enumerate(names):
        content = main if document == 0 else _read(folder / name)
        _jobs(found, content, document, readers)
    numbers = {id: number for number, id in enumerate(found.ids)}
    for name in names:  # again, so that files that nobody reads need not be kept
        content = main if name == WORKFLOW else _read(folder / name)
        _makers(found, content, numbers, readers)
    return found


def _read(path: Path) -> _Document:
    return msgspec.json.decode(path.read_bytes(), type=_Document)


def _jobs(found: Written, content: _Document, document: int, readers: dict[str, list[int]]) -> None:
    numbers: dict[str, int] = {}
    for job in content.jobs:
        if job.type != "job":
            continue
        number = numbers[job.id] = len(found.ids)
        found.ids.append(job.id)
        found.document.append(document)
        found.verbs.append(job.arguments[0] if job.arguments else "")
        found.quanta.append(list(_quanta(job.arguments)))
        for use in job.uses:
            if use.type == "input":
                readers.setdefault(use.lfn, []).append(number)
    for each in content.dependencies:
        if each.id in numbers:
            found.declared += [(numbers[each.id], numbers[child]) for child in each.children if child in numbers]


def _quanta(arguments: list[str]) -> Iterator[str]:
    """What follows each ``--task``."""
    line = " ".join(arguments)
    words = shlex.split(line) if "'" in line or '"' in line else arguments
    starts = [n for n, word in enumerate(words) if word == "--task"]
    for start, end in pairwise([*starts, len(words)]):
        yield " ".join(words[start + 1 : end])


def _makers(found: Written, content: _Document, numbers: dict[str, int], readers: dict[str, list[int]]) -> None:
    for job in content.jobs:
        if job.type != "job":
            continue
        for use in job.uses:
            if use.type == "output":
                found.handed.update((numbers[job.id], reader) for reader in readers.get(use.lfn, ()))


def _orders(found: Written, main: _Document, numbers: dict[str, int]) -> None:
    """Which sub-workflows run before which."""
    found.before = {n: set() for n in numbers.values()}
    children = {
        numbers[d.id]: [numbers[c] for c in d.children if c in numbers] for d in main.dependencies if d.id in numbers
    }
    for number in found.before:
        ready = [number]
        while ready:
            for child in children.get(ready.pop(), ()):
                if number not in found.before[child]:
                    found.before[child].add(number)
                    ready.append(child)
