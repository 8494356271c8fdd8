"""Jobs and files: the only thing that a backend or the cost model sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

QuantumKey = tuple[str, tuple[tuple[str, int | str], ...]]
"""A task's label and a data id's (dimension, value) pairs, in the order of the job order."""


@dataclass(frozen=True, slots=True)
class File:
    """A file by its logical name, which is the base name under which jobs see it."""

    lfn: str
    size: int | None = None
    """Bytes where known before anything ran."""
    location: str | None = None
    """For a file that exists before the workflow: its location in the job order, as written there."""
    port: str = ""
    """For a file that a job makes: the tool's output port, so that records can be told from datasets."""


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a command-line tool."""

    id: str
    """Unique, `[A-Za-z0-9._+-]`, from tool and data id; the same for the same input."""
    tool: str
    """Id of the CommandLineTool in the workflow: the transformation."""
    command: tuple[str, ...]
    """Program and arguments, evaluated with every staged file standing under its logical name."""
    inputs: tuple[int, ...]
    """Places in `JobGraph.files`, each once, sorted."""
    outputs: tuple[int, ...]
    cores: float = 1
    memory_mib: int = 2048
    quanta: tuple[QuantumKey, ...] = ()
    """Empty for the init job."""


@dataclass(frozen=True)
class JobGraph:
    """All jobs of a workflow."""

    name: str
    jobs: tuple[Job, ...]
    """In an order in which data flows."""
    files: tuple[File, ...]
    """Sorted by logical name."""

    @cached_property
    def producer(self) -> dict[int, int]:
        """The job (by place) that writes a file (by place)."""
        return {f: j for j, job in enumerate(self.jobs) for f in job.outputs}

    def edges(self) -> Iterator[tuple[int, int]]:
        """Pairs (earlier, later) of jobs by place, each once, in order of the later."""
        for j, job in enumerate(self.jobs):
            earlier = {self.producer[f] for f in job.inputs if f in self.producer}
            for each in sorted(earlier):
                yield each, j
